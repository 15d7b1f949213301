// Decodes compressed bodies of requests. See README.md.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/sdk/sdk.h"
#include "filters/decompress/decoder.h"
#include "lib/text/ascii.h"

namespace {

using postern::BodyMode;
using postern::ConfigReader;
using postern::Counter;
using postern::Decoder;
using postern::Direction;
using postern::Flags;
using postern::Map;
using postern::ReplyKind;
using postern::Status;
using postern::Stream;
using postern::Verdict;

constexpr Map kRequest = Map::kRequestHeaders;
constexpr std::string_view kContentEncoding = "content-encoding";

class Decompress {
 public:
  struct Config {
    uint64_t limit = 0;
    Counter requests;

    static std::unique_ptr<Config> Parse(ConfigReader& in) {
      auto config = std::make_unique<Config>();
      config->limit = static_cast<uint64_t>(in.OptionalInt("limit", 10485760, 1, 10485760));
      config->requests = in.DefineCounter("requests_total", {"result"});
      return config;
    }
  };

  explicit Decompress(const Config& config) : config_(config) {}

  Verdict OnRequestHeaders(Stream s, Flags flags) {
    std::optional<std::string_view> coding = s.Header(kRequest, kContentEncoding);
    if (!coding.has_value() || flags.end_stream()) return Verdict::kDetach;
    // One coding at most: what is encoded twice nobody promises to decode.
    bool plain = true;
    for (size_t i = 0; coding.has_value(); coding = s.Header(kRequest, kContentEncoding, ++i)) {
      std::string_view list = *coding;
      while (!list.empty()) {
        const size_t comma = std::min(list.find(','), list.size());
        const std::string_view name = postern::TrimOws(list.substr(0, comma));
        list.remove_prefix(std::min(comma + 1, list.size()));
        if (name.empty() || postern::EqualsIgnoreCase(name, "identity")) continue;
        if (!plain) return Refuse(s, ReplyKind::kUnsupportedMediaType, "decompress:coding");
        plain = false;
        if (postern::EqualsIgnoreCase(name, "gzip") || postern::EqualsIgnoreCase(name, "x-gzip")) {
          format_ = Decoder::Format::kGzip;
        } else if (postern::EqualsIgnoreCase(name, "deflate")) {
          format_ = Decoder::Format::kZlib;
        } else {
          return Refuse(s, ReplyKind::kUnsupportedMediaType, "decompress:coding");
        }
      }
    }
    if (plain) return Verdict::kDetach;
    // Whole before it goes on, so that what is corrupt or too large reaches nobody.
    return s.SetBodyMode(Direction::kRequest, BodyMode::kBuffer) == Status::kOk ? Verdict::kContinue
                                                                                : Verdict::kFail;
  }

  Verdict OnRequestBody(Stream s, Flags) {
    const uint64_t size = s.BodySize(Direction::kRequest);
    if (size > 0) {
      Decoder decoder(format_, config_.limit);
      s.ForEachSlice(Direction::kRequest,
                     [&decoder](std::string_view slice) { (void)decoder.Decode(slice); });
      switch (decoder.Finish()) {
        case Decoder::Result::kOk:
          break;
        case Decoder::Result::kCorrupt:
          return Refuse(s, ReplyKind::kUnsupportedMediaType, "decompress:corrupt");
        case Decoder::Result::kTooLarge:
          return Refuse(s, ReplyKind::kRequestTooLarge, "decompress:too_large");
        case Decoder::Result::kNoMemory:
          return Verdict::kFail;
      }
      if (s.ReplaceBody(Direction::kRequest, std::move(decoder.out())) != Status::kOk) {
        return Verdict::kFail;
      }
    }
    if (s.RemoveHeader(kRequest, kContentEncoding) != Status::kOk) return Verdict::kFail;
    config_.requests.Add(1, {"decoded"});
    return Verdict::kDetach;
  }

 private:
  Verdict Refuse(Stream s, ReplyKind kind, std::string_view detail) {
    config_.requests.Add(1, {"refused"});
    return s.Send({.kind = kind, .detail = detail});
  }

  const Config& config_;
  Decoder::Format format_ = Decoder::Format::kGzip;
};

}  // namespace

POSTERN_MODULE(Decompress, "postern.decompress", "1.0.0", POSTERN_CAP_BODY);
