#pragma once

#include <memory>
#include <utility>

#include "core/net/dns.h"
#include "core/upstream/host_resolver.h"

namespace postern {

/// Looks the names of clusters up with the worker's resolver.
class ClusterResolver final : public HostResolver {
 public:
  /// `resolver` outlives this.
  explicit ClusterResolver(Resolver* resolver) : resolver_(resolver) {}

  std::unique_ptr<Lookup> Resolve(std::string_view host, AddressFamilies families,
                                  Callback callback) override {
    auto lookup = std::make_unique<Under>();
    lookup->inner = resolver_->Resolve(
        host, ToFamily(families),
        [callback = std::move(callback)](const absl::StatusOr<DnsAnswer>& answer) mutable {
          if (!answer.ok()) {
            callback(answer.status());
          } else {
            callback(HostAnswer{answer->addresses, answer->ttl_ms});
          }
        });
    return lookup;
  }

 private:
  struct Under final : public Lookup {
    std::unique_ptr<Resolver::Lookup> inner;
  };

  static DnsFamily ToFamily(AddressFamilies families) {
    switch (families) {
      case AddressFamilies::kIpv4:
        return DnsFamily::kIpv4;
      case AddressFamilies::kIpv6:
        return DnsFamily::kIpv6;
      case AddressFamilies::kAny:
        break;
    }
    return DnsFamily::kAny;
  }

  Resolver* resolver_;
};

}  // namespace postern
