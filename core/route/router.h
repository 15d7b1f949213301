#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/arena.h"
#include "core/context/request_context.h"
#include "core/http/message.h"
#include "core/route/route.h"
#include "core/route/text_index.h"

namespace postern {

/// What the router must be told besides the request's head.
struct RouteInput {
  uint32_t random = 0;                       ///< uniform bits, for the choice of a canary
  bool private_endpoint = false;             ///< the listener is a private endpoint …
  std::string_view vpce_id;                  ///< … with this id
  bool client_certificate_verified = false;  ///< mutual TLS succeeded on the connection
};

/// Where a request goes, or why nowhere.
struct RouteMatch {
  const Route* route = nullptr;      ///< null: refused
  const Variant* variant = nullptr;  ///< set as soon as API and stage are known, refused or not
  ResponseType refusal = ResponseType::kNone;
  bool http_api = false;  ///< refused by the rules of HTTP APIs

  /// The gateway responses that hold for the request, found or refused.
  const ApiReplies& replies() const {
    if (variant != nullptr) return *variant->deployment->replies;
    return http_api ? ApiReplies::HttpApi() : ApiReplies::Default();
  }
};

/// Finds API, stage and route of a request (rest-api.md §2, §3). Immutable and shared by all
/// workers.
class Router {
 public:
  /// Facts of the gateway that every request's context shows.
  struct Gateway {
    std::string account_id;
    std::string region;
    std::string partition;
    bool execute_api_hosts = true;  ///< `{apiId}.execute-api.*`
    /// `/_aws/execute-api/{apiId}/{stage}/…` and `/restapis/{apiId}/{stage}/_user_request_/…`
    bool path_style_urls = true;
  };

  struct HeaderCondition {
    std::string name;
    std::string value_glob;
  };

  /// A routing rule of a domain (rest-api.md §2.2).
  struct Rule {
    std::vector<HeaderCondition> headers;
    std::string base_path;  ///< without outer slashes
    bool strip_base_path = false;
    std::string id;
    const Stage* stage = nullptr;
  };

  struct Mapping {
    std::string base_path;  ///< without outer slashes; empty: everything else
    const Stage* stage = nullptr;
  };

  /// A custom domain.
  struct Domain {
    std::string name;  ///< lower case: exact, "*.example.com", or "*"
    bool require_client_certificate = false;
    std::vector<Rule> rules;  ///< in order of priority; tried before the mappings
    std::vector<Mapping> mappings;
  };

  /// `apis` are kept; stages that domains point at are among theirs.
  Router(Gateway gateway, std::vector<std::unique_ptr<const Api>> apis,
         std::vector<Domain> domains);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  /// Routes the request of `head`: chooses API, stage and canary by host and path, then the route
  /// by path and method. Fills what `context` knows of it (path, domain, API, stage, resource,
  /// parameters); with a refusal also error_type, and error_message where it is not the type's own.
  /// What is made goes to `arena`; values stay views of `head`.
  RouteMatch Match(const RequestHead& head, const RouteInput& input, RequestContext* context,
                   Arena* arena) const;

  const std::vector<std::unique_ptr<const Api>>& apis() const { return apis_; }
  const Gateway& gateway() const { return gateway_; }

 private:
  struct ApiEntry {
    const Api* api;
    TextIndex stages;
  };
  struct DomainEntry {
    Domain domain;
    TextIndex base_paths;     // of the mappings
    size_t max_segments = 0;  // of any base path
    const Mapping* catch_all = nullptr;
  };
  struct Target;

  bool FindTarget(const RequestHead& head, const RouteInput& input, std::string_view path,
                  RequestContext* context, Target* target) const;
  bool FindInDomain(const RequestHead& head, const RouteInput& input, std::string_view path,
                    RequestContext* context, const DomainEntry& entry, Target* target) const;
  bool FindByStage(std::string_view api_id, std::string_view path, Target* target) const;
  const DomainEntry* FindDomain(std::string_view host) const;
  RouteMatch MatchHttpApi(const RequestHead& head, const Target& target, const Variant& variant,
                          RequestContext* context, Arena* arena) const;

  Gateway gateway_;
  std::vector<std::unique_ptr<const Api>> apis_;
  std::vector<ApiEntry> api_entries_;
  std::vector<DomainEntry> domains_;
  TextIndex api_index_;
  TextIndex domain_index_;
  uint32_t any_domain_ = TextIndex::kNone;
};

}  // namespace postern
