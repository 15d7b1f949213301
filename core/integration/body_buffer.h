#pragma once

#include <cstddef>
#include <string_view>

#include "core/base/arena.h"
#include "core/context/arena_sink.h"

namespace postern {

/// Most content that is collected (rest-api.md §10.5).
inline constexpr size_t kMaxCollectedBody = 10 * 1024 * 1024;

/// Collects content in one piece.
class BodyBuffer {
 public:
  explicit BodyBuffer(Arena* arena, size_t limit = kMaxCollectedBody)
      : sink_(arena, kFirst, limit) {}

  /// False beyond the limit; the content is then useless.
  bool Append(std::string_view data) {
    sink_.Append(data);
    return !sink_.failed();
  }
  std::string_view content() const { return sink_.written(); }

 private:
  static constexpr size_t kFirst = 2048;

  ArenaSink sink_;
};

}  // namespace postern
