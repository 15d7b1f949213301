#include "control/import/cors.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace postern {
namespace {

void ImportList(ImportContext& context, Node list,
                google::protobuf::RepeatedPtrField<std::string>& out) {
  if (!context.IsArray(list, list.key())) return;
  if (list.size() == 0) context.Applied(list, list.key());
  for (const Node item : list.children()) {
    if (std::optional<std::string> text = context.Text(item, list.key())) {
      *out.Add() = *std::move(text);
      context.Applied(item, list.key());
    }
  }
}

}  // namespace

void ImportCors(ImportContext& context, Node value, snapshot::v1::CorsConfiguration& cors) {
  constexpr std::string_view kKind = "x-amazon-apigateway-cors";
  if (!context.IsObject(value, kKind)) return;
  Node credentials;
  for (const Node member : value.children()) {
    const std::string_view name = member.key();
    if (name == "allowOrigins") {
      ImportList(context, member, *cors.mutable_allow_origins());
    } else if (name == "allowMethods") {
      ImportList(context, member, *cors.mutable_allow_methods());
    } else if (name == "allowHeaders") {
      ImportList(context, member, *cors.mutable_allow_headers());
    } else if (name == "exposeHeaders") {
      ImportList(context, member, *cors.mutable_expose_headers());
    } else if (name == "allowCredentials") {
      credentials = member;
      if (const std::optional<bool> allow = context.Bool(member, name)) {
        cors.set_allow_credentials(*allow);
        context.Applied(member, name);
      }
    } else if (name == "maxAge") {
      if (const std::optional<int64_t> seconds = context.Integer(member, name)) {
        if (*seconds < -1 || *seconds > 86400) {
          context.Problem(member, name, "It is between -1 and 86,400 seconds.");
        } else {
          cors.set_max_age_seconds(static_cast<int32_t>(*seconds));
          context.Applied(member, name);
        }
      }
    } else {
      context.Unknown(member, {"allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders",
                               "allowCredentials", "maxAge"});
    }
  }
  const auto& origins = cors.allow_origins();
  if (cors.allow_credentials() && std::find(origins.begin(), origins.end(), "*") != origins.end()) {
    context.Problem(credentials, kKind,
                    "allow-credentials is not supported if 'allow-origin' is *");
  }
}

}  // namespace postern
