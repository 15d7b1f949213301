#include "core/observe/exposition.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "core/observe/exposition_check_test.h"

namespace postern {
namespace {

constexpr ExpositionFormat kText = ExpositionFormat::kText;
constexpr ExpositionFormat kOpenMetrics = ExpositionFormat::kOpenMetrics;

void Fill(Exposition* out) {
  out->Counter({"x_bytes", "Help \\ with\n\"quotes\".", "bytes"}, {{"a", "q\"b\\s\nn"}},
               uint64_t{18446744073709551615u});
  out->Gauge({"level", "A level."}, {}, -2.5);
  HistogramTotal<LatencyBuckets> total;
  total.counts[0] = 2;
  total.counts[3] = 1;
  total.counts.back() = 4;
  total.sum = 1500;
  out->Histogram({"wait_seconds", "Waiting.", "seconds"}, {{"k", "v"}}, total);
  out->Counter({"x_bytes", "Help \\ with\n\"quotes\".", "bytes"}, {}, 0.5);  // joins its family
  out->Info({"some", "Facts."}, {{"version", "1"}});
}

// Prometheus text format 0.0.4, byte for byte.
TEST(ExpositionTest, TextFormat) {
  Exposition out(kText);
  Fill(&out);
  const std::string text = out.Finish();
  EXPECT_EQ(text,
            "# HELP x_bytes_total Help \\\\ with\\n\"quotes\".\n"
            "# TYPE x_bytes_total counter\n"
            "x_bytes_total{a=\"q\\\"b\\\\s\\nn\"} 18446744073709551615\n"
            "x_bytes_total 0.5\n"
            "# HELP level A level.\n"
            "# TYPE level gauge\n"
            "level -2.5\n"
            "# HELP wait_seconds Waiting.\n"
            "# TYPE wait_seconds histogram\n"
            "wait_seconds_bucket{k=\"v\",le=\"0.001\"} 2\n"
            "wait_seconds_bucket{k=\"v\",le=\"0.002\"} 2\n"
            "wait_seconds_bucket{k=\"v\",le=\"0.005\"} 2\n"
            "wait_seconds_bucket{k=\"v\",le=\"0.01\"} 3\n"
            "wait_seconds_bucket{k=\"v\",le=\"0.025\"} 3\n"
            "wait_seconds_bucket{k=\"v\",le=\"0.05\"} 3\n"
            "wait_seconds_bucket{k=\"v\",le=\"0.1\"} 3\n"
            "wait_seconds_bucket{k=\"v\",le=\"0.25\"} 3\n"
            "wait_seconds_bucket{k=\"v\",le=\"0.5\"} 3\n"
            "wait_seconds_bucket{k=\"v\",le=\"1\"} 3\n"
            "wait_seconds_bucket{k=\"v\",le=\"2.5\"} 3\n"
            "wait_seconds_bucket{k=\"v\",le=\"5\"} 3\n"
            "wait_seconds_bucket{k=\"v\",le=\"10\"} 3\n"
            "wait_seconds_bucket{k=\"v\",le=\"29\"} 3\n"
            "wait_seconds_bucket{k=\"v\",le=\"+Inf\"} 7\n"
            "wait_seconds_sum{k=\"v\"} 1.5\n"
            "wait_seconds_count{k=\"v\"} 7\n"
            "# HELP some_info Facts.\n"
            "# TYPE some_info gauge\n"
            "some_info{version=\"1\"} 1\n");
  CheckExposition(text, kText);
}

// OpenMetrics 1.0: family names without suffix, units, canonical bounds, the end.
TEST(ExpositionTest, OpenMetrics) {
  Exposition out(kOpenMetrics);
  Fill(&out);
  const std::string text = out.Finish();
  const CheckedExposition seen = CheckExposition(text, kOpenMetrics);
  EXPECT_EQ(seen.types.at("x_bytes"), "counter");
  EXPECT_EQ(seen.units.at("x_bytes"), "bytes");
  EXPECT_EQ(seen.types.at("some"), "info");
  EXPECT_EQ(seen.helps.at("x_bytes"), "Help \\ with\n\"quotes\".");
  EXPECT_TRUE(seen.Has("wait_seconds_bucket{k=\"v\",le=\"29.0\"}"));
  EXPECT_TRUE(seen.Has("wait_seconds_bucket{k=\"v\",le=\"0.025\"}"));
  EXPECT_TRUE(text.ends_with("# EOF\n"));
}

TEST(ExpositionTest, NumbersThatAreNoNumbers) {
  Exposition out(kText);
  out.Gauge({"a", "."}, {}, std::numeric_limits<double>::infinity());
  out.Gauge({"b", "."}, {}, -std::numeric_limits<double>::infinity());
  out.Gauge({"c", "."}, {}, std::nan(""));
  out.Gauge({"d", "."}, {}, 1e300);
  out.Gauge({"e", "."}, {}, 0.0001);
  out.Gauge({"f", "."}, {}, 0.00005);
  out.Gauge({"g", "."}, {}, 1234567890123.25);
  out.Gauge({"h", "."}, {}, 0);
  const std::string text = out.Finish();
  for (const char* line : {"\ne 0.0001\n", "\nf 5e-05\n", "\ng 1234567890123.25\n", "\nh 0\n"}) {
    EXPECT_NE(text.find(line), text.npos) << line;
  }
  const CheckedExposition seen = CheckExposition(text, kText);
  EXPECT_TRUE(std::isinf(seen.Value("a")));
  EXPECT_TRUE(std::isnan(seen.Value("c")));
  EXPECT_EQ(seen.Value("d"), 1e300);
}

// rest-api.md §13.8: dimension values of at most 255 characters. Label values must be UTF-8.
TEST(ExpositionTest, LabelValuesAreCleaned) {
  EXPECT_EQ(CleanLabelValue("plain"), "plain");
  EXPECT_EQ(CleanLabelValue("a\xFF"
                            "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(CleanLabelValue(std::string(255, 'a')), std::string(255, 'a'));
  EXPECT_EQ(CleanLabelValue(std::string(256, 'a')), std::string(255, 'a'));
  // A character that would be cut in two goes whole.
  EXPECT_EQ(CleanLabelValue(std::string(254, 'a') + "\xC3\xA9" + "b"), std::string(254, 'a'));
  EXPECT_EQ(CleanLabelValue(std::string(253, 'a') + "\xC3\xA9" + "b"),
            std::string(253, 'a') + "\xC3\xA9");
  EXPECT_EQ(CleanLabelValue(std::string(252, 'a') + "\xF0\x9F\x98\x80"), std::string(252, 'a'));
  EXPECT_EQ(CleanLabelValue(std::string(1000, '\xFF')).size(), 255u);

  Exposition out(kText);
  out.Gauge({"a", "."}, {{"path", std::string("x\0y\n", 4)}}, 1);
  EXPECT_NE(out.Finish().find("a{path=\"x\0y\\n\"} 1"), std::string::npos);
}

// RFC 9110 §12.5.1. Prometheus itself sends the second of these.
TEST(ExpositionTest, AcceptChooses) {
  const auto open_metrics = [](std::string_view accept) {
    return ChooseExposition(accept) == kOpenMetrics;
  };
  EXPECT_FALSE(open_metrics(""));
  EXPECT_TRUE(
      open_metrics("application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;"
                   "version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"));
  EXPECT_FALSE(open_metrics("*/*"));
  EXPECT_FALSE(open_metrics("text/plain"));
  EXPECT_TRUE(open_metrics("Application/OpenMetrics-Text ; version=1.0.0"));
  EXPECT_FALSE(open_metrics("application/openmetrics-text;q=0"));
  EXPECT_FALSE(open_metrics("application/openmetrics-text;q=0.4, text/plain;q=0.5"));
  EXPECT_TRUE(open_metrics("text/plain;q=0.5,application/openmetrics-text; Q=0.7"));
  EXPECT_FALSE(open_metrics("application/openmetrics-text;q=nonsense"));
  EXPECT_FALSE(open_metrics("application/openmetrics-textual"));
  EXPECT_FALSE(open_metrics(",;,;q=1,"));
}

// The reader that the other tests trust does see what it should.
TEST(ExpositionTest, TheStrictReaderObjects) {
  const auto bad = [](const std::string& text, ExpositionFormat format = kText) {
    return !ReadExposition(text, format).errors.empty();
  };
  const std::string head = "# TYPE a gauge\n";
  EXPECT_FALSE(bad(head + "a 1\n"));
  EXPECT_TRUE(bad(head + "a 1"));                     // no line feed
  EXPECT_TRUE(bad("a 1\n"));                          // no type
  EXPECT_TRUE(bad(head));                             // no samples
  EXPECT_TRUE(bad(head + "a 1\na 2\n"));              // twice
  EXPECT_TRUE(bad(head + "a{} 1\n"));                 // empty braces
  EXPECT_TRUE(bad(head + "a{b=\"\\x\"} 1\n"));        // escape
  EXPECT_TRUE(bad(head + "a{b=\"c} 1\n"));            // open quote
  EXPECT_TRUE(bad(head + "a{b=\"c\",b=\"d\"} 1\n"));  // label twice
  EXPECT_TRUE(bad(head + "a{__b=\"c\"} 1\n"));        // reserved
  EXPECT_TRUE(bad(head + "a{b=\"\xFF\"} 1\n"));       // not UTF-8
  EXPECT_TRUE(bad(head + "a 1 \n"));                  // number
  EXPECT_TRUE(bad(head + "a 0x1\n"));                 // number
  EXPECT_TRUE(bad(head + "a one\n"));                 // number
  EXPECT_TRUE(bad(head + "b 1\n"));                   // another name
  EXPECT_TRUE(bad(head + "\na 1\n"));                 // empty line
  EXPECT_TRUE(bad(head + "a 1\n# HELP a x\n"));       // comment too late
  EXPECT_TRUE(bad("# TYPE a lump\na 1\n"));           // type
  EXPECT_TRUE(bad("# TYPE a counter\na 1\n"));        // suffix
  EXPECT_TRUE(bad("# TYPE a_total counter\na_total -1\n"));
  EXPECT_TRUE(bad(head + "a 1\n# TYPE b gauge\nb 1\n" + "# TYPE a gauge\na{c=\"d\"} 1\n"));
  const std::string histogram = "# TYPE h histogram\n";
  EXPECT_FALSE(
      bad(histogram + "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"));
  EXPECT_TRUE(bad(histogram + "h_bucket{le=\"1\"} 1\nh_sum 3\nh_count 1\n"));
  EXPECT_TRUE(
      bad(histogram + "h_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"));
  EXPECT_TRUE(bad(histogram + "h_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 3\n"));
  EXPECT_TRUE(bad(histogram + "h_bucket{le=\"+Inf\"} 2\nh_count 2\n"));
  EXPECT_TRUE(bad(head + "a 1\n", kOpenMetrics));  // no end
  EXPECT_FALSE(bad(head + "a 1\n# EOF\n", kOpenMetrics));
  EXPECT_TRUE(bad(head + "a 1\n# EOF\na{b=\"c\"} 1\n", kOpenMetrics));
  EXPECT_TRUE(
      bad(histogram + "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n# EOF\n",
          kOpenMetrics));  // le="1" is not canonical
}

}  // namespace
}  // namespace postern
