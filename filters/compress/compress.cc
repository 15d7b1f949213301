// Compresses responses for clients that ask for it. See README.md.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/sdk/sdk.h"
#include "filters/compress/accept_encoding.h"
#include "filters/compress/content_types.h"
#include "filters/compress/encoder.h"

namespace {

using postern::BodyMode;
using postern::Coding;
using postern::ConfigReader;
using postern::ContentTypes;
using postern::Counter;
using postern::Direction;
using postern::Encoder;
using postern::Flags;
using postern::Map;
using postern::Status;
using postern::Stream;
using postern::Verdict;

constexpr Map kResponse = Map::kResponseHeaders;

// Fields of a response that tell of its bytes (RFC 9530, RFC 1864) or of ranges of them, which are
// others after encoding.
constexpr std::string_view kStale[] = {"accept-ranges", "content-md5", "content-digest",
                                       "repr-digest", "digest"};

// All values of a field, joined by commas (RFC 9110, section 5.3).
std::string Joined(Stream s, Map map, std::string_view name) {
  std::string all;
  for (size_t i = 0; const auto value = s.Header(map, name, i); ++i) {
    if (i > 0) all += ',';
    all += *value;
  }
  return all;
}

// Whether a list has a member, which is lower-case; parameters after it do not matter.
bool ListHas(const std::string& list, std::string_view member) {
  size_t at = 0;
  while (at <= list.size()) {
    const size_t comma = std::min(list.find(',', at), list.size());
    if (ContentTypes::Essence(std::string_view(list).substr(at, comma - at)) == member) return true;
    at = comma + 1;
  }
  return false;
}

class Compress {
 public:
  struct Config {
    int64_t minimum = 0;
    std::vector<Coding> codings;
    ContentTypes types{{}};
    postern::EncoderSettings settings;
    Counter responses;
    Counter bytes_in;
    Counter bytes_out;

    static std::unique_ptr<Config> Parse(ConfigReader& in);
  };

  explicit Compress(const Config& config) : config_(config) {}

  // The client's wish, as it came: filters behind this one may change the request.
  Verdict OnRequestHeaders(Stream s, Flags) {
    const std::string accept = Joined(s, Map::kRequestHeaders, "accept-encoding");
    coding_ = ChooseCoding(accept, config_.codings);
    return Verdict::kDetach;
  }

  Verdict OnResponseHeaders(Stream s, Flags flags) {
    if (!MayCompress(s)) return Verdict::kDetach;
    // Also where this client gets it as it is: another might not (RFC 9110, section 12.5.5).
    if (AddVary(s) != Status::kOk) return Verdict::kDetach;
    if (coding_ == Coding::kIdentity || flags.end_stream()) return Verdict::kDetach;
    encoder_ = Encoder::Make(coding_, config_.settings);
    if (encoder_ == nullptr) return Verdict::kDetach;
    if (s.SetHeader(kResponse, "content-encoding", NameOf(coding_)) != Status::kOk) {
      return Verdict::kDetach;
    }
    if (s.SetBodyMode(Direction::kResponse, BodyMode::kRewrite) != Status::kOk) {
      return Verdict::kFail;
    }
    WeakenEtag(s);
    for (const std::string_view name : kStale) s.RemoveHeader(kResponse, name);
    config_.responses.Add(1, {NameOf(coding_)});
    return Verdict::kContinue;
  }

  Verdict OnResponseBody(Stream s, Flags flags) {
    std::string out;
    bool good = true;
    int64_t size = 0;
    s.ForEachSlice(Direction::kResponse, [&](std::string_view slice) {
      size += static_cast<int64_t>(slice.size());
      good = good && encoder_->Encode(slice, Encoder::Flush::kNone, &out);
    });
    const Encoder::Flush flush = flags.body_last() ? Encoder::Flush::kEnd
                                 : each_chunk_     ? Encoder::Flush::kChunk
                                                   : Encoder::Flush::kNone;
    if (flush != Encoder::Flush::kNone) good = good && encoder_->Encode({}, flush, &out);
    if (!good) return Verdict::kFail;
    config_.bytes_in.Add(size);
    config_.bytes_out.Add(static_cast<int64_t>(out.size()));
    if (flags.body_last()) encoder_.reset();
    return s.ReplaceBody(Direction::kResponse, std::move(out)) == Status::kOk ? Verdict::kContinue
                                                                              : Verdict::kFail;
  }

