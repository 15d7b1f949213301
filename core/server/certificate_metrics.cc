#include "core/server/certificate_metrics.h"

#include <ctime>

namespace postern {

void CertificateMetrics::Collect(MetricsSink* sink) { CollectAt(std::time(nullptr), sink); }

void CertificateMetrics::CollectAt(int64_t now_s, MetricsSink* sink) {
  for (const auto& [name, tls] : listeners_) {
    for (const TlsCertificateInfo& certificate : tls->certificates()) {
      sink->Gauge({"postern_tls_certificate_expiry_seconds",
                   "Time until the certificate expires; below zero once it has.", "seconds"},
                  {{"listener", name}, {"certificate", certificate.source}},
                  static_cast<double>(certificate.not_after_s - now_s));
    }
  }
}

}  // namespace postern
