#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "core/base/metric_cell.h"

/// How a part of the gateway shows its numbers without knowing who asks. It implements
/// MetricsSource; whoever puts the process together registers it with the metrics of core/observe.
namespace postern {

/// One label of a series. Borrowed for the call. The value may be any text: what the exposition
/// formats do not allow in it is escaped or replaced.
struct MetricLabel {
  std::string_view name;  ///< [a-zA-Z_][a-zA-Z0-9_]*, not starting with "__"
  std::string_view value;
};
using MetricLabels = std::initializer_list<MetricLabel>;

/// A family of series. Text is borrowed until the scrape is over; meant to be static.
struct MetricFamily {
  std::string_view
      name;  ///< [a-zA-Z_][a-zA-Z0-9_]*, without "_total"; ends in "_<unit>" if it has one
  std::string_view help;
  std::string_view unit = {};  ///< base unit such as "seconds" or "bytes", else empty
};

/// Takes samples. Those of one family may come from several sources; they all say the same help and
/// kind. A second sample with the same labels in a family is left out.
class MetricsSink {
 public:
  /// A number that only rises. "_total" is put behind the family's name.
  virtual void Counter(const MetricFamily& family, MetricLabels labels, uint64_t value) = 0;
  virtual void Counter(const MetricFamily& family, MetricLabels labels, double value) = 0;
  virtual void Gauge(const MetricFamily& family, MetricLabels labels, double value) = 0;
  /// `upper` rises; `counts` are of each range alone and one more than `upper`; `sum` of all
  /// values.
  virtual void Histogram(const MetricFamily& family, MetricLabels labels,
                         std::span<const double> upper, std::span<const uint64_t> counts,
                         double sum) = 0;
  /// Facts as labels of a series that is always 1. "_info" is put behind the family's name.
  virtual void Info(const MetricFamily& family, MetricLabels labels) = 0;

  template <typename Buckets>
  void Histogram(const MetricFamily& family, MetricLabels labels,
                 const HistogramTotal<Buckets>& total) {
    std::array<double, Buckets::kUpper.size()> upper;
    for (size_t i = 0; i < upper.size(); ++i) {
      upper[i] = static_cast<double>(Buckets::kUpper[i]) / Buckets::kPerUnit;
    }
    Histogram(family, labels, upper, total.counts,
              static_cast<double>(total.sum) / Buckets::kPerUnit);
  }

 protected:
  ~MetricsSink() = default;
};

/// Something with numbers to show.
class MetricsSource {
 public:
  /// Called at each scrape, on the scraping thread, which is not a worker: reads atomics, and takes
  /// no lock that a worker holds for long. Calls for different scrapes do not overlap.
  virtual void Collect(MetricsSink* sink) = 0;

 protected:
  ~MetricsSource() = default;
};

}  // namespace postern
