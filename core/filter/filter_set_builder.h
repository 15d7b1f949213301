#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/filter/chain_plan.h"
#include "core/filter/filter_instance.h"
#include "core/filter/filter_set.h"

namespace postern {

/// Where a filter stands among the others of its point.
enum class FilterSide : int8_t {
  kOutermost = -1,  ///< in front of all that the definition places
  kListed = 0,      ///< where the definition lists it
  kInnermost = 1,   ///< behind all that the definition places
};

/// A filter as a definition places it (proto/snapshot/filter.proto, FilterEntry), or as the gateway
/// does itself (core/config/standard_filters.h).
struct FilterSpec {
  std::string name;
  std::string module;                ///< empty in an override: as above
  std::optional<FilterPoint> point;  ///< not set in an override: as above
  std::string config;                ///< a JSON object; empty: "{}", in an override as above
  FilterFailurePolicy failure_policy = FilterFailurePolicy::kDeny;
  uint32_t pause_limit_ms = 10000;
  bool disabled = false;  ///< takes the one of this name out
  bool required = true;   ///< false: the gateway may serve without it
  /// Other than kListed: a filter of the gateway's own, which gives way in a chain where the
  /// definition places one of the same module.
  FilterSide side = FilterSide::kListed;
  /// At an API: in no chain by itself, only in those of scopes that override it. What it shares is
  /// configured here.
  bool only_below = false;
};

/// What one scope of an API adds to the scopes above it.
struct FilterScope {
  std::string name;  ///< "" for the API, "/pets/{id}" for a resource, "GET /pets/{id}" for a method
  std::vector<FilterSpec> filters;
};

/// Makes the FilterSet of one snapshot: configures each filter at each scope once, merges the
/// scopes of each route, and gathers what all modules have against it. On the main thread. What it
/// is given has been checked: names are unique in a scope, an override has the module and point of
/// what it overrides, `disabled` names something.
class FilterSetBuilder {
 public:
  /// Something that a module has against its configuration.
  struct Problem {
    std::string where;  ///< `GET /pets, filter "auth" (postern.jwt 1.2.0): issuers[0].jwks_uri`
    std::string text;
    std::string api_id;
    std::string scope;   ///< as FilterScope::name
    std::string filter;  ///< its name
  };

  /// One stage, or canary, of an API: what its filters can reach.
  struct Place {
    std::string api_id;
    std::string stage;
    bool canary = false;
    std::string label;  ///< goes before "GET /pets, filter …"; may be empty
    /// Finds an upstream by the name that configurations use.
    std::function<std::optional<CalloutUpstream>(std::string_view)> upstreams;
  };

  explicit FilterSetBuilder(std::shared_ptr<RetiredConfigs> retired);

  /// Makes `name` stand for `module` in what follows. One that is `quarantined` is in no chain
  /// where it is not required.
  void AddModule(std::string_view name, const FilterModule* module, bool quarantined = false) {
    modules_[std::string(name)] = module;
    if (quarantined) quarantined_.insert(module);
  }

  /// Begins a place; configures what its API places. Chain() and so on are of it from then on.
  void Begin(Place place, const std::vector<FilterSpec>& api_filters);
  /// The chain of a route: API, then `scopes` from the outside in. Null: no filters. A scope with a
  /// name that came before in this place is the same scope.
  const ChainPlan* Chain(const std::vector<FilterScope>& scopes);
  /// The chain for requests that match no route of the place: the API's filters at the points
  /// response and request. Null: no filters.
  const ChainPlan* UnroutedChain();

  const std::vector<Problem>& problems() const { return problems_; }

  /// Ends the work. With problems the set must not be used, only let go of.
  std::shared_ptr<const FilterSet> Finish();

 private:
  // A filter that is in force in a scope.
  struct Active {
    std::string name;
    FilterInstance* instance;
    const void* config;
    FilterPoint point;
    FilterFailurePolicy failure_policy;
    uint32_t pause_limit_ms;
    FilterSide side;
    bool only_below;  // and no scope below has overridden it
    bool required;
  };
  using Layer = std::vector<Active>;  // outer scopes first, as they were listed

  Layer Apply(const Layer& above, std::string_view scope, const std::vector<FilterSpec>& filters);
  std::optional<Active> Add(std::string_view scope, const FilterSpec& spec);
  const void* Configure(FilterInstance* instance, std::string_view scope, const std::string& config,
                        const void* parent);
  const ChainPlan* Plan(const Layer& layer, bool only_unrouted);

  std::shared_ptr<FilterSet> set_;
  uint32_t id_tag_;
  std::map<std::string, const FilterModule*, std::less<>> modules_;
  std::set<const FilterModule*> quarantined_;
  std::vector<Problem> problems_;
  std::set<std::pair<std::string, std::string>> reported_;

  // Of the place.
  Place place_;
  Layer api_;
  std::map<std::string, Layer, std::less<>> layers_;  // by the scope's name
  /// What scopes below the API placed with equal module and configuration is one instance.
  std::map<std::string, Active, std::less<>> shared_;

  std::map<std::string, const ChainPlan*, std::less<>> plans_;  // by their bindings
  std::vector<std::unique_ptr<FilterInstance>> instances_;
};

}  // namespace postern
