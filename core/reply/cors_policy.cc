#include "core/reply/cors_policy.h"

#include <algorithm>

#include "lib/text/ascii.h"

namespace postern {
namespace {

constexpr std::string_view kPrefix = "access-control-";
constexpr std::string_view kRequestMethod = "access-control-request-method";

std::string Joined(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& item : list) {
    if (!out.empty()) out += ',';
    out += item;
  }
  return out;
}

}  // namespace

CorsPolicy::CorsPolicy(const Spec& spec)
    : credentials_(spec.allow_credentials),
      methods_(Joined(spec.allow_methods)),
      headers_(Joined(spec.allow_headers)),
      exposed_(Joined(spec.expose_headers)) {
  for (const std::string& origin : spec.allow_origins) {
    if (origin == "*") {
      any_origin_ = true;
    } else if (origin == "https://*") {
      any_https_ = true;
    } else if (origin == "http://*") {
      any_http_ = true;
    } else {
      origins_.push_back(origin);
    }
  }
  if (spec.max_age_s.has_value()) max_age_ = std::to_string(*spec.max_age_s);
}

bool CorsPolicy::IsPreflight(const RequestHead& request) {
  return request.method == Method::kOptions && request.headers.Find(HeaderId::kOrigin) != nullptr &&
         request.headers.Find(kRequestMethod) != nullptr;
}

bool CorsPolicy::Allows(std::string_view origin) const {
  return any_origin_ || (any_https_ && origin.starts_with("https://")) ||
         (any_http_ && origin.starts_with("http://")) ||
         std::find(origins_.begin(), origins_.end(), origin) != origins_.end();
}

void CorsPolicy::Apply(ResponseHead* head, const RequestContext& context) const {
  const HeaderField* origin = context.request->headers.FindLast(HeaderId::kOrigin);
  if (origin == nullptr) return;
  HeaderMap& headers = head->headers;
  headers.RemoveIf([](const HeaderField& field) {
    return field.name.size() > kPrefix.size() &&
           EqualsIgnoreCase(field.name.substr(0, kPrefix.size()), kPrefix);
  });
  if (!Allows(origin->value)) return;
  headers.Add("access-control-allow-origin", any_origin_ ? std::string_view("*") : origin->value);
  if (!any_origin_) headers.Add(HeaderId::kVary, "vary", "origin");
  if (credentials_) headers.Add("access-control-allow-credentials", "true");
  if (!context.cors_preflight) {
    if (!exposed_.empty()) headers.Add("access-control-expose-headers", exposed_);
    return;
  }
  if (!methods_.empty()) headers.Add("access-control-allow-methods", methods_);
  if (!headers_.empty()) headers.Add("access-control-allow-headers", headers_);
  if (!max_age_.empty()) headers.Add("access-control-max-age", max_age_);
}

}  // namespace postern
