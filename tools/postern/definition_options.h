#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/statusor.h"
#include "control/compile/compile.h"
#include "control/import/import.h"
#include "core/config/runtime_snapshot.h"
#include "proto/control/stage_settings.pb.h"
#include "proto/snapshot/snapshot.pb.h"
#include "tools/postern/flags.h"
#include "tools/postern/secret_options.h"

namespace postern {

/// The options that `run` and `check` share: which definitions, and how to read them.
struct DefinitionOptions {
  std::vector<std::string> files;
  std::string stage;                          ///< empty: prod, and $default for HTTP APIs
  std::string settings_file;                  ///< of stages and domains; empty: none
  std::vector<std::string> variables;         ///< k=v
  std::vector<std::string> lambdas;           ///< NAME=URL[,URL...]
  std::vector<std::string> allow_unenforced;  ///< each may be a comma-separated list
  std::string base_path_mode = "ignore";
  std::string account = "000000000000";
  std::string region = "us-east-1";
  std::string access_log_format;
  std::string access_log_file;
  std::string upstream_ca;
  std::string upstream_cert;
  std::string upstream_key;
  uint64_t upstream_idle_timeout_ms = 60000;
  SecretOptions secrets;  ///< not bound by Bind()
  bool strict = false;

  void Bind(FlagSet* flags);
};

/// One definition, as it was read and what it was imported to.
struct Imported {
  std::string file;
  std::string text;
  CompileInput input;
};

/// What became of the definitions.
struct Definitions {
  std::vector<ImportReport> reports;  ///< one for each file, in order
  std::vector<std::string> problems;  ///< with what no report covers: files, options, compilation
  std::vector<std::string> files;     ///< that were read: these, the settings, canaries
  /// Where filters are configured, "FILE:LINE:COLUMN POINTER", by API, scope and name.
  std::map<std::tuple<std::string, std::string, std::string>, std::string> filter_places;
  StageOptions stage;  ///< as the options say it, like the three that follow
  std::optional<snapshot::v1::AccessLog> access_log;
  snapshot::v1::Gateway gateway;
  control::v1::ImportSettings settings;
  std::vector<Imported> imported;   ///< one for each file, if ok()
  snapshot::v1::Snapshot snapshot;  ///< complete if ok(), once compiled
  bool ok() const;
  /// Adds what a gateway has against the snapshot, with the place in a definition where it is
  /// known.
  void AddProblem(const SnapshotProblem& problem);
};

/// The text of a definition file. An error names the file.
absl::StatusOr<std::string> ReadDefinitionFile(const std::string& path);

/// Reads and imports, without the settings file. Every problem of every file is found, not only the
/// first.
Definitions ImportDefinitions(const DefinitionOptions& options);

/// The same, and compiles.
Definitions LoadDefinitions(const DefinitionOptions& options,
                            const std::vector<snapshot::v1::Listener>& listeners, uint64_t version);

/// Writes what there is to say to standard error: reports in full when something is refused, else
/// what needs attention.
void PrintReports(const Definitions& definitions);

}  // namespace postern
