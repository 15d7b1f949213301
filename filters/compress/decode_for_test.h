// Decodes what the encoders made, by the libraries' other half. For tests.
#pragma once

#include <brotli/decode.h>
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "filters/compress/accept_encoding.h"

namespace postern {

// What a body holds, as far as it goes. *ended tells whether it is whole, with nothing after it.
inline std::string DecodeForTest(Coding coding, std::string_view body, bool* ended) {
  std::string out;
  char buffer[4096];
  *ended = false;
  if (coding == Coding::kBrotli) {
    BrotliDecoderState* state = BrotliDecoderCreateInstance(nullptr, nullptr, nullptr);
    const auto* next_in = reinterpret_cast<const uint8_t*>(body.data());
    size_t avail_in = body.size();
    BrotliDecoderResult result = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
    while (result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
      auto* next_out = reinterpret_cast<uint8_t*>(buffer);
      size_t avail_out = sizeof buffer;
      result =
          BrotliDecoderDecompressStream(state, &avail_in, &next_in, &avail_out, &next_out, nullptr);
      out.append(buffer, sizeof buffer - avail_out);
    }
    *ended = result == BROTLI_DECODER_RESULT_SUCCESS && avail_in == 0;
    BrotliDecoderDestroyInstance(state);
    return out;
  }
  z_stream stream{};
  if (inflateInit2(&stream, coding == Coding::kGzip ? 15 + 16 : 15) != Z_OK) return out;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  int result = Z_OK;
  do {
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof buffer;
    result = inflate(&stream, Z_NO_FLUSH);
    out.append(buffer, sizeof buffer - stream.avail_out);
  } while (result == Z_OK && (stream.avail_in > 0 || stream.avail_out == 0));
  *ended = result == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  return out;
}

}  // namespace postern
