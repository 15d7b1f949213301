#include "tools/postern/check_command.h"

#include <unistd.h>

#include <cstdint>
#include <cstdio>

#include "core/base/log.h"
#include "core/config/runtime_snapshot.h"
#include "core/filter/breadcrumb.h"
#include "lib/text/char_sink.h"
#include "lib/text/json_writer.h"
#include "tools/postern/command_line.h"
#include "tools/postern/definition_options.h"
#include "tools/postern/exit_codes.h"
#include "tools/postern/listener_options.h"
#include "tools/postern/module_options.h"

namespace postern {
namespace {

// {"ok": …, "problems": […], "reports": […]}
std::string ToJson(const Definitions& definitions) {
  std::string out;
  StringSink sink(&out);
  JsonWriter json(&sink);
  json.BeginObject();
  json.Key("ok");
  json.Bool(definitions.ok());
  json.Key("problems");
  json.BeginArray();
  for (const std::string& problem : definitions.problems) json.String(problem);
  json.EndArray();
  json.Key("reports");
  json.BeginArray();
  for (const ImportReport& report : definitions.reports) json.Raw(report.ToJson());
  json.EndArray();
  json.EndObject();
  sink.Finish();
  return out;
}

}  // namespace

int CheckCommand(const std::vector<std::string>& args) {
  CommandLine command("check", "FILE...", 1, SIZE_MAX);
  DefinitionOptions options;
  ModuleOptions modules;
  bool json = false;
  options.Bind(&command.flags());
  options.secrets.Bind(&command.flags());
  modules.Bind(&command.flags());
  command.flags().Switch("json", "Write the report as JSON.", &json);
  int code = kExitOk;
  if (!command.Begin(args, &code)) return code;
  options.files = command.arguments();
  absl::StatusOr<ModuleLoader::Options> loader_options = modules.ToLoaderOptions();
  if (!loader_options.ok()) {
    return command.Usage(loader_options.status().message());
  }
  InstallFaultHandler();
  ModuleLoader loader(*std::move(loader_options));
  auto listeners = ListenerOptions().ToListeners();
  Definitions definitions = LoadDefinitions(options, *listeners, 1);
  if (definitions.ok()) {
    // What a gateway would refuse to load is refused here, by filter modules too.
    SetLogLevel(LogLevel::kWarn);
    RuntimeSnapshot::Options build;
    build.modules = &loader;
    const RuntimeSnapshot::Built built = RuntimeSnapshot::Build(definitions.snapshot, build);
    for (const SnapshotProblem& problem : built.problems) {
      definitions.AddProblem(problem);
    }
  }
  if (json) {
    std::printf("%s\n", ToJson(definitions).c_str());
  } else {
    for (const ImportReport& report : definitions.reports) {
      std::fputs(report.ToText(::isatty(1) == 1).c_str(), stdout);
    }
    for (const std::string& problem : definitions.problems) {
      std::fprintf(stderr, "postern: %s\n", problem.c_str());
    }
  }
  if (definitions.ok()) return kExitOk;
  for (const ImportReport& report : definitions.reports) {
    if (report.refused()) return kExitRefused;
  }
  return definitions.reports.size() == options.files.size() ? kExitRefused : kExitFailed;
}

}  // namespace postern
