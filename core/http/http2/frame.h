#pragma once

#include <cstddef>
#include <cstdint>

namespace postern {

/// RFC 9113 §6. Values beyond are extensions, to be ignored (§5.5).
enum class Http2FrameType : uint8_t {
  kData = 0x0,
  kHeaders = 0x1,
  kPriority = 0x2,
  kRstStream = 0x3,
  kSettings = 0x4,
  kPushPromise = 0x5,
  kPing = 0x6,
  kGoaway = 0x7,
  kWindowUpdate = 0x8,
  kContinuation = 0x9,
};

inline constexpr uint8_t kFlagEndStream = 0x1;  ///< DATA, HEADERS
inline constexpr uint8_t kFlagAck = 0x1;        ///< SETTINGS, PING
inline constexpr uint8_t kFlagEndHeaders = 0x4;
inline constexpr uint8_t kFlagPadded = 0x8;
inline constexpr uint8_t kFlagPriority = 0x20;

/// RFC 9113 §7.
enum class Http2Error : uint32_t {
  kNoError = 0x0,
  kProtocolError = 0x1,
  kInternalError = 0x2,
  kFlowControlError = 0x3,
  kSettingsTimeout = 0x4,
  kStreamClosed = 0x5,
  kFrameSizeError = 0x6,
  kRefusedStream = 0x7,
  kCancel = 0x8,
  kCompressionError = 0x9,
  kConnectError = 0xa,
  kEnhanceYourCalm = 0xb,
  kInadequateSecurity = 0xc,
  kHttp11Required = 0xd,
};

/// RFC 9113 §4.1. The reserved bit of the stream identifier is not kept.
struct Http2FrameHeader {
  static constexpr size_t kSize = 9;

  uint32_t length = 0;
  Http2FrameType type = Http2FrameType::kData;
  uint8_t flags = 0;
  uint32_t stream_id = 0;

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
};

/// Big-endian number of four bytes.
inline uint32_t ReadUint32(const char* bytes) {
  const auto* u = reinterpret_cast<const unsigned char*>(bytes);
  return static_cast<uint32_t>(u[0]) << 24 | static_cast<uint32_t>(u[1]) << 16 |
         static_cast<uint32_t>(u[2]) << 8 | u[3];
}

/// Reads the kSize bytes at `bytes`.
inline Http2FrameHeader ReadFrameHeader(const char* bytes) {
  const auto* u = reinterpret_cast<const unsigned char*>(bytes);
  return {.length = ReadUint32(bytes) >> 8,
          .type = static_cast<Http2FrameType>(u[3]),
          .flags = u[4],
          .stream_id = ReadUint32(bytes + 5) & 0x7fffffff};
}

/// Writes the kSize bytes at `bytes`. The length is below 2^24.
inline void WriteFrameHeader(const Http2FrameHeader& header, char* bytes) {
  const auto put = [&bytes](uint32_t value, int size) {
    for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) {
      *bytes++ = static_cast<char>(value >> shift);
    }
  };
  put(header.length, 3);
  put(static_cast<uint8_t>(header.type), 1);
  put(header.flags, 1);
  put(header.stream_id, 4);
}

}  // namespace postern
