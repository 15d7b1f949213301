// CORS as HTTP APIs have it (docs: HTTP APIs, CORS). See README.md.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/sdk/sdk.h"
#include "filters/cors/cors_policy.h"

namespace {

using postern::ConfigReader;
using postern::Counter;
using postern::Field;
using postern::Flags;
using postern::Map;
using postern::ReplyKind;
using postern::Status;
using postern::Stream;
using postern::Verdict;

constexpr std::string_view kPrefix = "access-control-";

// Whether a list in a header has a member, which is lower-case; members are compared without case.
bool ListHas(std::string_view list, std::string_view member) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    std::string_view item = list.substr(0, comma);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    const auto lower = [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    };
    if (item == "*") return true;
    if (std::equal(item.begin(), item.end(), member.begin(), member.end(),
                   [&lower](char a, char b) { return lower(a) == b; })) {
      return true;
    }
  }
  return false;
}

class Cors {
 public:
  struct Config {
    postern::CorsPolicy policy;
    Counter preflights;
    Counter refused_origins;

    static std::unique_ptr<Config> Parse(ConfigReader& in) {
      return std::make_unique<Config>(Config{postern::CorsPolicy(in),
                                             in.DefineCounter("preflights_total", {"result"}),
                                             in.DefineCounter("refused_origins_total")});
    }
  };

  explicit Cors(const Config& config) : config_(config) {}

  Verdict OnRequestHeaders(Stream s, Flags) {
    Decide(s);
    const bool preflight = has_origin_ && s.Header(Map::kRequestHeaders, ":method") == "OPTIONS" &&
                           s.Header(Map::kRequestHeaders, "access-control-request-method");
    return preflight ? AnswerPreflight(s) : Verdict::kDetach;
  }

  Verdict OnResponseHeaders(Stream s, Flags) {
    DropIntegrations(s);
    if (!has_origin_) return Verdict::kDetach;
    if (!allowed_) {
      config_.refused_origins.Add();
      return Verdict::kDetach;
    }
    const postern::CorsPolicy& policy = config_.policy;
    // An answer without these headers is refused by the browser, which is the safe side; but it
    // must not be cached for others without Vary.
    Status status = s.SetHeader(Map::kResponseHeaders, "access-control-allow-origin", *allowed_);
    if (!policy.any_origin()) {
      const Status vary = AddVaryOrigin(s);
      if (status == Status::kOk) status = vary;
    }
    if (policy.allow_credentials()) {
      s.SetHeader(Map::kResponseHeaders, "access-control-allow-credentials", "true");
    }
    if (!policy.expose_headers().empty()) {
      s.SetHeader(Map::kResponseHeaders, "access-control-expose-headers", policy.expose_headers());
    }
    return status == Status::kOk ? Verdict::kDetach : Verdict::kFail;
  }

 private:
  // From the request as it came: filters behind this one may change its headers.
  void Decide(Stream s) {
    const std::optional<std::string_view> origin = s.Header(Map::kRequestHeaders, "origin");
    has_origin_ = origin.has_value();
    if (!has_origin_) return;
    allowed_ = config_.policy.Allow(*origin);
    // Borrowed from the request's map, which may change; the configuration stays.
    if (allowed_ && allowed_->data() == origin->data()) {
      copy_ = *origin;
      allowed_ = copy_;
    }
  }

  // What an integration says of CORS is not the API's word.
  static void DropIntegrations(Stream s) {
    // Removing invalidates what is being listed.
    for (std::string name; FindCorsHeader(s, &name);) {
      if (s.RemoveHeader(Map::kResponseHeaders, name) != Status::kOk) return;
    }
  }
  static bool FindCorsHeader(Stream s, std::string* found) {
    found->clear();
    s.ForEachHeader(Map::kResponseHeaders, [found](std::string_view name, std::string_view) {
      if (found->empty() && name.starts_with(kPrefix)) *found = name;
    });
    return !found->empty();
  }

  Verdict AnswerPreflight(Stream s) {
    const postern::CorsPolicy& policy = config_.policy;
    if (!allowed_) {
      config_.preflights.Add(1, {"refused"});
      return s.Send({.kind = ReplyKind::kRaw, .status = 204, .detail = "cors:origin_refused"});
    }
    config_.preflights.Add(1, {"allowed"});
    postern_header headers[6];
    size_t n = 0;
    headers[n++] = Field("access-control-allow-origin", *allowed_);
    if (!policy.any_origin()) headers[n++] = Field("vary", "origin");
    if (!policy.allow_methods().empty()) {
      headers[n++] = Field("access-control-allow-methods", policy.allow_methods());
    }
    if (!policy.allow_headers().empty()) {
      headers[n++] = Field("access-control-allow-headers", policy.allow_headers());
    }
    if (!policy.max_age().empty()) {
      headers[n++] = Field("access-control-max-age", policy.max_age());
    }
    if (policy.allow_credentials()) {
      headers[n++] = Field("access-control-allow-credentials", "true");
    }
    return s.Send({.kind = ReplyKind::kRaw,
                   .status = 204,
                   .detail = "cors:preflight",
                   .headers = {headers, n}});
  }

  static Status AddVaryOrigin(Stream s) {
    for (size_t i = 0; const auto value = s.Header(Map::kResponseHeaders, "vary", i); ++i) {
      if (ListHas(*value, "origin")) return Status::kOk;
    }
    return s.AddHeader(Map::kResponseHeaders, "vary", "origin");
  }

  const Config& config_;
  bool has_origin_ = false;
  std::optional<std::string_view> allowed_;  // The value of access-control-allow-origin.
  std::string copy_;
};

}  // namespace

POSTERN_MODULE(Cors, "postern.cors", "1.0.0", 0);
