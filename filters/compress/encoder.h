// Streaming encoders of the content codings (RFC 9110, section 8.4.1; RFC 7932).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "filters/compress/accept_encoding.h"

namespace postern {

// How hard to try.
struct EncoderSettings {
  int zlib_level = 6;      // 1 to 9.
  int brotli_quality = 4;  // 0 to 11.
};

// Encodes one body, piece by piece. For one thread. Holds, by coding, up to 270 KiB (gzip, deflate)
// or about 1 MiB (brotli, whose window is 2^18 bytes).
class Encoder {
 public:
  enum class Flush {
    kNone,   // Output may wait for more input.
    kChunk,  // All input so far can be decoded from what is out.
    kEnd,    // The body ends.
  };

  // nullptr where memory is short, or for kIdentity.
  static std::unique_ptr<Encoder> Make(Coding coding, const EncoderSettings& settings);

  virtual ~Encoder() = default;

  // Appends to *out. False when the library fails; then nothing more can be encoded.
  [[nodiscard]] virtual bool Encode(std::string_view in, Flush flush, std::string* out) = 0;
};

}  // namespace postern
