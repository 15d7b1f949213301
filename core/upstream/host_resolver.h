#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "core/net/address.h"
#include "core/upstream/cluster_config.h"

namespace postern {

/// What a name resolved to.
struct HostAnswer {
  std::vector<Address> addresses;  ///< without ports; may be empty
  uint32_t ttl_ms = 0;             ///< how long the answer may be used
};

/// Looks names up for the clusters of one worker. Not thread-safe.
class HostResolver {
 public:
  /// A look-up under way; destroying it cancels the callback.
  class Lookup {
   public:
    virtual ~Lookup() = default;
  };
  using Callback = absl::AnyInvocable<void(absl::StatusOr<HostAnswer>)>;

  virtual ~HostResolver() = default;

  /// `callback` runs once, from the loop, never from inside. Bounded in time by the resolver.
  virtual std::unique_ptr<Lookup> Resolve(std::string_view host, AddressFamilies families,
                                          Callback callback) = 0;
};

}  // namespace postern
