#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/filter/filter_set_builder.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {

/// Whose standard filters are wanted: a deployment in a stage, or in its canary.
struct StandardFilterEnv {
  const snapshot::v1::Deployment& deployment;
  const snapshot::v1::Stage& stage;
  /// Of the stage, with a canary's overrides.
  const std::map<std::string, std::string>& variables;
  /// Of the stage, or of its canary.
  const google::protobuf::RepeatedPtrField<snapshot::v1::UpstreamBinding>& upstreams;
};

/// The filters that follow from what a definition says by its own properties (`Deployment.cors`,
/// `Deployment.minimum_compression_bytes`, …): the one place that turns those into filters, made
/// anew for each stage when a snapshot is built. Their modules come with the program, and have its
/// own names ("postern.cors"), by which an instance is named too.
///
/// Order. A filter stands at a point, and at one of its two sides (FilterSide): kOutermost in front
/// of whatever the definition places at this point by x-postern-filters, kInnermost behind it. Of
/// several at one side, the one that was placed first is the outer one; that is the order of
/// kKinds in standard_filters.cc.
///
/// The user's own. Where x-postern-filters of the API places a module, the filter of the same
/// module is left out here; where a resource or method does, it is left out of the chains of those
/// (FilterSetBuilder).
///
/// To add a kind: write a function like PlaceCors() and put it into kKinds.
class StandardFilters {
 public:
  /// `api_filters` is what the definition places for the whole API.
  StandardFilters(const StandardFilterEnv& env, const std::vector<FilterSpec>& api_filters);

  /// For the API as a whole, to be put in front of what the definition places there.
  const std::vector<FilterSpec>& api() const { return api_; }
  /// For one method (an address within the deployment), to be put in front of its own.
  const std::vector<FilterSpec>& of(const snapshot::v1::Method& method) const;
  /// The modules that they take.
  const std::set<std::string>& modules() const { return modules_; }

  // For the functions that place filters. `config` is a JSON object, checked by the module.

  /// In every chain of the API; at kResponse and kRequest also in those of requests that match no
  /// method.
  void Place(std::string_view module, FilterPoint point, FilterSide side, std::string config);

  /// In the chains of those methods alone that Configure() names. The module gets `config` first,
  /// for what all of them share; it is the parent of theirs (NULL where the module refused it: all
  /// are asked all the same, so that every problem is told).
  void PlaceBelow(std::string_view module, FilterPoint point, FilterSide side, std::string config);
  void Configure(std::string_view module, const snapshot::v1::Method& method, std::string config);

 private:
  void Add(std::string_view module, FilterPoint point, FilterSide side, std::string config,
           bool only_below);

  std::vector<FilterSpec> api_;
  std::unordered_map<const snapshot::v1::Method*, std::vector<FilterSpec>> methods_;
  std::set<std::string> modules_;
  std::set<std::string, std::less<>> of_the_user_;  // modules that the definition places itself
};

}  // namespace postern
