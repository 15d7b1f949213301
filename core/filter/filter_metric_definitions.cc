#include "core/filter/filter_metric_definitions.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "api/abi/abi.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

constexpr size_t kMaxName = 64;

// abi.h, metric_define: [a-z][a-z0-9_]*, up to 64 characters.
bool IsMetricName(std::string_view name) {
  if (name.empty() || name.size() > kMaxName || name[0] < 'a' || name[0] > 'z') return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || IsDigit(c) || c == '_'; });
}

absl::Status Invalid(const std::string& text) { return absl::InvalidArgumentError(text); }

}  // namespace

FilterMetricDefinitions& FilterMetricDefinitions::Instance() {
  static auto* const instance = new FilterMetricDefinitions;
  return *instance;
}

absl::StatusOr<uint32_t> FilterMetricDefinitions::Define(
    std::string_view module, uint32_t kind, std::string_view name,
    const std::vector<std::string_view>& labels) {
  if (kind != POSTERN_COUNTER && kind != POSTERN_GAUGE && kind != POSTERN_HISTOGRAM) {
    return Invalid(Concat("there is no kind ", kind, " of metric"));
  }
  if (!IsMetricName(name))
    return Invalid("a metric's name is [a-z][a-z0-9_]*, up to 64 characters");
  if (kind == POSTERN_COUNTER && (!name.ends_with("_total") || name.size() == 6)) {
    return Invalid(Concat("the name of the counter ", name, " does not end in _total"));
  }
  if (labels.size() > kMaxLabels)
    return Invalid(Concat(name, " has more than ", kMaxLabels, " labels"));
  for (size_t i = 0; i < labels.size(); ++i) {
    if (!IsMetricName(labels[i]) || labels[i].starts_with("__") ||
        std::find(labels.begin(), labels.begin() + static_cast<ptrdiff_t>(i), labels[i]) !=
            labels.begin() + static_cast<ptrdiff_t>(i)) {
      return Invalid(Concat(name, " has a label that is no name, or comes twice"));
    }
  }
  auto made = std::make_unique<FilterMetricDefinition>();
  made->kind = kind;
  made->module = module;
  made->name = name;
  made->family = Concat("postern_filter_", module, "_", name);
  for (char& c : made->family) {
    if (!IsAlnum(c)) c = '_';
  }
  made->labels.assign(labels.begin(), labels.end());

  uint32_t of_module = 0;
  for (const auto& known : definitions_) {
    if (known->module == module) ++of_module;
    if (known->family != made->family) continue;
    if (known->module != made->module) {
      return Invalid(Concat(made->family, " is already taken by the module ", known->module));
    }
    if (known->kind != kind || known->labels != made->labels) {
      return Invalid(Concat(name, " is already defined with another kind or other labels"));
    }
    return known->id;
  }
  if (of_module >= kMaxPerModule || definitions_.size() >= kMax) {
    return absl::ResourceExhaustedError(Concat("there are too many metrics to define ", name));
  }
  made->id = static_cast<uint32_t>(definitions_.size());
  const uint32_t id = made->id;
  slots_[id].store(made.get(), std::memory_order_release);
  definitions_.push_back(std::move(made));
  size_.store(id + 1, std::memory_order_release);
  return id;
}

}  // namespace postern
