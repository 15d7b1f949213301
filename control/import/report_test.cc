#include "control/import/report.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace postern {
namespace {

using testing::HasSubstr;
using testing::Not;

Finding Make(Disposition disposition, int line, std::string pointer, std::string reason,
             bool blocking = false) {
  Finding finding;
  finding.disposition = disposition;
  finding.blocking = blocking;
  finding.kind = "thing";
  finding.place = {line, 3, std::move(pointer)};
  finding.reason = std::move(reason);
  return finding;
}

Finding Aggregate(Disposition disposition, std::string kind) {
  Finding finding;
  finding.disposition = disposition;
  finding.aggregate = true;
  finding.kind = std::move(kind);
  return finding;
}

TEST(ImportReport, ImportedText) {
  ImportReport report("api.yaml");
  report.SetSummary("REST API \"X\" (abc), 1 method on 1 resource");
  report.Add(Make(Disposition::kIgnored, 9, "/host", "No domain."));
  report.Add(Make(Disposition::kApproximated, 12, "/a", "Differs."));
  report.Add(Make(Disposition::kRefused, 30, "/b", "Cannot."));
  report.Add(Aggregate(Disposition::kIgnored, "summary"));
  report.Add(Aggregate(Disposition::kIgnored, "summary"));
  report.Add(Aggregate(Disposition::kIgnored, "tags"));
  report.Add(Aggregate(Disposition::kApplied, "uri"));
  EXPECT_FALSE(report.refused());
  EXPECT_EQ(report.count(Disposition::kIgnored), 4u);
  EXPECT_EQ(report.ToText(false),
            "api.yaml: REST API \"X\" (abc), 1 method on 1 resource\n"
            "  refused       api.yaml:30:3  /b\n"
            "                Cannot.\n"
            "  approximated  api.yaml:12:3  /a\n"
            "                Differs.\n"
            "  ignored       api.yaml:9:3  /host\n"
            "                No domain.\n"
            "  ignored       3 properties: summary 2, tags 1\n"
            "  applied       1 property\n");
}

TEST(ImportReport, RefusedText) {
  ImportReport report("api.yaml");
  report.SetSummary("unused");
  report.Add(Make(Disposition::kRefused, 0, "", "Nothing in it.", true));
  EXPECT_TRUE(report.refused());
  EXPECT_EQ(report.ToText(false),
            "api.yaml: refused, 1 problem\n"
            "  refused       api.yaml  (whole document)\n"
            "                Nothing in it.\n");
}

// What says the same is not said a hundred times.
TEST(ImportReport, GroupsWhatSaysTheSame) {
  ImportReport report("api.yaml");
  for (int i = 1; i <= 100; ++i) {
    report.Add(Make(Disposition::kRefused, i, "/p" + std::to_string(i), "Same.", true));
  }
  report.Add(Make(Disposition::kRefused, 50, "/other", "Other.", true));
  const std::string text = report.ToText(false);
  EXPECT_THAT(text, HasSubstr("101 problems"));
  EXPECT_THAT(text, HasSubstr("/p5\n                and 95 more; the JSON report has all\n"
                              "                Same.\n"));
  EXPECT_THAT(text, HasSubstr("/other\n                Other.\n"));
  EXPECT_THAT(text, Not(HasSubstr("/p6\n")));
  // The JSON form leaves nothing out.
  EXPECT_THAT(report.ToJson(), HasSubstr("\"/p100\""));
}

TEST(ImportReport, GivesNothingOfADefinitionToTheTerminal) {
  ImportReport report("a\x1b[2Jpi.yaml");
  report.Add(Make(Disposition::kIgnored, 1, "/\x1b[31m", "red\nline"));
  EXPECT_EQ(report.ToText(false).find('\x1b'), std::string::npos);
  EXPECT_THAT(report.ToText(true), Not(HasSubstr("\x1b[2J")));
  EXPECT_THAT(report.ToText(true), HasSubstr("\x1b[36mignored"));
}

TEST(ImportReport, Json) {
  ImportReport report("api.yaml");
  report.SetSummary("s");
  Finding guard = Make(Disposition::kIgnored, 4, "/paths/~1a", "NOT ENFORCED \"x\"");
  guard.guard = "policy";
  guard.guard_names = {"n"};
  report.Add(guard);
  report.Add(Aggregate(Disposition::kApplied, "uri"));
  EXPECT_EQ(report.ToJson(),
            R"({"file":"api.yaml","result":"imported","summary":"s",)"
            R"("counts":{"applied":1,"approximated":0,"ignored":1,"refused":0},"findings":[)"
            R"({"disposition":"ignored","blocking":false,"kind":"thing","guard":"policy",)"
            R"("names":["n"],"file":"api.yaml","line":4,"column":3,"pointer":"/paths/~1a",)"
            R"("reason":"NOT ENFORCED \"x\""},)"
            R"({"disposition":"applied","blocking":false,"kind":"uri","file":"api.yaml","line":0,)"
            R"("column":0,"pointer":"","reason":""}]})");
}

}  // namespace
}  // namespace postern
