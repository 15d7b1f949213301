#include "tools/postern/module_command.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "core/base/log.h"
#include "core/filter/breadcrumb.h"
#include "core/filter/filter_host.h"
#include "core/filter/module_loader.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/json_writer.h"
#include "tools/postern/command_line.h"
#include "tools/postern/exit_codes.h"
#include "tools/postern/paths.h"

namespace postern {
namespace {

// What there is to say of one file.
struct Report {
  ModuleLoader::Inspection inspection;
  std::vector<std::string_view> hooks;  // of one that loads
  std::string problem;                  // why it does not; empty: it does
};

Report Look(ModuleLoader* loader, const std::string& file) {
  Report report;
  report.inspection = loader->Inspect(AbsolutePath(file));
  report.problem = report.inspection.problem;
  if (!report.problem.empty()) return report;
  const absl::StatusOr<const FilterModule*> module = loader->LoadFile(report.inspection.file);
  if (module.ok()) {
    report.hooks = (*module)->HookNames();
  } else {
    // Without "module … (file): ", which is said already.
    report.problem = std::string(module.status().message());
    const std::string place = Concat("(", report.inspection.file, "): ");
    const size_t at = report.problem.find(place);
    if (at != report.problem.npos) report.problem.erase(0, at + place.size());
  }
  return report;
}

template <typename List>
std::string Joined(const List& list) {
  std::string out;
  for (const auto& one : list) out += Concat(out.empty() ? "" : ", ", one);
  return out;
}

// What comes from a file may be anything.
std::string Printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
  return text;
}

std::string ToText(const Report& report) {
  const ModuleManifest& manifest = report.inspection.manifest;
  std::string out = manifest.name.empty() ? Concat(report.inspection.file, "\n")
                                          : Concat(manifest.name, " ", manifest.version, "\n");
  const auto line = [&out](std::string_view name, std::string_view value) {
    out += Concat("  ", name, std::string(14 - name.size(), ' '), value, "\n");
  };
  if (!manifest.name.empty()) line("file", report.inspection.file);
  if (!report.inspection.digest.empty()) line("digest", report.inspection.digest);
  if (manifest.abi_major != 0) {
    line("abi", Concat(manifest.abi_major, ".", manifest.abi_minor));
    line("capabilities", CapabilityNames(manifest.capabilities));
  }
  const ModuleFile& contents = report.inspection.contents;
  if (!contents.needed.empty()) line("libraries", Printable(Joined(contents.needed)));
  if (!contents.exported.empty()) {
    line("also exports",
         Printable(Concat(Joined(contents.exported), ": it should export its two symbols alone")));
  }
  if (!contents.unique.empty()) {
    line("shares", Printable(Concat(Joined(contents.unique),
                                    " with other modules: build it with -fvisibility=hidden")));
  }
  if (report.problem.empty()) {
    line("hooks", report.hooks.empty() ? "none" : Joined(report.hooks));
    line("loads here", "yes");
  } else {
    line("loads here", Concat("no: ", Printable(report.problem)));
  }
  return out;
}

void WriteJson(const Report& report, JsonWriter* json) {
  const auto strings = [json](std::string_view key, const auto& list) {
    json->Key(key);
    json->BeginArray();
    for (const auto& one : list) json->String(one);
    json->EndArray();
  };
  const ModuleManifest& manifest = report.inspection.manifest;
  const auto string = [json](std::string_view key, std::string_view value) {
    json->Key(key);
    json->String(value);
  };
  json->BeginObject();
  string("file", report.inspection.file);
  string("digest", report.inspection.digest);
  string("name", manifest.name);
  string("version", manifest.version);
  json->Key("abi");
  json->BeginObject();
  json->Key("major");
  json->Uint(manifest.abi_major);
  json->Key("minor");
  json->Uint(manifest.abi_minor);
  json->EndObject();
  json->Key("capabilities");
  json->BeginArray();
  for (const std::string_view name : {"BODY", "CALLOUT", "SHARED", "THREADS"}) {
    if ((manifest.capabilities & ParseCapability(name)) != 0) json->String(name);
  }
  json->EndArray();
  strings("libraries", report.inspection.contents.needed);
  strings("exported", report.inspection.contents.exported);
  strings("unique", report.inspection.contents.unique);
  strings("hooks", report.hooks);
  json->Key("loads");
  json->Bool(report.problem.empty());
  string("problem", report.problem);
  json->EndObject();
}

}  // namespace

int ModuleCommand(const std::vector<std::string>& args) {
  CommandLine command("module", "FILE...", 1, SIZE_MAX);
  bool json = false;
  command.flags().Switch("json", "Write a list of objects, one for each file, as JSON.", &json);
  int code = kExitOk;
  if (!command.Begin(args, &code)) return code;
  const std::vector<std::string>& files = command.arguments();
  SetLogFormat(LogFormat::kText);
  SetLogLevel(LogLevel::kWarn);
  ModuleLoader::Options options;
  options.host = FilterHost();
  options.max_mapped = files.size();
  InstallFaultHandler();
  ModuleLoader loader(std::move(options));
  std::vector<Report> reports;
  int exit_code = kExitOk;
  for (const std::string& file : files) {
    reports.push_back(Look(&loader, file));
    if (reports.back().problem.empty()) continue;
    // A file that cannot even be read counts as "could not be done".
    const bool unreadable = reports.back().inspection.digest.empty();
    if (exit_code != kExitFailed) exit_code = unreadable ? kExitFailed : kExitRefused;
  }
  std::string out;
  if (json) {
    StringSink sink(&out);
    JsonWriter writer(&sink);
    writer.BeginArray();
    for (const Report& report : reports) WriteJson(report, &writer);
    writer.EndArray();
    sink.Finish();
    std::printf("%s\n", out.c_str());
  } else {
    for (const Report& report : reports) out += ToText(report);
    std::fputs(out.c_str(), stdout);
  }
  return exit_code;
}

}  // namespace postern
