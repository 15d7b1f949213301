#include "filters/decompress/decoder.h"

#include <algorithm>

namespace postern {

Decoder::Decoder(Format format, size_t limit) : format_(format), limit_(limit) {
  ready_ = inflateInit2(&stream_, format == Format::kGzip ? 15 + 16 : 15) == Z_OK;
  if (!ready_) result_ = Result::kNoMemory;
}

Decoder::~Decoder() {
  if (ready_) inflateEnd(&stream_);
}

Decoder::Result Decoder::Decode(std::string_view in) {
  if (result_ != Result::kOk) return result_;
  stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
  stream_.avail_in = static_cast<uInt>(in.size());
  // One byte beyond the limit tells that there is more.
  while (stream_.avail_in > 0) {
    if (between_) {
      // RFC 1952, section 2.2: members follow each other. A zlib stream is alone.
      if (format_ != Format::kGzip || inflateReset(&stream_) != Z_OK) {
        return result_ = Result::kCorrupt;
      }
      between_ = false;
    }
    const size_t before = out_.size();
    const size_t most = limit_ + 1 - before;
    out_.resize(before + std::min(most, std::max<size_t>(stream_.avail_in * size_t{4}, 4096)));
    stream_.next_out = reinterpret_cast<Bytef*>(out_.data() + before);
    stream_.avail_out = static_cast<uInt>(out_.size() - before);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    out_.resize(out_.size() - stream_.avail_out);
    if (out_.size() > limit_) return result_ = Result::kTooLarge;
    if (status == Z_STREAM_END) {
      between_ = true;
    } else if (status == Z_MEM_ERROR) {
      return result_ = Result::kNoMemory;
    } else if (status != Z_OK) {
      return result_ = Result::kCorrupt;
    }
  }
  return result_;
}

Decoder::Result Decoder::Finish() {
  // What inflate() still holds back: it may have had no room for it.
  while (result_ == Result::kOk && !between_) {
    const size_t before = out_.size();
    out_.resize(std::min(limit_ + 1, before + 65536));
    stream_.next_in = nullptr;
    stream_.avail_in = 0;
    stream_.next_out = reinterpret_cast<Bytef*>(out_.data() + before);
    stream_.avail_out = static_cast<uInt>(out_.size() - before);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    out_.resize(out_.size() - stream_.avail_out);
    if (out_.size() > limit_) {
      result_ = Result::kTooLarge;
    } else if (status == Z_STREAM_END) {
      between_ = true;
    } else if (status != Z_OK) {
      result_ = Result::kCorrupt;
    }
  }
  return result_;
}

}  // namespace postern
