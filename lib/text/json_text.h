#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

#include <rapidjson/encodings.h>
#include <rapidjson/error/error.h>

// What our uses of RapidJSON have in common; not for use outside lib/text.

namespace postern::json_text {

/// Bytes at the start of `text` that a JSON string contains as they are: up to the first quote,
/// backslash or control character (RFC 8259 §7). Non-ASCII bytes are not looked at.
size_t PlainPrefix(std::string_view text);

/// What is wrong with a text, for people.
std::string_view ErrorText(rapidjson::ParseErrorCode code);

/// An input stream for rapidjson::GenericReader with kParseInsituFlag. Strings are decoded either
/// into a buffer of the caller or where they stand. Unlike RapidJSON's own streams it needs no NUL
/// at the end, copies plain runs at once, and knows where a token began.
class Stream {
 public:
  using Ch = char;

  /// `decoded` has room for text.size() bytes and gets the strings, each with a NUL behind it. It
  /// is either the memory of `text` (whose strings are then decoded in place) or apart from it.
  Stream(std::string_view text, char* decoded)
      : begin_(text.data()),
        cur_(text.data()),
        end_(text.data() + text.size()),
        out_(decoded),
        in_place_(decoded == text.data()) {}

  char Peek() const { return cur_ != end_ ? *cur_ : '\0'; }
  char Take() { return cur_ != end_ ? *cur_++ : '\0'; }
  size_t Tell() const { return static_cast<size_t>(cur_ - begin_); }

  char* PutBegin() {
    token_ = cur_;
    if (in_place_) out_ = const_cast<char*>(cur_);
    return out_;
  }
  void Put(char c) { *out_++ = c; }
  size_t PutEnd(const char* head) const { return static_cast<size_t>(out_ - head); }
  void Flush() {}

  /// Copies what PlainPrefix() finds; at least one byte, which is known to be plain.
  void CopyPlainRun() {
    const size_t size = PlainPrefix({cur_, static_cast<size_t>(end_ - cur_)});
    if (out_ != cur_) std::memmove(out_, cur_, size);
    out_ += size;
    cur_ += size;
  }

  /// The `size` bytes that were taken last, a number for example.
  std::string_view Last(size_t size) const { return {cur_ - size, size}; }

  /// RapidJSON takes a NUL for the end; this is the end.
  bool AtEnd() const { return cur_ == end_; }

  /// Offset behind the opening quote of the string that was decoded last.
  size_t string_begin() const { return static_cast<size_t>(token_ - begin_); }

  /// The offset behind the first escape of a low surrogate that had no high one, which RapidJSON
  /// does not mind. (It does refuse a high one without its low one.) 0 if there was none.
  size_t lone_surrogate() const { return lone_surrogate_; }
  void NoteLoneSurrogate() {
    if (lone_surrogate_ == 0) lone_surrogate_ = Tell();
  }

 private:
  const char* begin_;
  const char* cur_;
  const char* end_;
  const char* token_ = nullptr;
  char* out_;
  bool in_place_;
  size_t lone_surrogate_ = 0;
};

/// UTF-8 that was checked before, so that the reader can copy it unread; and that never writes a
/// surrogate.
struct Utf8 : rapidjson::UTF8<char> {
  template <typename Output>
  static void Encode(Output& out, unsigned code_point) {
    if (code_point >= 0xD800 && code_point <= 0xDFFF) {
      if constexpr (requires { out.NoteLoneSurrogate(); }) out.NoteLoneSurrogate();
      code_point = 0xFFFD;
    }
    rapidjson::UTF8<char>::Encode(out, code_point);
  }
};

}  // namespace postern::json_text

// Called where a plain character of a string stands. Templates, because RapidJSON also compiles
// (but with kParseInsituFlag never takes) a path with another output.
template <>
struct rapidjson::Transcoder<postern::json_text::Utf8, postern::json_text::Utf8> {
  template <typename Output>
  static bool Transcode(postern::json_text::Stream& in, Output&) {
    in.CopyPlainRun();
    return true;
  }
  template <typename Output>
  static bool Validate(postern::json_text::Stream& in, Output& out) {
    return Transcode(in, out);
  }
};
