#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/filter/filter_instance.h"

namespace postern {

/// Where in the course of a request a filter stands (proto/snapshot/filter.proto).
enum class FilterPoint : uint8_t {
  kResponse,           ///< outermost: sees every response last, those of other filters included
  kRequest,            ///< sees every request that found a route
  kAuthorize,          ///< may identify the caller and refuse
  kBeforeIntegration,  ///< sees only what has been let in
  kAfterIntegration,   ///< innermost: sees the integration's response first
};
inline constexpr int kFilterPoints = 5;

/// "request", "authorize", …, as definitions name it.
std::string_view FilterPointName(FilterPoint point);

/// What happens when a filter fails: verdict FAIL, an unknown verdict, a stall.
enum class FilterFailurePolicy : uint8_t {
  kDeny,  ///< DEFAULT_5XX, or AUTHORIZER_FAILURE where is_authorizer
  kSkip,  ///< the exchange goes on without the filter; never where is_authorizer
};

/// One filter in a chain.
struct FilterBinding {
  const FilterInstance* instance = nullptr;
  /// Of the scope that is nearest to the route; what stream_create gets.
  const void* config = nullptr;
  /// FilterHook bits of the module: what need not be called is known without asking.
  uint32_t hooks = 0;
  uint32_t pause_limit_ms = 10000;  ///< of one direction, at least 1
  FilterPoint point = FilterPoint::kRequest;
  FilterFailurePolicy failure_policy = FilterFailurePolicy::kDeny;
  /// May set `authorizer.*`; its failure is AUTHORIZER_FAILURE.
  bool is_authorizer = false;
  /// False: it is left out for a while when it fails again and again.
  bool required = true;

  friend bool operator==(const FilterBinding&, const FilterBinding&) = default;
};

/// The filters of a route, outermost first: requests meet them from front to back, responses from
/// back to front. By point (in the order of FilterPoint), within a point by scope (API, resource,
/// method), within a scope as the definition lists them. Owned by the FilterSet, shared by routes
/// with equal plans; immutable.
class ChainPlan {
 public:
  explicit ChainPlan(std::vector<FilterBinding> filters) : filters_(std::move(filters)) {
    for (const FilterBinding& filter : filters_) hooks_ |= filter.hooks;
  }

  const std::vector<FilterBinding>& filters() const { return filters_; }
  /// FilterHook bits that at least one of them has.
  uint32_t hooks() const { return hooks_; }

 private:
  std::vector<FilterBinding> filters_;
  uint32_t hooks_ = 0;
};

}  // namespace postern
