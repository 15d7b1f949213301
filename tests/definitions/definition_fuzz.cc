#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "control/compile/compile.h"
#include "control/import/import.h"
#include "core/config/runtime_snapshot.h"
#include "tests/definitions/own_modules.h"

// Whatever the importer takes and the compiler makes of it, a gateway accepts, if it has the
// modules.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  postern::ImportOptions options;
  options.file_name = "fuzz.yaml";
  options.allow_unenforced = {"all"};
  options.stage.variables = {{"a", "b"}, {"host", "h/x"}, {"backend", "127.0.0.1:1"}};
  options.stage.lambda = {{"*", {"invoke+http://127.0.0.1:3001/base"}}, {"f", {"http://h:1"}}};
  const postern::ImportResult imported = postern::ImportDefinition(
      std::string_view(reinterpret_cast<const char*>(data), size), options);
  if (!imported.ok()) return 0;

  postern::CompileOptions compile;
  compile.stage = options.stage;
  postern::snapshot::v1::Listener& listener = compile.listeners.emplace_back();
  listener.set_name("http");
  listener.mutable_address()->mutable_tcp()->set_host("127.0.0.1");
  const auto snapshot = postern::CompileSnapshot(
      {{imported.api, imported.deployment, {}, imported.modules}}, compile);
  if (!snapshot.ok()) std::abort();
  postern::RuntimeSnapshot::Options own;
  own.modules = postern::OwnModules();
  const postern::RuntimeSnapshot::Built built = postern::RuntimeSnapshot::Build(*snapshot, own);
  for (const postern::SnapshotProblem& problem : built.problems) {
    if (problem.path.starts_with("modules[")) continue;
    std::fprintf(stderr, "%s\n", built.ProblemText().c_str());
    std::abort();
  }
  return 0;
}
