#include "filters/compress/encoder.h"

#include <brotli/encode.h>
#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

namespace postern {
namespace {

class ZlibEncoder : public Encoder {
 public:
  // gzip (RFC 1952), or the zlib format (RFC 1950), which is what "deflate" means in HTTP.
  ZlibEncoder(bool gzip, int level) {
    constexpr int kWindowBits = 15;
    constexpr int kGzipHeader = 16;
    constexpr int kMemoryLevel = 8;
    ok_ = deflateInit2(&stream_, level, Z_DEFLATED, kWindowBits + (gzip ? kGzipHeader : 0),
                       kMemoryLevel, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~ZlibEncoder() override {
    if (ok_) deflateEnd(&stream_);
  }
  ZlibEncoder(const ZlibEncoder&) = delete;
  ZlibEncoder& operator=(const ZlibEncoder&) = delete;

  bool ok() const { return ok_; }

  bool Encode(std::string_view in, Flush flush, std::string* out) override {
    do {
      const size_t part = std::min<size_t>(in.size(), std::numeric_limits<uInt>::max());
      // zlib takes a pointer to non-const, but does not write through it.
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
      stream_.avail_in = static_cast<uInt>(part);
      in.remove_prefix(part);
      const int mode = !in.empty()              ? Z_NO_FLUSH
                       : flush == Flush::kEnd   ? Z_FINISH
                       : flush == Flush::kChunk ? Z_SYNC_FLUSH
                                                : Z_NO_FLUSH;
      if (!Run(mode, out)) return false;
    } while (!in.empty());
    return true;
  }

 private:
  bool Run(int mode, std::string* out) {
    Bytef buffer[16384];
    do {
      stream_.next_out = buffer;
      stream_.avail_out = sizeof buffer;
      if (deflate(&stream_, mode) == Z_STREAM_ERROR) return false;
      out->append(reinterpret_cast<const char*>(buffer), sizeof buffer - stream_.avail_out);
    } while (stream_.avail_out == 0);
    return stream_.avail_in == 0;
  }

  z_stream stream_{};
  bool ok_ = false;
};

class BrotliEncoder : public Encoder {
 public:
  explicit BrotliEncoder(int quality)
      : state_(BrotliEncoderCreateInstance(nullptr, nullptr, nullptr),
               BrotliEncoderDestroyInstance) {
    if (state_ == nullptr) return;
    constexpr uint32_t kWindowBits = 18;
    BrotliEncoderSetParameter(state_.get(), BROTLI_PARAM_QUALITY, static_cast<uint32_t>(quality));
    BrotliEncoderSetParameter(state_.get(), BROTLI_PARAM_LGWIN, kWindowBits);
  }

  bool ok() const { return state_ != nullptr; }

  bool Encode(std::string_view in, Flush flush, std::string* out) override {
    const BrotliEncoderOperation operation = flush == Flush::kEnd     ? BROTLI_OPERATION_FINISH
                                             : flush == Flush::kChunk ? BROTLI_OPERATION_FLUSH
                                                                      : BROTLI_OPERATION_PROCESS;
    const auto* next_in = reinterpret_cast<const uint8_t*>(in.data());
    size_t avail_in = in.size();
    do {
      size_t no_room = 0;  // The encoder keeps its output until it is taken.
      if (BrotliEncoderCompressStream(state_.get(), operation, &avail_in, &next_in, &no_room,
                                      nullptr, nullptr) == BROTLI_FALSE) {
        return false;
      }
      size_t size = 0;
      const uint8_t* output = BrotliEncoderTakeOutput(state_.get(), &size);
      out->append(reinterpret_cast<const char*>(output), size);
    } while (avail_in > 0 || BrotliEncoderHasMoreOutput(state_.get()) == BROTLI_TRUE);
    return flush != Flush::kEnd || BrotliEncoderIsFinished(state_.get()) == BROTLI_TRUE;
  }

 private:
  std::unique_ptr<BrotliEncoderState, decltype(&BrotliEncoderDestroyInstance)> state_;
};

}  // namespace

std::unique_ptr<Encoder> Encoder::Make(Coding coding, const EncoderSettings& settings) {
  if (coding == Coding::kGzip || coding == Coding::kDeflate) {
    auto encoder = std::make_unique<ZlibEncoder>(coding == Coding::kGzip, settings.zlib_level);
    if (encoder->ok()) return encoder;
  } else if (coding == Coding::kBrotli) {
    auto encoder = std::make_unique<BrotliEncoder>(settings.brotli_quality);
    if (encoder->ok()) return encoder;
  }
  return nullptr;
}

}  // namespace postern
