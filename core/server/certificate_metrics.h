#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/metrics_source.h"
#include "core/net/tls_context.h"

namespace postern {

/// Shows when the certificates of the listeners in force expire. One thread.
class CertificateMetrics final : public MetricsSource {
 public:
  /// TLS of a listener, by the listener's name.
  using Listeners = std::vector<std::pair<std::string, std::shared_ptr<const TlsServerContext>>>;

  void Show(Listeners listeners) { listeners_ = std::move(listeners); }

  void Collect(MetricsSink* sink) override;
  /// The same at a given time, in seconds since 1970.
  void CollectAt(int64_t now_s, MetricsSink* sink);

 private:
  Listeners listeners_;
};

}  // namespace postern
