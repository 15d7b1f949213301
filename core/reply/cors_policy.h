#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/context/request_context.h"
#include "core/http/message.h"

namespace postern {

/// The CORS configuration of an HTTP API (http-api.md §13). Immutable and shared by all workers.
class CorsPolicy {
 public:
  struct Spec {
    std::vector<std::string> allow_origins;  ///< exact, or "*", "https://*", "http://*"
    std::vector<std::string> allow_methods;  ///< or "*"
    std::vector<std::string> allow_headers;
    std::vector<std::string> expose_headers;
    bool allow_credentials = false;
    std::optional<int32_t> max_age_s;
  };

  explicit CorsPolicy(const Spec& spec);

  /// An OPTIONS request that asks for another; the gateway answers it itself.
  static bool IsPreflight(const RequestHead& request);

  /// Puts the gateway's fields in place of the backend's, if the request has an Origin. Values that
  /// are not the policy's own are views of the request's. The policy outlives the head.
  void Apply(ResponseHead* head, const RequestContext& context) const;

 private:
  bool Allows(std::string_view origin) const;

  std::vector<std::string> origins_;
  bool any_origin_ = false;
  bool any_https_ = false;
  bool any_http_ = false;
  bool credentials_;
  std::string methods_;
  std::string headers_;
  std::string exposed_;
  std::string max_age_;  // empty: not sent
};

}  // namespace postern
