#include "tools/postern/definition_options.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/postern/paths.h"

namespace postern {
namespace {

std::vector<std::string> SplitLines(absl::string_view text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

}  // namespace

absl::StatusOr<std::string> ReadDefinitionFile(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return absl::NotFoundError(absl::StrCat(path, ": ", std::strerror(errno)));
  }
  if (S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is a folder; name the definition file in it"));
  }
  if (info.st_size > static_cast<off_t>(kMaxDefinitionBytes)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": has ", info.st_size, " bytes; at most ",
                                                   kMaxDefinitionBytes, " are read"));
  }
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in)
    return absl::UnavailableError(absl::StrCat(path, ": cannot be read: ", std::strerror(errno)));
  return std::move(text).str();
}

void DefinitionOptions::Bind(FlagSet* flags) {
  flags->String("stage", "NAME", "Stage to serve. Default prod, and $default for HTTP APIs.",
                &stage);
  flags->Strings("var", "NAME=VALUE", "A stage variable. May be repeated.", &variables);
  flags->Strings(
      "lambda", "NAME=URL[,URL...]",
      "Where a Lambda function is: its name, name:alias, ARN, or * for every other one. "
      "http://host:port is a Runtime Interface Emulator; invoke+http://host:port an Invoke "
      "API. Several URLs share the load. May be repeated.",
      &lambdas);
  flags->Strings(
      "allow-unenforced", "GUARD[,GUARD...]",
      "Serve although this guard of the definition cannot be enforced: authorizer, iam, "
      "security, api-key, policy, validator, mutual-tls, tls-policy, "
      "private-endpoint, extension, the name of a scheme or extension, a JSON pointer, or "
      "all. May be repeated.",
      &allow_unenforced);
  flags->String("base-path", "MODE",
                "What a definition's base path does: ignore (default), prepend or split.",
                &base_path_mode);
  flags->String("account", "ID", "Account id that events and ARNs show. Default 000000000000.",
                &account);
  flags->String("region", "NAME", "Region that events and ARNs show. Default us-east-1.", &region);
  flags->String("access-log", "FORMAT",
                "Access log of the stage: one line of text with $context variables. Default none.",
                &access_log_format);
  flags->String("access-log-file", "PATH", "Where its lines go. Default standard output.",
                &access_log_file);
  flags->String(
      "upstream-ca", "FILE",
      "Roots that HTTPS upstreams of integrations are checked against, PEM. Default those "
      "of the system. Read again when it changes, like the two that follow.",
      &upstream_ca);
  flags->String("upstream-cert", "FILE",
                "Certificate chain shown to HTTPS upstreams that ask for one, PEM, leaf first.",
                &upstream_cert);
  flags->String("upstream-key", "FILE", "Its private key, PEM.", &upstream_key);
  flags->Number("upstream-idle-timeout", "MS",
                "Longest silence of an upstream in the middle of its answer, which is then broken "
                "off. Default 60000; 0: no bound.",
                0, 3'600'000, &upstream_idle_timeout_ms);
  flags->Switch("strict", "Refuse whatever would be approximated or made unavailable.", &strict);
}

bool Definitions::ok() const {
  if (!problems.empty()) return false;
  for (const ImportReport& report : reports) {
    if (report.refused()) return false;
  }
  return true;
}

