#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/filter/chain_plan.h"
#include "core/filter/filter_instance.h"
#include "core/filter/retired_configs.h"

namespace postern {

/// All filter instances and chains of one snapshot, with the configuration objects behind them.
/// Made by FilterSetBuilder on the main thread. Held by the snapshot, which each worker holds until
/// its last exchange of that snapshot has ended and its worker_destroy has run; may be let go of on
/// any thread: config_destroy runs on the main thread (RetiredConfigs).
///
/// What each worker keeps beside it (worker states, metrics cells) is indexed by
/// FilterInstance::id. `previous` of worker_create is the state of the instance with the same
/// handover_key and the same module object in the snapshot in force.
class FilterSet {
 public:
  ~FilterSet();
  FilterSet(const FilterSet&) = delete;
  FilterSet& operator=(const FilterSet&) = delete;

  /// By FilterInstance::id.
  const std::vector<std::unique_ptr<const FilterInstance>>& instances() const { return instances_; }
  const std::vector<std::unique_ptr<const ChainPlan>>& plans() const { return plans_; }

 private:
  friend class FilterSetBuilder;
  explicit FilterSet(std::shared_ptr<RetiredConfigs> retired) : retired_(std::move(retired)) {}

  std::vector<std::unique_ptr<const FilterInstance>> instances_;
  std::vector<std::unique_ptr<const ChainPlan>> plans_;
  std::vector<ConfigObject> configs_;  // parents before their children
  std::shared_ptr<RetiredConfigs> retired_;
};

}  // namespace postern
