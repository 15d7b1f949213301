#include "tools/postern/check_command.h"

#include <unistd.h>

#include <cstdio>

#include "core/base/log.h"
#include "core/config/runtime_snapshot.h"
#include "core/filter/breadcrumb.h"
#include "lib/text/char_sink.h"
#include "lib/text/json_writer.h"
#include "tools/postern/definition_options.h"
#include "tools/postern/exit_codes.h"
#include "tools/postern/flags.h"
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
  FlagSet flags("postern check FILE... [options]");
  DefinitionOptions options;
  ModuleOptions modules;
  bool json = false;
  bool help = false;
  options.Bind(&flags);
  modules.Bind(&flags);
  flags.Switch("json", "Write the report as JSON.", &json);
  flags.Switch("help", "Show this.", &help);
  if (absl::Status status = flags.Parse(args, &options.files); !status.ok()) {
    std::fprintf(stderr, "postern check: %s\n", std::string(status.message()).c_str());
    return kExitUsage;
  }
  if (help) {
    std::fputs(flags.Help().c_str(), stdout);
    return kExitOk;
  }
  if (options.files.empty()) {
    std::fprintf(stderr, "postern check: name a definition file\nusage: %s\n",
                 flags.usage().c_str());
    return kExitUsage;
  }
  absl::StatusOr<ModuleLoader::Options> loader_options = modules.ToLoaderOptions();
  if (!loader_options.ok()) {
    std::fprintf(stderr, "postern check: %s\n",
                 std::string(loader_options.status().message()).c_str());
    return kExitUsage;
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
      definitions.problems.push_back(problem.ToString());
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
