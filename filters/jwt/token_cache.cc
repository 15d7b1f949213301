#include "filters/jwt/token_cache.h"

#include <cstring>

namespace postern::jwt {
namespace {

// About what an entry takes besides its texts.
constexpr size_t kOverhead = 256;

size_t BytesOf(const Verified& verified) {
  size_t bytes = kOverhead + verified.scopes_json.size();
  for (const auto& [name, text] : verified.variables) {
    bytes += 2 * sizeof(std::string) + name.size() + text.size();
  }
  for (const std::string& scope : verified.scopes) bytes += sizeof(std::string) + scope.size();
  return bytes;
}

}  // namespace

size_t TokenCache::Hash::operator()(const Key& key) const {
  size_t hash = 0;  // The digest is one already.
  std::memcpy(&hash, key.digest.data(), sizeof(hash));
  return hash + (key.with_scopes ? 1 : 0);
}

const Verified* TokenCache::Find(const Key& key) {
  const auto found = map_.find(key);
  if (found == map_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &found->second->verified;
}

const Verified* TokenCache::Put(const Key& key, Verified* verified) {
  const size_t bytes = BytesOf(*verified);
  if (max_tokens_ == 0 || bytes > max_bytes_) return nullptr;
  Remove(key);
  while (!entries_.empty() && (map_.size() >= max_tokens_ || bytes_ + bytes > max_bytes_)) {
    Remove(std::prev(entries_.end()));
  }
  entries_.push_front({key, std::move(*verified), bytes});
  map_.emplace(key, entries_.begin());
  bytes_ += bytes;
  return &entries_.front().verified;
}

void TokenCache::Remove(const Key& key) {
  if (const auto found = map_.find(key); found != map_.end()) Remove(found->second);
}

void TokenCache::Remove(List::iterator entry) {
  bytes_ -= entry->bytes;
  map_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace postern::jwt
