#include "core/upstream/endpoint.h"

#include "core/upstream/health_probe.h"

namespace postern {

Endpoint::Endpoint(const SessionSettings* settings, PoolLimits* limits, const Address& to,
                   std::string server_name, std::shared_ptr<EndpointHealth> known)
    : shared_health(std::move(known)), pool(settings, limits, to, std::move(server_name)) {
  health = shared_health.get();
}

Endpoint::~Endpoint() = default;

}  // namespace postern
