#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "core/base/metrics_source.h"
#include "core/upstream/cluster_set.h"
#include "core/upstream/function_pool.h"

namespace postern {

/// Shows the figures of the active snapshot's clusters and functions. Thread-safe.
class UpstreamMetrics final : public MetricsSource {
 public:
  /// A snapshot became active.
  void Show(std::shared_ptr<const ClusterSet> clusters,
            std::vector<std::shared_ptr<FunctionPool>> functions);

  void Collect(MetricsSink* sink) override;

 private:
  std::mutex mutex_;
  std::shared_ptr<const ClusterSet> clusters_;            // guarded by mutex_
  std::vector<std::shared_ptr<FunctionPool>> functions_;  // guarded by mutex_
};

}  // namespace postern
