#include "core/filter/filter_metric_values.h"

#include <algorithm>
#include <map>

#include "core/filter/message_fields.h"

namespace postern {
namespace {

constexpr size_t kMaxLabelValue = 128;
constexpr std::string_view kOverflow = "_overflow";

/// Splits a key into as many values as there are names.
std::vector<MetricLabel> LabelsOf(const FilterMetricDefinition& metric, const std::string& key) {
  std::vector<MetricLabel> labels;
  size_t at = 0;
  for (const std::string& name : metric.labels) {
    const size_t end = key.find('\0', at);
    labels.push_back({name, std::string_view(key).substr(at, end - at)});
    at = end + 1;
  }
  return labels;
}

/// A list of labels is written out where it is used; this writes out each length there is.
template <typename Show>
void WithLabels(const std::vector<MetricLabel>& l, Show show) {
  switch (l.size()) {
    case 0:
      return show(MetricLabels{});
    case 1:
      return show(MetricLabels{l[0]});
    case 2:
      return show(MetricLabels{l[0], l[1]});
    case 3:
      return show(MetricLabels{l[0], l[1], l[2]});
    case 4:
      return show(MetricLabels{l[0], l[1], l[2], l[3]});
    case 5:
      return show(MetricLabels{l[0], l[1], l[2], l[3], l[4]});
    case 6:
      return show(MetricLabels{l[0], l[1], l[2], l[3], l[4], l[5]});
    case 7:
      return show(MetricLabels{l[0], l[1], l[2], l[3], l[4], l[5], l[6]});
    default:
      return show(MetricLabels{l[0], l[1], l[2], l[3], l[4], l[5], l[6], l[7]});
  }
}
static_assert(FilterMetricDefinitions::kMaxLabels == 8);

}  // namespace

FilterMetricValues& FilterMetricValues::Instance() {
  static auto* const instance = new FilterMetricValues;
  return *instance;
}

bool FilterMetricValues::Record(uint32_t metric, int64_t value, const postern_str* labels,
                                size_t count, int worker) {
  const FilterMetricDefinition* definition = FilterMetricDefinitions::Instance().Find(metric);
  if (definition == nullptr || count != definition->labels.size()) return false;
  if (definition->kind == POSTERN_COUNTER && value < 0) return false;
  thread_local std::string key;
  key.clear();
  for (size_t i = 0; i < count; ++i) {
    for (const char c : ViewOf(labels[i]).substr(0, kMaxLabelValue))
      key.push_back(c == 0 ? '?' : c);
    key.push_back('\0');
  }
  const bool gauge = definition->kind == POSTERN_GAUGE;
  const bool shared = gauge || worker < 0 || static_cast<size_t>(worker) >= kMaxLanes;
  Lane& lane = lanes_[shared ? kMaxLanes : static_cast<size_t>(worker)];
  std::lock_guard lock(lane.mutex);
  if (lane.tables.size() <= metric) lane.tables.resize(metric + 1);
  Table& table = lane.tables[metric];
  auto found = table.find(key);
  if (found == table.end()) {
    if (table.size() >= kMaxLabelSets) {
      overflows_.AddShared();
      key.clear();
      for (size_t i = 0; i < count; ++i) {
        key.append(kOverflow);
        key.push_back('\0');
      }
    }
    found = table.try_emplace(key).first;
  }
  Value& at = found->second;
  if (gauge) {
    at.number = value;
    return true;
  }
  if (__builtin_add_overflow(at.number, value, &at.number)) {
    at.number = value > 0 ? INT64_MAX : INT64_MIN;
  }
  if (definition->kind == POSTERN_HISTOGRAM) {
    const uint64_t size = value < 0 ? 0 : static_cast<uint64_t>(value);
    const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), size);
    ++at.counts[static_cast<size_t>(bucket - kBounds.begin())];
  }
  return true;
}

void FilterMetricValues::Merge(const Value& from, bool gauge, Value* to) {
  to->number = gauge ? from.number : to->number + from.number;
  for (size_t i = 0; i < from.counts.size(); ++i) to->counts[i] += from.counts[i];
}

void FilterMetricValues::Collect(MetricsSink* sink) {
  sink->Counter({"postern_filter_metric_overflows",
                 "Values of filters' metrics that went to an overflow set."},
                {}, overflows_.value());
  const FilterMetricDefinitions& definitions = FilterMetricDefinitions::Instance();
  const uint32_t size = definitions.size();
  for (uint32_t id = 0; id < size; ++id) {
    const FilterMetricDefinition* metric = definitions.Find(id);
    if (metric == nullptr) continue;
    std::map<std::string, Value> totals;
    for (Lane& lane : lanes_) {
      std::lock_guard lock(lane.mutex);
      if (lane.tables.size() <= id) continue;
      for (const auto& [key, value] : lane.tables[id]) {
        Merge(value, metric->kind == POSTERN_GAUGE, &totals[key]);
      }
    }
    std::string_view name = metric->family;
    if (metric->kind == POSTERN_COUNTER && name.ends_with("_total")) {
      name.remove_suffix(std::string_view("_total").size());
    }
    const MetricFamily family = {name, "Recorded by a filter module."};
    for (const auto& [key, value] : totals) {
      WithLabels(LabelsOf(*metric, key), [&, &value = value](MetricLabels labels) {
        if (metric->kind == POSTERN_COUNTER) {
          sink->Counter(family, labels, static_cast<uint64_t>(value.number));
        } else if (metric->kind == POSTERN_GAUGE) {
          sink->Gauge(family, labels, static_cast<double>(value.number));
        } else {
          std::array<double, kBounds.size()> upper;
          std::copy(kBounds.begin(), kBounds.end(), upper.begin());
          sink->Histogram(family, labels, upper, value.counts, static_cast<double>(value.number));
        }
      });
    }
  }
}

}  // namespace postern
