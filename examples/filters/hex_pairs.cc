// Streams the response body as base16 in pairs of bytes. A chunk may end in the middle of a pair,
// so one byte is carried over; body_last() is the one place to flush, whether or not trailers
// follow.
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "api/sdk/sdk.h"

namespace {

using postern::BodyMode;
using postern::Direction;
using postern::Flags;
using postern::Map;
using postern::Status;
using postern::Stream;
using postern::Verdict;

class HexPairs {
 public:
  Verdict OnResponseHeaders(Stream s, Flags flags) {
    if (flags.end_stream()) return Verdict::kDetach;
    s.SetHeader(Map::kResponseHeaders, "content-type", "text/plain");
    s.RemoveHeader(Map::kResponseHeaders, "etag");
    return s.SetBodyMode(Direction::kResponse, BodyMode::kRewrite) == Status::kOk
               ? Verdict::kContinue
               : Verdict::kFail;
  }

  Verdict OnResponseBody(Stream s, Flags flags) {
    std::string in = std::exchange(carry_, {});
    s.ForEachSlice(Direction::kResponse, [&in](std::string_view slice) { in += slice; });

    const size_t whole = flags.body_last() ? in.size() : in.size() & ~size_t{1};
    carry_.assign(in, whole);
    in.resize(whole);
    return s.ReplaceBody(Direction::kResponse, ToHex(in)) == Status::kOk ? Verdict::kContinue
                                                                         : Verdict::kFail;
  }

 private:
  static std::string ToHex(std::string_view bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string hex;
    hex.reserve(bytes.size() * 5 / 2 + 1);
    for (size_t i = 0; i < bytes.size(); ++i) {
      hex += kDigits[static_cast<unsigned char>(bytes[i]) >> 4];
      hex += kDigits[bytes[i] & 15];
      if (i % 2 == 1) hex += ' ';
    }
    return hex;
  }

  std::string carry_;  // At most one byte, between two chunks.
};

}  // namespace

POSTERN_MODULE(HexPairs, "sample.hex_pairs", "1.0.0", POSTERN_CAP_BODY);
