#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "core/net/dns.h"

namespace postern {

/// Looks names up for the clusters of one worker: DNS, or what a test says. Not thread-safe.
class HostResolver {
 public:
  /// A look-up under way; destroying it takes the callback back.
  class Lookup {
   public:
    virtual ~Lookup() = default;
  };
  using Callback = absl::AnyInvocable<void(const absl::StatusOr<DnsAnswer>& answer)>;

  virtual ~HostResolver() = default;

  /// `callback` runs once, from the loop, never from inside. Bounded in time by the resolver.
  virtual std::unique_ptr<Lookup> Resolve(std::string_view host, DnsFamily family,
                                          Callback callback) = 0;
};

/// The worker's DNS.
class DnsHostResolver final : public HostResolver {
 public:
  /// `resolver` outlives this.
  explicit DnsHostResolver(Resolver* resolver) : resolver_(resolver) {}

  std::unique_ptr<Lookup> Resolve(std::string_view host, DnsFamily family,
                                  Callback callback) override {
    auto lookup = std::make_unique<DnsLookup>();
    lookup->question = resolver_->Resolve(host, family, std::move(callback));
    return lookup;
  }

 private:
  struct DnsLookup final : Lookup {
    std::unique_ptr<Resolver::Lookup> question;
  };

  Resolver* resolver_;
};

}  // namespace postern
