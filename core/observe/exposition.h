#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "core/base/metrics_source.h"

namespace postern {

/// How metrics are written down.
enum class ExpositionFormat : uint8_t {
  kText,         ///< Prometheus text format 0.0.4
  kOpenMetrics,  ///< OpenMetrics 1.0
};

/// What an Accept field asks for (RFC 9110 §12.5.1): OpenMetrics where it is named with a weight
/// above zero and not below that of text/plain, else the text format, which every scraper reads.
ExpositionFormat ChooseExposition(std::string_view accept);

/// The media type to answer with.
std::string_view ExpositionContentType(ExpositionFormat format);

/// Writes samples down, family by family in the order in which families first appear. Of a name
/// with two kinds the second is left out, as is a second sample with the same labels: either would
/// make a scraper throw away the whole answer.
///
/// Own code although prometheus-cpp has a serializer: that one (1.0.1) writes line feeds in help
/// texts raw, puts a histogram's buckets behind its sum, and knows no OpenMetrics.
class Exposition final : public MetricsSink {
 public:
  explicit Exposition(ExpositionFormat format) : format_(format) {}

  /// Longest label value, in bytes (rest-api.md §13.8, dimension values); what is longer is cut.
  static constexpr size_t kMaxLabelValue = 255;

  void Counter(const MetricFamily& family, MetricLabels labels, uint64_t value) override;
  void Counter(const MetricFamily& family, MetricLabels labels, double value) override;
  void Gauge(const MetricFamily& family, MetricLabels labels, double value) override;
  void Histogram(const MetricFamily& family, MetricLabels labels, std::span<const double> upper,
                 std::span<const uint64_t> counts, double sum) override;
  using MetricsSink::Histogram;
  void Info(const MetricFamily& family, MetricLabels labels) override;

  /// Samples left out so far; see above.
  uint64_t left_out() const { return left_out_; }

  /// The whole document. Ends the use of this object.
  std::string Finish();

 private:
  enum class Kind : uint8_t { kCounter, kGauge, kHistogram, kInfo };

  struct Family {
    MetricFamily about;
    Kind kind;
    std::string samples;
    absl::flat_hash_set<std::string> seen;  // label texts
  };

  /// The family to write one sample into, or null if that is to be left out. Fills `labels_`.
  Family* Begin(const MetricFamily& about, Kind kind, MetricLabels labels);
  void AppendSeries(std::string* out, std::string_view name, std::string_view suffix,
                    std::string_view extra = {}) const;
  void AppendHead(std::string* out, const Family& family) const;

  ExpositionFormat format_;
  std::vector<Family> families_;
  absl::flat_hash_map<std::string_view, size_t> by_name_;
  std::string labels_;  // of the sample being written: `a="b",c="d"`
  uint64_t left_out_ = 0;
};

/// `text` as it may stand as a label: valid UTF-8 of at most Exposition::kMaxLabelValue bytes.
std::string CleanLabelValue(std::string_view text);

}  // namespace postern
