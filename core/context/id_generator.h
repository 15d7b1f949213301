#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/arena.h"

namespace postern {

/// Random numbers and the identifiers made of them, for one worker: xoshiro256++ seeded from the
/// kernel. The ids are unique, not secret: whoever sees enough of them can predict the next. Never
/// use it for keys or tokens. Not thread-safe.
class IdGenerator {
 public:
  /// Seeds from getrandom(2); ends the process if the kernel cannot give randomness.
  IdGenerator();
  /// The same sequence for the same seed; for tests.
  explicit IdGenerator(uint64_t seed);

  uint64_t Next();

  /// 32 uniformly distributed bits, e.g. for the choice of a canary.
  uint32_t Next32() { return static_cast<uint32_t>(Next() >> 32); }

  /// $context.requestId: a UUID of version 4 (RFC 9562 §5.4), lower-case.
  std::string_view NewRequestId(Arena* arena);

  /// $context.extendedRequestId: 11 random bytes in base64, so 16 characters ending in '='
  /// (rest-api.md §4.5).
  std::string_view NewExtendedRequestId(Arena* arena);

  /// `digits` lower-case hexadecimal digits.
  void WriteHex(size_t digits, char* out);

 private:
  std::array<uint64_t, 4> state_;
};

}  // namespace postern
