// Asks an upstream whether the caller may pass. There is no state machine here: the answer can only
// arrive through OnEvent(), never while OnRequestHeaders() is still on the stack. And no code for a
// client that leaves: the callout is cancelled with the stream.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/sdk/sdk.h"

namespace {

using postern::CalloutResult;
using postern::ConfigReader;
using postern::Counter;
using postern::Direction;
using postern::Event;
using postern::Field;
using postern::Flags;
using postern::Map;
using postern::ReplyKind;
using postern::Status;
using postern::Stream;
using postern::Upstream;
using postern::Verdict;

class ExtAuth {
 public:
  struct Config {
    Upstream upstream;
    std::string path;
    uint32_t timeout_ms = 0;
    Counter decisions;

    static std::unique_ptr<Config> Parse(ConfigReader& in) {
      auto config = std::make_unique<Config>();
      config->upstream = in.UpstreamId("upstream");
      config->path = in.OptionalString("path", "/check");
      if (!config->path.starts_with('/')) in.Error("path", "must start with \"/\"");
      config->timeout_ms = static_cast<uint32_t>(in.OptionalInt("timeoutMs", 500, 1, 30000));
      config->decisions = in.DefineCounter("decisions_total", {"decision"});
      return config;
    }
  };

  explicit ExtAuth(const Config& config) : config_(config) {}

  Verdict OnRequestHeaders(Stream s, Flags) {
    const std::optional<std::string_view> token = s.Header(Map::kRequestHeaders, "authorization");
    if (!token) {
      config_.decisions.Add(1, {"no_token"});
      return s.Send({.kind = ReplyKind::kUnauthorized, .detail = "ext_auth:no_token"});
    }
    const postern_header headers[] = {Field("authorization", *token)};
    const Status status = s.StartCallout({.upstream = config_.upstream,
                                          .path = config_.path,
                                          .headers = headers,
                                          .timeout_ms = config_.timeout_ms});
    return status == Status::kOk ? Verdict::kPause : Verdict::kFail;
  }

  void OnEvent(Stream s, const Event& event) {
    const CalloutResult result = event.callout();
    if (!result.ok()) {
      config_.decisions.Add(1, {"error"});
      s.Send({.kind = ReplyKind::kAuthorizerFailure, .detail = "ext_auth:callout"});
    } else if (result.status() != 200) {
      config_.decisions.Add(1, {"deny"});
      s.Send({.kind = ReplyKind::kAccessDenied, .detail = "ext_auth:denied"});
    } else {
      config_.decisions.Add(1, {"allow"});
      if (const auto principal = result.Header("x-principal")) {
        s.SetText("authorizer.principalId", *principal);
      }
      s.Resume(Direction::kRequest);
    }
  }

 private:
  const Config& config_;
};

}  // namespace

POSTERN_MODULE(ExtAuth, "sample.ext_auth", "1.0.0", POSTERN_CAP_CALLOUT);
