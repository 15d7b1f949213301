#include "core/filter/shared_store.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace postern {
namespace {

/// In a buffer of the thread, so that looking a key up allocates nothing.
const std::string& FullKey(std::string_view module, std::string_view key) {
  thread_local std::string full;
  full.assign(module);
  full.push_back('\0');
  full.append(key);
  return full;
}

uint64_t Deadline(uint64_t now_ms, uint64_t ttl_ms) {
  return ttl_ms == 0 || ttl_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + ttl_ms;
}

}  // namespace

SharedStore& SharedStore::Instance() {
  static auto* const store = new SharedStore;
  return *store;
}

SharedStore::Shard& SharedStore::ShardOf(const std::string& key) {
  return shards_[std::hash<std::string>()(key) % kShards];
}

SharedStore::Entry* SharedStore::Find(Shard* shard, const std::string& key, uint64_t now_ms) {
  const auto found = shard->entries.find(key);
  if (found == shard->entries.end()) return nullptr;
  if (found->second.expires_ms > now_ms) return &found->second;
  Erase(shard, key);
  return nullptr;
}

void SharedStore::Erase(Shard* shard, const std::string& key) {
  const auto found = shard->entries.find(key);
  shard->bytes -= found->first.size() + found->second.value.size() + kEntryOverhead;
  shard->entries.erase(found);
}

bool SharedStore::HasRoom(Shard* shard, size_t more, uint64_t now_ms) {
  if (shard->bytes + more <= max_shard_bytes_) return true;
  // What has run out goes first; a full shard is looked through once in a while only.
  if (now_ms < shard->swept_ms + 1000 && shard->swept_ms != 0) return false;
  shard->swept_ms = now_ms;
  for (auto at = shard->entries.begin(); at != shard->entries.end();) {
    if (at->second.expires_ms <= now_ms) {
      shard->bytes -= at->first.size() + at->second.value.size() + kEntryOverhead;
      at = shard->entries.erase(at);
    } else {
      ++at;
    }
  }
  return shard->bytes + more <= max_shard_bytes_;
}

postern_status SharedStore::Get(std::string_view module, std::string_view key, char* buf,
                                size_t cap, size_t* len, uint64_t* version, uint64_t now_ms) {
  if (key.empty() || key.size() > kMaxKey) return POSTERN_E_INVALID;
  const std::string& full = FullKey(module, key);
  Shard& shard = ShardOf(full);
  std::lock_guard lock(shard.mutex);
  const Entry* entry = Find(&shard, full, now_ms);
  if (entry == nullptr) return POSTERN_E_NOT_FOUND;
  const size_t size = std::min(cap, entry->value.size());
  if (size > 0) std::memcpy(buf, entry->value.data(), size);
  if (len != nullptr) *len = entry->value.size();
  if (version != nullptr) *version = entry->version;
  return POSTERN_OK;
}

postern_status SharedStore::Put(std::string_view module, std::string_view key,
                                std::string_view value, uint64_t expect, uint64_t ttl_ms,
                                uint64_t* version, uint64_t now_ms) {
  if (key.empty() || key.size() > kMaxKey || value.size() > kMaxValue) return POSTERN_E_INVALID;
  const std::string& full = FullKey(module, key);
  Shard& shard = ShardOf(full);
  std::lock_guard lock(shard.mutex);
  Entry* entry = Find(&shard, full, now_ms);
  if (expect != POSTERN_SHARED_ANY && expect != (entry != nullptr ? entry->version : 0)) {
    return POSTERN_E_CONFLICT;
  }
  if (value.data() == nullptr) {
    if (entry != nullptr) Erase(&shard, full);
    if (version != nullptr) *version = 0;
    return POSTERN_OK;
  }
  const size_t before = entry != nullptr ? entry->value.size() : 0;
  const size_t more = entry != nullptr ? 0 : full.size() + kEntryOverhead;
  if (value.size() + more > before && !HasRoom(&shard, value.size() + more - before, now_ms)) {
    return POSTERN_E_LIMIT;
  }
  if (entry == nullptr) entry = &shard.entries[full];
  entry->value.assign(value);
  entry->version = ++shard.last_version;
  entry->expires_ms = Deadline(now_ms, ttl_ms);
  shard.bytes += value.size() + more;
  shard.bytes -= before;
  if (version != nullptr) *version = entry->version;
  return POSTERN_OK;
}

postern_status SharedStore::Add(std::string_view module, std::string_view key, int64_t delta,
                                uint64_t ttl_ms, int64_t* result, uint64_t now_ms) {
  if (key.empty() || key.size() > kMaxKey) return POSTERN_E_INVALID;
  const std::string& full = FullKey(module, key);
  Shard& shard = ShardOf(full);
  std::lock_guard lock(shard.mutex);
  Entry* entry = Find(&shard, full, now_ms);
  int64_t sum = 0;
  if (entry == nullptr) {
    const size_t more = full.size() + kEntryOverhead + sizeof(sum);
    if (!HasRoom(&shard, more, now_ms)) return POSTERN_E_LIMIT;
    entry = &shard.entries[full];
    entry->value.assign(sizeof(sum), '\0');
    entry->expires_ms = Deadline(now_ms, ttl_ms);
    shard.bytes += more;
  }
  if (entry->value.size() != sizeof(sum)) return POSTERN_E_INVALID;
  std::memcpy(&sum, entry->value.data(), sizeof(sum));
  if (__builtin_add_overflow(sum, delta, &sum)) sum = delta > 0 ? INT64_MAX : INT64_MIN;
  std::memcpy(entry->value.data(), &sum, sizeof(sum));
  entry->version = ++shard.last_version;
  if (result != nullptr) *result = sum;
  return POSTERN_OK;
}

}  // namespace postern
