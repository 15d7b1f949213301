#pragma once

#include <cstddef>
#include <string_view>

namespace postern {

/// Where a codec puts its bytes: a Connection, or a string in tests. Nothing is refused; the writer
/// asks buffered() and stops its own source.
class ByteSink {
 public:
  virtual ~ByteSink() = default;

  /// Room for `size` contiguous bytes (at most kMaxReserve), to be filled and then committed.
  /// Valid until the next call on this sink.
  virtual char* Reserve(size_t size) = 0;

  /// Takes the first `size` bytes of the last Reserve(); `size` is at most what was reserved.
  virtual void Commit(size_t size) = 0;

  /// Takes `bytes`, which are borrowed until the call returns.
  virtual void Write(std::string_view bytes) = 0;

  /// Bytes the peer's socket has refused so far, which therefore wait in memory. Zero while the
  /// peer keeps up.
  virtual size_t buffered() const = 0;

  static constexpr size_t kMaxReserve = 64 * 1024;
};

}  // namespace postern
