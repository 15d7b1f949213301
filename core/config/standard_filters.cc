#include "core/config/standard_filters.h"

#include <utility>

#include "core/config/transform_config.h"
#include "core/config/validate_config.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/json_writer.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

template <typename List>
void WriteList(std::string_view name, const List& list, JsonWriter& out) {
  if (list.empty()) return;
  out.Key(name);
  out.BeginArray();
  for (const std::string& item : list) out.String(item);
  out.EndArray();
}

// http-api.md §13. Around everything, so that each response has the fields, refusals of filters
// and of the router too, and preflights are answered before anybody else is asked.
void PlaceCors(const StandardFilterEnv& env, StandardFilters* out) {
  if (!env.deployment.has_cors()) return;
  const v1::CorsConfiguration& cors = env.deployment.cors();
  std::string config;
  {
    StringSink sink(&config);
    JsonWriter json(&sink);
    json.BeginObject();
    WriteList("allowOrigins", cors.allow_origins(), json);
    WriteList("allowMethods", cors.allow_methods(), json);
    WriteList("allowHeaders", cors.allow_headers(), json);
    WriteList("exposeHeaders", cors.expose_headers(), json);
    if (cors.allow_credentials()) {
      json.Key("allowCredentials");
      json.Bool(true);
    }
    if (cors.has_max_age_seconds()) {
      json.Key("maxAge");
      json.Int(cors.max_age_seconds());
    }
    json.EndObject();
  }
  out->Place("postern.cors", FilterPoint::kResponse, FilterSide::kOutermost, std::move(config));
}

// rest-api.md §10.4. Outermost, so that no other filter meets compressed bodies. The rule knows no
// content types; brotli only where a client does not have what AWS has.
void PlaceCompression(const StandardFilterEnv& env, StandardFilters* out) {
  if (!env.deployment.has_minimum_compression_bytes()) return;
  out->Place("postern.compress", FilterPoint::kResponse, FilterSide::kOutermost,
             Concat("{\"minimumCompressionSize\":", env.deployment.minimum_compression_bytes(),
                    ",\"codings\":[\"gzip\",\"deflate\",\"br\"],\"contentTypes\":[\"*/*\"]}"));
  out->Place("postern.decompress", FilterPoint::kRequest, FilterSide::kOutermost, "{}");
}

// rest-api.md §6 to §8, §10. Innermost of all: what stands in front of it sees the client's request
// and the method's response, what is behind it the integration's.
void PlaceTransform(const StandardFilterEnv& env, StandardFilters* out) {
  constexpr std::string_view kModule = "postern.transform";
  const auto binding_of = [&env](const v1::Integration& integration) {
    const v1::UpstreamBinding* found = nullptr;
    for (const v1::UpstreamBinding& binding : env.upstreams) {
      if (binding.upstream() == integration.http().upstream()) found = &binding;
    }
    return found;
  };
  bool placed = false;
  for (const v1::Resource& resource : env.deployment.resources()) {
    for (const v1::Method& method : resource.methods()) {
      if (!NeedsTransform(method)) continue;
      if (!placed) {
        out->PlaceBelow(kModule, FilterPoint::kAfterIntegration, FilterSide::kInnermost,
                        MakeSharedTransformConfig(env.deployment, env.variables));
        placed = true;
      }
      out->Configure(kModule, method,
                     MakeTransformConfig(method, resource.path(), env.variables,
                                         binding_of(method.integration())));
    }
  }
}

// rest-api.md §5, §1.1 rows 14 and 15. In front of all that stands before the integration.
void PlaceValidation(const StandardFilterEnv& env, StandardFilters* out) {
  constexpr std::string_view kModule = "postern.validate";
  bool placed = false;
  for (const v1::Resource& resource : env.deployment.resources()) {
    for (const v1::Method& method : resource.methods()) {
      std::string config = MakeValidateConfig(resource, method);
      if (config.empty()) continue;
      if (!placed) {
        out->PlaceBelow(kModule, FilterPoint::kBeforeIntegration, FilterSide::kOutermost,
                        MakeSharedValidateConfig(env.deployment));
        placed = true;
      }
      out->Configure(kModule, method, std::move(config));
    }
  }
}

// In the order in which they stand where point and side are the same, from the outside in.
constexpr void (*kKinds[])(const StandardFilterEnv&, StandardFilters*) = {
    PlaceCors,
    PlaceCompression,
    PlaceValidation,
    PlaceTransform,
};

}  // namespace

StandardFilters::StandardFilters(const StandardFilterEnv& env,
                                 const std::vector<FilterSpec>& api_filters) {
  for (const FilterSpec& filter : api_filters) of_the_user_.insert(filter.module);
  for (const auto place : kKinds) place(env, this);
}

const std::vector<FilterSpec>& StandardFilters::of(const v1::Method& method) const {
  static const std::vector<FilterSpec>* const kNone = new std::vector<FilterSpec>;
  const auto found = methods_.find(&method);
  return found != methods_.end() ? found->second : *kNone;
}

void StandardFilters::Place(std::string_view module, FilterPoint point, FilterSide side,
                            std::string config) {
  Add(module, point, side, std::move(config), /*only_below=*/false);
}

void StandardFilters::PlaceBelow(std::string_view module, FilterPoint point, FilterSide side,
                                 std::string config) {
  Add(module, point, side, std::move(config), /*only_below=*/true);
}

void StandardFilters::Add(std::string_view module, FilterPoint point, FilterSide side,
                          std::string config, bool only_below) {
  if (of_the_user_.count(module) > 0) return;
  FilterSpec& spec = api_.emplace_back();
  spec.name = module;
  spec.module = module;
  spec.point = point;
  spec.config = std::move(config);
  spec.side = side;
  spec.only_below = only_below;
  modules_.emplace(module);
}

void StandardFilters::Configure(std::string_view module, const v1::Method& method,
                                std::string config) {
  if (of_the_user_.count(module) > 0) return;
  FilterSpec& spec = methods_[&method].emplace_back();
  spec.name = module;
  spec.config = std::move(config);
}

}  // namespace postern
