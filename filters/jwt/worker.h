#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "api/sdk/sdk.h"
#include "filters/jwt/key_source.h"
#include "filters/jwt/settings.h"
#include "filters/jwt/token_cache.h"
#include "lib/jose/claims.h"
#include "lib/jose/jws.h"

namespace postern::jwt {

/// What an instance keeps on one worker: the keys of its providers, verified tokens, and the room
/// for reading one.
class JwtWorker {
 public:
  explicit JwtWorker(const Settings& settings);

  /// kPending until the keys of each provider are there, or were asked for in vain.
  Status Start(WorkerContext worker, JwtWorker* previous);
  void OnEvent(WorkerContext worker, const Event& event);

  /// The keys of a provider, also of one that only a route has.
  KeySource& SourceOf(const Provider& provider, Profile profile);

  TokenCache cache;
  jose::JwsReader jws;
  jose::Claims claims;

 private:
  struct Slot {
    std::unique_ptr<KeySource> source;
    std::vector<const Provider*> providers;  // All that are the same.
  };

  bool Settled() const;
  std::optional<std::string> Missing() const;

  const Settings& settings_;
  std::optional<WorkerContext> worker_;
  std::vector<Slot> slots_;
  bool pending_ = false;
};

}  // namespace postern::jwt
