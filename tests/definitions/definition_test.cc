#include <fstream>
#include <sstream>
#include <string>

#include "control/compile/compile.h"
#include "control/import/import.h"
#include "core/config/runtime_snapshot.h"
#include "gtest/gtest.h"
#include "tests/definitions/own_modules.h"

namespace postern {
namespace {

std::string ReadFile(const std::string& name) {
  std::ifstream in(name, std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class Definitions : public testing::TestWithParam<const char*> {};

// Whatever is imported can be served: a gateway has nothing to refuse in it that the import report
// should have said with file and line.
TEST_P(Definitions, WhatIsImportedIsAccepted) {
  ImportOptions options;
  options.file_name = GetParam();
  options.allow_unenforced = {"all"};
  options.stage.variables = {{"shop", "127.0.0.1:9001"}, {"backend", "h/base"}};
  options.stage.lambda = {{"pets", {"http://127.0.0.1:9001"}},
                          {"*", {"invoke+https://lambda.eu-west-1.amazonaws.com"}}};
  const ImportResult imported = ImportDefinition(ReadFile(GetParam()), options);
  ASSERT_TRUE(imported.ok()) << imported.report.ToText(false);

  CompileOptions compile;
  compile.stage = options.stage;
  snapshot::v1::Listener& listener = compile.listeners.emplace_back();
  listener.set_name("http");
  listener.mutable_address()->mutable_tcp()->set_host("127.0.0.1");
  const auto snapshot =
      CompileSnapshot({{imported.api, imported.deployment, {}, imported.modules}}, compile);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  RuntimeSnapshot::Options own;
  own.modules = OwnModules();
  const RuntimeSnapshot::Built built = RuntimeSnapshot::Build(*snapshot, own);
  if (imported.modules.empty()) {
    EXPECT_TRUE(built.problems.empty()) << built.ProblemText();
    EXPECT_NE(built.snapshot, nullptr);
  } else {
    // Nothing but that the definition's own modules are not here.
    for (const SnapshotProblem& problem : built.problems) {
      EXPECT_EQ(problem.path.substr(0, 8), "modules[") << problem.ToString();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Definitions,
    testing::Values("examples/petstore/petstore.yaml", "control/import/testdata/anchors.yaml",
                    "control/import/testdata/cors_mocks.yaml",
                    "control/import/testdata/export_swagger.json",
                    "control/import/testdata/guards.yaml", "control/import/testdata/http_api.yaml",
                    "control/import/testdata/openapi31.json",
                    "control/import/testdata/proxies.yaml", "control/import/testdata/sam.json"),
    [](const auto& info) {
      const std::string_view path = info.param;
      const std::string_view name = path.substr(path.rfind('/') + 1);
      return std::string(name.substr(0, name.find('.')));
    });

// What the petstore says of itself when everything it needs is there: nothing that needs attention.
TEST(Petstore, NeedsNoAttention) {
  ImportOptions options;
  options.file_name = "petstore.yaml";
  options.stage.variables = {{"shop", "127.0.0.1:9001"}};
  options.stage.lambda = {{"pets", {"http://127.0.0.1:9001"}}};
  const ImportResult result =
      ImportDefinition(ReadFile("examples/petstore/petstore.yaml"), options);
  EXPECT_TRUE(result.ok());
  for (const Finding& finding : result.report.findings()) {
    EXPECT_TRUE(finding.aggregate) << finding.place.pointer << ": " << finding.reason;
  }
}

}  // namespace
}  // namespace postern
