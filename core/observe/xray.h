#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "core/base/metrics_source.h"
#include "core/context/request_context.h"

namespace postern {

/// Sends segments to an X-Ray daemon, or to what understands its datagrams, such as an
/// OpenTelemetry collector (rest-api.md §13.9). One datagram a segment, sent without waiting and
/// without a queue: what the kernel does not take is lost and counted. Any thread.
class XRayTracer final : public MetricsSource {
 public:
  /// Longest datagram that is sent; what would be longer is left out.
  static constexpr size_t kMaxDatagram = 60000;

  XRayTracer() = default;
  ~XRayTracer();
  XRayTracer(const XRayTracer&) = delete;
  XRayTracer& operator=(const XRayTracer&) = delete;

  /// Where to send from here on; segments are lost before. `address` is `HOST:PORT`, or as
  /// AWS_XRAY_DAEMON_ADDRESS has it `tcp:… udp:HOST:PORT`. Looks a name up, so it may wait: for the
  /// main thread, once. InvalidArgument or Unavailable.
  absl::Status Connect(std::string_view address);
  bool connected() const { return fd_.load(std::memory_order_relaxed) >= 0; }

  /// Whether a request is sampled that brings no decision along: by the default rule the first of
  /// each second, and five of a hundred of the rest. `random` are uniform bits.
  bool Sample(int64_t now_ms, uint32_t random);

  /// Sends the segment of an exchange that has ended and was sampled (RequestContext::segment).
  void Send(const RequestContext& context);

  void Collect(MetricsSink* sink) override;

 private:
  std::atomic<int> fd_{-1};
  std::atomic<int64_t> last_second_{-1};
  std::atomic<uint64_t> sent_{0};
  std::atomic<uint64_t> lost_{0};
};

/// The datagram of a segment: a header line and the document. Empty if it does not fit.
std::string_view WriteSegment(const RequestContext& context, char* buffer, size_t size);

}  // namespace postern
