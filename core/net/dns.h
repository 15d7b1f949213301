#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/intrusive_list.h"
#include "core/base/metric_cell.h"
#include "core/event/dispatcher.h"
#include "core/net/address.h"

namespace postern {

struct DnsOptions {
  /// "10.0.0.2", "10.0.0.2:5353", "[fd00::2]:53", asked in this order. Empty: those of
  /// `resolv_conf`.
  std::vector<std::string> servers = {};
  /// Servers, search domains and options; read again when it changes.
  std::string resolv_conf = "/etc/resolv.conf";
  /// Goes before the servers; read again when it changes.
  std::string hosts_file = "/etc/hosts";
  uint32_t attempt_timeout_ms = 1500;  ///< of one question to one server; grows with each round
  uint32_t attempts = 3;               ///< rounds over the servers
  uint32_t timeout_ms = 5000;          ///< of a look-up as a whole
  uint32_t min_ttl_ms = 1000;          ///< answers are kept at least so long,
  uint32_t max_ttl_ms = 300000;        ///< at most so long,
  uint32_t negative_ttl_ms = 1000;     ///< and failures so long
  size_t max_cached = 1024;            ///< answers and failures
  size_t max_pending = 256;            ///< names asked for at once
  size_t max_addresses = 128;          ///< of one answer; more are dropped
};

enum class DnsFamily : uint8_t { kAny, kIpv4, kIpv6 };

struct DnsAnswer {
  /// Not empty, without ports. Of a name with both families IPv4 comes first; a family to which
  /// this machine has no route is left out unless nothing else remains.
  std::vector<Address> addresses;
  /// How much longer the answer may be used. At least 1.
  uint32_t ttl_ms = 0;
};

/// Looks names up on the loop of one worker, by c-ares: IP literals, localhost (RFC 6761 §6.3), the
/// hosts file, a cache, then the servers, IPv4 and IPv6 at once. Equal questions under way share
/// one look-up. Not thread-safe.
class Resolver {
 public:
  /// The answer, or NOT_FOUND (no such name, or no address), DEADLINE_EXCEEDED, UNAVAILABLE (the
  /// servers fail or cannot be reached), RESOURCE_EXHAUSTED (max_pending), INVALID_ARGUMENT (no
  /// host name). May destroy any Lookup and ask again, but not destroy the resolver.
  using Callback = absl::AnyInvocable<void(const absl::StatusOr<DnsAnswer>& answer)>;

  /// A question under way. Destroying it takes the callback back; what was asked is asked to its
  /// end and kept. May outlive the resolver, and is then never answered.
  class Lookup : public ListNode<Lookup> {
   public:
    Lookup(const Lookup&) = delete;
    Lookup& operator=(const Lookup&) = delete;

   private:
    friend class Resolver;
    explicit Lookup(Callback callback) : callback_(std::move(callback)) {}

    Callback callback_;
    std::shared_ptr<const absl::StatusOr<DnsAnswer>> answer_;
  };

  struct Stats {
    CounterCell lookups;     ///< questions asked of this resolver
    CounterCell cache_hits;  ///< of them, answered from the cache or joined to one under way
    CounterCell queries;     ///< of them, asked of the servers
    CounterCell failures;    ///< queries that brought no address
  };

  explicit Resolver(Dispatcher* dispatcher, DnsOptions options = {});
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// `callback` runs once, from the loop, never from inside this call. `host` is a name, with a
  /// final dot if it is not to be tried in the search domains, or an IP literal without brackets.
  std::unique_ptr<Lookup> Resolve(std::string_view host, DnsFamily family, Callback callback);

  const Stats& stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace postern
