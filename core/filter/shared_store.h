#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "api/abi/abi.h"

namespace postern {

/// Values that modules share between workers, streams and versions of themselves (shared_get,
/// shared_put, shared_add of api/abi/abi.h). Any thread; a lock for each of some shards. Bounded: a
/// value that does not fit is refused, nothing that is alive is thrown out.
class SharedStore {
 public:
  static constexpr size_t kMaxKey = 256;
  static constexpr size_t kMaxValue = 64 * 1024;

  /// `max_bytes`: of all keys and values with what keeping them takes.
  explicit SharedStore(size_t max_bytes = 64 * 1024 * 1024)
      : max_shard_bytes_(max_bytes / kShards) {}
  SharedStore(const SharedStore&) = delete;
  SharedStore& operator=(const SharedStore&) = delete;

  /// The one of the process.
  static SharedStore& Instance();

  // As the functions of api/abi/abi.h; `module` keeps the keys of modules apart. `now_ms` is any
  // monotonic clock, the same for all calls.
  postern_status Get(std::string_view module, std::string_view key, char* buf, size_t cap,
                     size_t* len, uint64_t* version, uint64_t now_ms);
  /// `value` with null data removes the key.
  postern_status Put(std::string_view module, std::string_view key, std::string_view value,
                     uint64_t expect, uint64_t ttl_ms, uint64_t* version, uint64_t now_ms);
  postern_status Add(std::string_view module, std::string_view key, int64_t delta, uint64_t ttl_ms,
                     int64_t* result, uint64_t now_ms);

 private:
  static constexpr size_t kShards = 16;
  static constexpr size_t kEntryOverhead = 128;

  struct Entry {
    std::string value;
    uint64_t version = 0;
    uint64_t expires_ms = UINT64_MAX;
  };
  struct alignas(64) Shard {
    std::mutex mutex;
    std::unordered_map<std::string, Entry> entries;
    size_t bytes = 0;
    uint64_t last_version = 0;
    uint64_t swept_ms = 0;
  };

  Shard& ShardOf(const std::string& key);
  static Entry* Find(Shard* shard, const std::string& key, uint64_t now_ms);
  static void Erase(Shard* shard, const std::string& key);
  bool HasRoom(Shard* shard, size_t more, uint64_t now_ms);

  const size_t max_shard_bytes_;
  std::array<Shard, kShards> shards_;
};

}  // namespace postern