 private:
  // Whether this response would be compressed for a client that asks for it.
  bool MayCompress(Stream s) {
    const std::optional<std::string_view> status = s.Header(kResponse, ":status");
    // No body, or a part of one that is already counted in bytes.
    if (!status || *status < "200" || *status == "204" || *status == "206" || *status == "304") {
      return false;
    }
    if (s.Header(kResponse, "content-encoding") || s.Header(kResponse, "content-range")) {
      return false;
    }
    // RFC 9111, section 5.2.2.6.
    if (ListHas(Joined(s, kResponse, "cache-control"), "no-transform")) return false;
    const std::optional<std::string_view> type = s.Header(kResponse, "content-type");
    if (!config_.types.Match(type)) return false;
    each_chunk_ = ContentTypes::Essence(type.value_or("")) == "text/event-stream";
    const std::optional<std::string_view> length = s.Header(kResponse, "content-length");
    return !length || AtLeast(*length, config_.minimum);
  }

  static bool AtLeast(std::string_view length, int64_t minimum) {
    int64_t value = 0;
    for (const char c : length) {
      if (c < '0' || c > '9') return false;
      value = value * 10 + (c - '0');
      if (value >= minimum && value > 0) return true;
    }
    return value >= minimum;
  }

  static Status AddVary(Stream s) {
    const std::string vary = Joined(s, kResponse, "vary");
    if (ListHas(vary, "accept-encoding") || ListHas(vary, "*")) return Status::kOk;
    return s.AddHeader(kResponse, "vary", "accept-encoding");
  }

  // The encoded bytes are not the ones that a strong validator stands for (RFC 9110, 8.8.3).
  static void WeakenEtag(Stream s) {
    const std::optional<std::string_view> etag = s.Header(kResponse, "etag");
    if (etag && etag->starts_with('"')) s.SetHeader(kResponse, "etag", "W/" + std::string(*etag));
  }

  const Config& config_;
  Coding coding_ = Coding::kIdentity;
  bool each_chunk_ = false;
  std::unique_ptr<Encoder> encoder_;
};

std::unique_ptr<Compress::Config> Compress::Config::Parse(ConfigReader& in) {
  auto config = std::make_unique<Config>();
  config->minimum = in.OptionalInt("minimumCompressionSize", 0, 0, 10485760);
  for (const std::string& name : in.OptionalStrings("codings", {"br", "gzip", "deflate"})) {
    Coding coding = Coding::kIdentity;
    for (const Coding known : {Coding::kBrotli, Coding::kGzip, Coding::kDeflate}) {
      if (name == NameOf(known)) coding = known;
    }
    if (coding == Coding::kIdentity) {
      in.Error("codings", "\"" + name + "\" is not one of \"br\", \"gzip\", \"deflate\"");
    }
    config->codings.push_back(coding);
  }
  if (config->codings.empty()) in.Error("codings", "must not be empty");
  std::vector<std::string> types = in.OptionalStrings("contentTypes", ContentTypes::Default());
  for (const std::string& type : types) {
    if (!ContentTypes::IsPattern(type)) {
      in.Error("contentTypes", "\"" + type + "\" is not a media type, nor a pattern of one");
    }
  }
  config->types = ContentTypes(std::move(types));
  config->settings.zlib_level = static_cast<int>(in.OptionalInt("zlibLevel", 6, 1, 9));
  config->settings.brotli_quality = static_cast<int>(in.OptionalInt("brotliQuality", 4, 0, 11));
  config->responses = in.DefineCounter("responses_total", {"coding"});
  config->bytes_in = in.DefineCounter("bytes_in_total");
  config->bytes_out = in.DefineCounter("bytes_out_total");
  return config;
}

}  // namespace

POSTERN_MODULE(Compress, "postern.compress", "1.0.0", POSTERN_CAP_BODY);
