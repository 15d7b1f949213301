#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lib/crypto/digest.h"

namespace postern::jwt {

struct Rules;

/// What is known of a token that was verified.
struct Verified {
  std::vector<std::pair<std::string, std::string>> variables;  ///< with their full names
  std::vector<std::string> scopes;
  std::string scopes_json;
  int64_t expires_ms = 0;  ///< when it is forgotten, since 1970
  size_t provider = 0;
  uint64_t generation = 0;  ///< of the provider's key set
};

/// Verified tokens by their SHA-256, bounded in number and in bytes; the one that was not used for
/// longest goes first. Looking one up allocates nothing. Not thread-safe: each worker has its own.
class TokenCache {
 public:
  /// A token under certain rules, for a route with scopes or without.
  struct Key {
    Sha256Digest digest;
    const Rules* rules;
    bool with_scopes;

    bool operator==(const Key&) const = default;
  };

  TokenCache(size_t max_tokens, size_t max_bytes)
      : max_tokens_(max_tokens), max_bytes_(max_bytes) {}
  TokenCache(const TokenCache&) = delete;
  TokenCache& operator=(const TokenCache&) = delete;

  /// nullptr where there is none. Good until the cache changes.
  const Verified* Find(const Key& key);

  /// Keeps it, and gives back where; or nullptr when it is too large to be kept, and `verified` is
  /// as it was.
  const Verified* Put(const Key& key, Verified* verified);

  void Remove(const Key& key);

  size_t size() const { return map_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Key key;
    Verified verified;
    size_t bytes;
  };
  struct Hash {
    size_t operator()(const Key& key) const;
  };
  using List = std::list<Entry>;

  void Remove(List::iterator entry);

  const size_t max_tokens_;
  const size_t max_bytes_;
  size_t bytes_ = 0;
  List entries_;  // The one that was used last is in front.
  std::unordered_map<Key, List::iterator, Hash> map_;
};

}  // namespace postern::jwt