Definitions ImportDefinitions(const DefinitionOptions& options) {
  Definitions out;
  const auto problem = [&out](absl::string_view text) { out.problems.emplace_back(text); };

  ImportOptions import;
  import.fail_on_warnings = options.strict;
  if (!options.stage.empty()) {
    import.stage.http_api_name = options.stage;
    if (options.stage != "$default") import.stage.name = options.stage;
  }
  import.stage.upstream_tls = {PathOrSecret(options.upstream_ca),
                               PathOrSecret(options.upstream_cert),
                               PathOrSecret(options.upstream_key)};
  if (auto secrets = options.secrets.ToSecrets(); secrets.ok()) {
    import.stage.secrets = *std::move(secrets);
  } else {
    problem(secrets.status().message());
  }
  import.stage.response_idle_timeout_ms = static_cast<uint32_t>(options.upstream_idle_timeout_ms);
  for (const std::string& pair : options.variables) {
    const size_t equals = pair.find('=');
    if (equals == pair.npos || equals == 0) {
      problem(absl::StrCat("--var ", pair, ": write NAME=VALUE"));
      continue;
    }
    import.stage.variables[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  for (const std::string& mapping : options.lambdas) {
    if (absl::Status status = AddLambdaMapping(mapping, import.stage.lambda); !status.ok()) {
      problem(absl::StrCat("--lambda ", mapping, ": ", status.message()));
    }
  }
  for (const std::string& list : options.allow_unenforced) {
    for (absl::string_view guard : absl::StrSplit(list, ',', absl::SkipEmpty())) {
      import.allow_unenforced.emplace_back(guard);
      out.settings.add_allow_unenforced(std::string(guard));
    }
  }
  out.settings.set_strict(options.strict);
  if (options.base_path_mode == "prepend") {
    import.base_path_mode = BasePathMode::kPrepend;
    out.settings.set_base_path_mode(control::v1::ImportSettings::BASE_PATH_MODE_PREPEND);
  } else if (options.base_path_mode == "split") {
    import.base_path_mode = BasePathMode::kSplit;
    out.settings.set_base_path_mode(control::v1::ImportSettings::BASE_PATH_MODE_SPLIT);
  } else if (options.base_path_mode != "ignore") {
    problem(
        absl::StrCat("--base-path ", options.base_path_mode, ": write ignore, prepend or split"));
  }
  import.gateway.set_account_id(options.account);
  import.gateway.set_region(options.region);
  if (absl::Status status = ValidateStageOptions(import.stage); !status.ok()) {
    for (std::string& line : SplitLines(status.message())) problem(line);
  }
  if (!out.problems.empty()) return out;

  out.stage = import.stage;
  out.gateway = import.gateway;
  if (!options.access_log_format.empty()) {
    out.access_log.emplace();
    out.access_log->set_format(options.access_log_format);
    if (options.access_log_file.empty()) {
      out.access_log->set_standard_output(true);
    } else {
      out.access_log->set_file(AbsolutePath(options.access_log_file));
    }
  }
  for (const std::string& file : options.files) {
    absl::StatusOr<std::string> text = ReadDefinitionFile(file);
    if (!text.ok()) {
      problem(text.status().message());
      continue;
    }
    import.file_name = file;
    ImportResult result = ImportDefinition(*text, import);
    const bool usable = result.ok();
    out.reports.push_back(std::move(result.report));
    if (usable) {
      out.imported.push_back({file, *std::move(text),
                              CompileInput{std::move(result.api), std::move(result.deployment),
                                           std::nullopt, std::move(result.modules)}});
    }
  }
  return out;
}

Definitions LoadDefinitions(const DefinitionOptions& options,
                            const std::vector<snapshot::v1::Listener>& listeners,
                            uint64_t version) {
  Definitions out = ImportDefinitions(options);
  if (!out.ok()) return out;
  CompileOptions compile;
  compile.stage = out.stage;
  compile.version = version;
  compile.gateway = out.gateway;
  compile.listeners = listeners;
  compile.access_log = out.access_log;
  std::vector<CompileInput> inputs;
  for (Imported& imported : out.imported) inputs.push_back(std::move(imported.input));
  out.imported.clear();
  absl::StatusOr<snapshot::v1::Snapshot> snapshot = CompileSnapshot(inputs, compile);
  if (!snapshot.ok()) {
    for (std::string& line : SplitLines(snapshot.status().message())) {
      out.problems.push_back(std::move(line));
    }
    return out;
  }
  out.snapshot = *std::move(snapshot);
  return out;
}

void PrintReports(const Definitions& definitions) {
  const bool color = ::isatty(2) == 1;
  for (const ImportReport& report : definitions.reports) {
    std::fputs(report.ToText(color).c_str(), stderr);
  }
  for (const std::string& problem : definitions.problems) {
    std::fprintf(stderr, "postern: %s\n", problem.c_str());
  }
}

}  // namespace postern
