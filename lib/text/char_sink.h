#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace postern {

/// Where text is written: a window of memory that is filled byte by byte, and a virtual call only
/// when the window is full. Implementations say where windows come from (a string, a fixed buffer,
/// an arena) and how much may be written. Once the limit is met the sink has `failed()`: it takes
/// nothing more, and what it holds is a prefix that must not be used as if it were whole.
/// Not thread-safe.
class CharSink {
 public:
  CharSink(const CharSink&) = delete;
  CharSink& operator=(const CharSink&) = delete;
  virtual ~CharSink() = default;

  void Append(char c) {
    if (cur_ == end_ && !Refill(1)) return;
    *cur_++ = c;
  }

  void Append(std::string_view text) {
    if (text.size() <= static_cast<size_t>(end_ - cur_)) [[likely]] {
      if (!text.empty()) std::memcpy(cur_, text.data(), text.size());
      cur_ += text.size();
      return;
    }
    AppendSlow(text);
  }

  /// At least `size` contiguous bytes to fill, then to be taken by Commit(). Null if the sink
  /// cannot hold that much; it has then failed. Valid until the next call on this sink. Keep `size`
  /// small (tens of bytes): a sink of fixed pieces need not offer more than kMaxReserve.
  char* Reserve(size_t size) {
    if (static_cast<size_t>(end_ - cur_) < size && !Refill(size)) return nullptr;
    return cur_;
  }

  /// Takes the first `size` bytes of the last Reserve().
  void Commit(size_t size) { cur_ += size; }

  bool failed() const { return failed_; }

  static constexpr size_t kMaxReserve = 64;

 protected:
  CharSink() = default;

  /// Takes the filled part of the window (up to cur_) and installs a window of at least `size`
  /// bytes at cur_ and end_. Returns false, leaving the window as it is, if there is no more room.
  virtual bool Grow(size_t size) = 0;

  char* cur_ = nullptr;
  char* end_ = nullptr;

 private:
  bool Refill(size_t size) {
    if (!failed_ && Grow(size)) return true;
    failed_ = true;
    end_ = cur_;  // so that the fast paths take nothing more either
    return false;
  }

  void AppendSlow(std::string_view text) {
    while (!text.empty()) {
      if (cur_ == end_ && !Refill(1)) return;
      const size_t room = static_cast<size_t>(end_ - cur_);
      const size_t part = text.size() < room ? text.size() : room;
      std::memcpy(cur_, text.data(), part);
      cur_ += part;
      text.remove_prefix(part);
    }
  }

  bool failed_ = false;
};

/// Appends to a string that the caller owns. The string is whole after Finish() or destruction of
/// the sink; in between its size is that of the window. Fails beyond `max_size` bytes in total.
class StringSink final : public CharSink {
 public:
  explicit StringSink(std::string* out, size_t max_size = static_cast<size_t>(-1));
  ~StringSink() override { Finish(); }

  /// Trims the string to what was written; more may be appended afterwards.
  void Finish();

 protected:
  bool Grow(size_t size) override;

 private:
  std::string* out_;
  size_t max_size_;
};

/// Writes into a buffer of the caller; fails when it is full.
class FixedSink final : public CharSink {
 public:
  FixedSink(char* buffer, size_t size) : begin_(buffer) {
    cur_ = buffer;
    end_ = buffer + size;
  }

  /// What was written so far.
  std::string_view written() const { return {begin_, static_cast<size_t>(cur_ - begin_)}; }

 protected:
  bool Grow(size_t) override { return false; }

 private:
  char* begin_;
};

}  // namespace postern
