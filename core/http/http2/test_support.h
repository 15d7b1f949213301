#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/http/http2/frame.h"

/// Builds and reads HTTP/2 frames byte by byte, with HPACK kept apart from the code under test:
/// what is sent is encoded as plain literals, what is received is decoded by nghttp2's public
/// inflater.
namespace postern::h2 {

using Fields = std::vector<std::pair<std::string, std::string>>;
using Type = Http2FrameType;

inline constexpr uint8_t kEnd = kFlagEndStream;
inline constexpr uint8_t kWhole = kFlagEndHeaders;

inline std::string U32(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}
inline std::string U16(uint16_t value) { return U32(value).substr(2); }

inline std::string MakeFrame(uint8_t type, uint8_t flags, uint32_t id, std::string_view payload) {
  std::string frame = U32(static_cast<uint32_t>(payload.size())).substr(1);
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  return frame.append(U32(id)).append(payload);
}
inline std::string MakeFrame(Type type, uint8_t flags, uint32_t id, std::string_view payload) {
  return MakeFrame(static_cast<uint8_t>(type), flags, id, payload);
}

/// RFC 7541 §5.1, with the first byte's upper bits given.
inline std::string Integer(uint8_t first, int prefix, size_t value) {
  const size_t limit = (1u << prefix) - 1;
  std::string out;
  if (value < limit) return {static_cast<char>(first | value)};
  out.push_back(static_cast<char>(first | limit));
  for (value -= limit; value >= 128; value >>= 7) out.push_back(static_cast<char>(value | 128));
  out.push_back(static_cast<char>(value));
  return out;
}
/// RFC 7541 §6.2.2: literal without indexing, new name, no Huffman coding.
inline std::string Literal(std::string_view name, std::string_view value) {
  std::string out(1, '\0');
  out.append(Integer(0, 7, name.size())).append(name);
  return out.append(Integer(0, 7, value.size())).append(value);
}
inline std::string Block(const Fields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out.append(Literal(name, value));
  return out;
}

inline std::string Headers(uint32_t id, std::string_view block, uint8_t flags = kEnd | kWhole) {
  return MakeFrame(Type::kHeaders, flags, id, block);
}
inline std::string Headers(uint32_t id, const Fields& fields, uint8_t flags = kEnd | kWhole) {
  return Headers(id, Block(fields), flags);
}
inline std::string Continuation(uint32_t id, std::string_view block, uint8_t flags = kWhole) {
  return MakeFrame(Type::kContinuation, flags, id, block);
}
inline std::string Data(uint32_t id, std::string_view content, uint8_t flags = 0) {
  return MakeFrame(Type::kData, flags, id, content);
}
inline std::string Rst(uint32_t id, Http2Error error = Http2Error::kCancel) {
  return MakeFrame(Type::kRstStream, 0, id, U32(static_cast<uint32_t>(error)));
}
inline std::string Settings(const std::vector<std::pair<uint16_t, uint32_t>>& entries = {}) {
  std::string payload;
  for (const auto& [id, value] : entries) payload.append(U16(id)).append(U32(value));
  return MakeFrame(Type::kSettings, 0, 0, payload);
}
inline std::string SettingsAck() { return MakeFrame(Type::kSettings, kFlagAck, 0, ""); }
inline std::string Ping(std::string_view data = "12345678", uint8_t flags = 0) {
  return MakeFrame(Type::kPing, flags, 0, data);
}
inline std::string Goaway(uint32_t last, uint32_t error = 0) {
  return MakeFrame(Type::kGoaway, 0, 0, U32(last) + U32(error));
}
inline std::string WindowUpdate(uint32_t id, uint32_t increment) {
  return MakeFrame(Type::kWindowUpdate, 0, id, U32(increment));
}
inline std::string Priority(uint32_t id, uint32_t dependency, uint8_t weight = 15) {
  return MakeFrame(Type::kPriority, 0, id,
                   U32(dependency) + std::string(1, static_cast<char>(weight)));
}
/// A payload behind its Pad Length, in front of its padding.
inline std::string Padded(std::string_view payload, uint8_t padding) {
  return std::string(1, static_cast<char>(padding)).append(payload).append(padding, '\0');
}

inline constexpr std::string_view kClientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

inline const Fields kGet = {
    {":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
inline const Fields kPost = {
    {":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
inline Fields With(Fields fields, const Fields& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

struct Frame {
  Http2FrameHeader header;
  std::string payload;
  Fields fields;  ///< of HEADERS with its CONTINUATIONs

  std::string field(std::string_view name) const {
    for (const auto& [n, v] : fields) {
      if (n == name) return v;
    }
    return "-";
  }
  uint32_t number(size_t at = 0) const { return ReadUint32(payload.data() + at); }
};

/// Reads what one side has sent; keeps HPACK's state, so it must see all of it.
class Reader {
 public:
  Reader() { nghttp2_hd_inflate_new(&inflater_); }
  ~Reader() { nghttp2_hd_inflate_del(inflater_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// The frames of `bytes`, whole ones only, appended to `frames`.
  void Read(std::string_view bytes) {
    rest_.append(bytes);
    std::string_view view = rest_;
    while (view.size() >= 9) {
      Frame frame{.header = ReadFrameHeader(view.data()), .payload = {}, .fields = {}};
      if (view.size() < 9 + frame.header.length) break;
      frame.payload = view.substr(9, frame.header.length);
      view.remove_prefix(9 + frame.header.length);
      if (frame.header.type == Type::kHeaders) block_.clear();
      if (frame.header.type == Type::kHeaders || frame.header.type == Type::kContinuation) {
        block_.append(frame.payload);
        if (frame.header.has(kWhole)) frame.fields = Decode(block_);
      }
      frames.push_back(std::move(frame));
    }
    rest_.erase(0, rest_.size() - view.size());
  }

  std::vector<const Frame*> All(Type type, uint32_t id) const {
    std::vector<const Frame*> found;
    for (const Frame& frame : frames) {
      if (frame.header.type == type && frame.header.stream_id == id) found.push_back(&frame);
    }
    return found;
  }
  const Frame* First(Type type, uint32_t id) const {
    const auto all = All(type, id);
    return all.empty() ? nullptr : all.front();
  }
  /// Content of a stream so far.
  std::string Content(uint32_t id) const {
    std::string content;
    for (const Frame* frame : All(Type::kData, id)) content.append(frame->payload);
    return content;
  }
  /// Whether END_STREAM was sent.
  bool Ended(uint32_t id) const {
    for (const Frame& frame : frames) {
      const bool may = frame.header.type == Type::kData || frame.header.type == Type::kHeaders;
      if (may && frame.header.stream_id == id && frame.header.has(kEnd)) return true;
    }
    return false;
  }
  /// Error of the first RST_STREAM of a stream, or -1.
  int RstError(uint32_t id) const {
    const Frame* frame = First(Type::kRstStream, id);
    return frame == nullptr ? -1 : static_cast<int>(frame->number());
  }
  /// Error of the last GOAWAY, or -1.
  int GoawayError() const {
    const auto all = All(Type::kGoaway, 0);
    return all.empty() ? -1 : static_cast<int>(all.back()->number(4));
  }

  std::vector<Frame> frames;

 private:
  Fields Decode(std::string_view block) {
    Fields fields;
    const auto* at = reinterpret_cast<const uint8_t*>(block.data());
    size_t left = block.size();
    for (;;) {
      nghttp2_nv nv;
      int flags = 0;
      const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &nv, &flags, at, left, 1);
      if (used < 0) std::abort();  // a field block that cannot be decoded was sent
      at += used;
      left -= static_cast<size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        fields.emplace_back(std::string(reinterpret_cast<char*>(nv.name), nv.namelen),
                            std::string(reinterpret_cast<char*>(nv.value), nv.valuelen));
        never_indexed.push_back((nv.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return fields;
  }

  nghttp2_hd_inflater* inflater_ = nullptr;
  std::string rest_;
  std::string block_;

 public:
  std::vector<bool> never_indexed;  ///< of each field decoded so far
};

inline int Code(Http2Error error) { return static_cast<int>(error); }

}  // namespace postern::h2
