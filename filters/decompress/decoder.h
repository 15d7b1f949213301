// Decodes whole bodies of the codings gzip and deflate (RFC 9110, section 8.4.1; RFC 1950, 1952).
#pragma once

#include <zlib.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace postern {

// For one body, piece by piece. For one thread. Holds about 40 KiB besides what it has decoded.
class Decoder {
 public:
  enum class Format { kGzip, kZlib };  // kZlib is what HTTP calls deflate.

  // What became of it so far.
  enum class Result {
    kOk,
    kCorrupt,   // Not of this format, cut off, or with something behind it.
    kTooLarge,  // More than `limit` bytes come out.
    kNoMemory,
  };

  Decoder(Format format, size_t limit);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // Decodes more. Once it is not kOk it stays what it is.
  Result Decode(std::string_view in);
  // At the end of the input.
  Result Finish();

  // What came out; whole after Finish() was kOk.
  std::string& out() { return out_; }

 private:
  const Format format_;
  const size_t limit_;
  z_stream stream_{};
  bool ready_ = false;    // stream_ is in use.
  bool between_ = false;  // One gzip member has ended, another may follow.
  Result result_ = Result::kOk;
  std::string out_;
};

}  // namespace postern
