#include "core/config/filter_reader.h"

#include <optional>
#include <set>
#include <utility>

#include "core/config/common_reader.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/json_reader.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr int kMaxModules = 1000;
constexpr int kMaxFilters = 100;
constexpr size_t kMaxChain = 64;
constexpr int kMaxUpstreams = 100;
constexpr size_t kMaxConfig = size_t{1} << 20;
constexpr size_t kMaxConfigDepth = 100;
constexpr uint32_t kMaxPauseMs = 900000;
constexpr CharSet kHexChars = CharSet("0123456789abcdef");

std::string Quoted(std::string_view text) { return Concat("\"", text, "\""); }

std::optional<FilterPoint> PointOf(v1::FilterPoint point) {
  switch (point) {
    case v1::FILTER_POINT_REQUEST:
      return FilterPoint::kRequest;
    case v1::FILTER_POINT_AUTHORIZE:
      return FilterPoint::kAuthorize;
    case v1::FILTER_POINT_BEFORE_INTEGRATION:
      return FilterPoint::kBeforeIntegration;
    case v1::FILTER_POINT_AFTER_INTEGRATION:
      return FilterPoint::kAfterIntegration;
    case v1::FILTER_POINT_RESPONSE:
      return FilterPoint::kResponse;
    default:
      return std::nullopt;
  }
}

void CheckConfig(const std::string& json, const Field& field) {
  if (json.empty() || !field.Size("config_json", json, 1, kMaxConfig)) return;
  JsonReader reader;
  JsonReader::Limits limits;
  limits.max_depth = kMaxConfigDepth;
  const absl::Status status = reader.Parse(json, limits);
  if (!status.ok()) {
    field.Problem("config_json", std::string(status.message()));
  } else if (!reader.root().is_object()) {
    field.Problem("config_json", "is no JSON object");
  }
}

}  // namespace

ModuleMap ReadModules(const google::protobuf::RepeatedPtrField<v1::Module>& modules,
                      const Field& root) {
  ModuleMap out;
  if (modules.size() > kMaxModules) {
    root.Problem("modules", Concat("there are more than ", kMaxModules));
  }
  for (int i = 0; i < modules.size(); ++i) {
    const v1::Module& module = modules[i];
    const Field field = root.Item("modules", i);
    RefuseUnknownFields(module, field);
    ModuleLoader::Request request;
    request.name = module.name();
    request.version = module.version();
    request.digest = module.digest();
    request.capabilities = 0;
    if (field.Size("name", request.name, 1, 63) && !IsName(request.name, "._-")) {
      field.Problem("name", Concat(Quoted(request.name),
                                   " has characters other than letters, digits, . _ and -"));
    }
    field.Size("version", request.version, 0, 31);
    if (!request.digest.empty() &&
        (request.digest.size() != 64 || !kHexChars.HasAll(request.digest))) {
      field.Problem("digest", "is not a SHA-256 in 64 lower-case hexadecimal digits");
    }
    for (const std::string& name : module.capabilities()) {
      const uint32_t bit = ParseCapability(name);
      if (bit == 0) {
        field.Problem("capabilities",
                      Concat(Quoted(name), " is none of BODY, CALLOUT, SHARED and THREADS"));
      }
      request.capabilities |= bit;
    }
    if (!out.emplace(request.name, request).second) {
      field.Problem("name", Concat(Quoted(request.name), " is already taken"));
    }
  }
  return out;
}

std::vector<FilterSpec> ReadFilters(
    const google::protobuf::RepeatedPtrField<v1::FilterEntry>& filters, const ModuleMap& modules,
    bool is_api, SecretExpander* secrets, PlacedFilters* in_force, const Field& field) {
  std::vector<FilterSpec> out;
  if (filters.size() > kMaxFilters) {
    field.Problem("filters", Concat("there are more than ", kMaxFilters));
  }
  std::set<std::string> names;
  for (int i = 0; i < filters.size(); ++i) {
    const v1::FilterEntry& entry = filters[i];
    const Field item = field.Item("filters", i);
    RefuseUnknownFields(entry, item);
    FilterSpec spec;
    spec.name = entry.name();
    spec.module = entry.module();
    spec.config = secrets->Expand(entry.config_json(), item);
    spec.disabled = entry.disabled();
    if (item.Size("name", spec.name, 1, 64) && !IsName(spec.name, "_-")) {
      item.Problem(
          "name", Concat(Quoted(spec.name), " has characters other than letters, digits, _ and -"));
    }
    if (!names.insert(spec.name).second) {
      item.Problem("name", Concat(Quoted(spec.name), " comes twice"));
      continue;
    }
    if (entry.point() != v1::FILTER_POINT_UNSPECIFIED) {
      spec.point = PointOf(entry.point());
      if (!spec.point.has_value()) {
        item.Problem("point", Concat("the value ", static_cast<int>(entry.point()),
                                     " is unknown to this gateway"));
        continue;
      }
    }
    CheckConfig(spec.config, item);
    if (KnownEnum(entry.failure_policy(), v1::FailurePolicy_IsValid, kNoneRefused, "failure_policy",
                  item) &&
        entry.failure_policy() == v1::FAILURE_POLICY_SKIP) {
      spec.failure_policy = FilterFailurePolicy::kSkip;
    }
    if (entry.has_pause_limit_ms() &&
        item.InRange("pause_limit_ms", entry.pause_limit_ms(), 1, kMaxPauseMs)) {
      spec.pause_limit_ms = entry.pause_limit_ms();
    }
    spec.required = !entry.has_required() || entry.required();

    const auto above = in_force->find(spec.name);
    FilterPoint point;
    if (above != in_force->end()) {
      if (!spec.module.empty() && spec.module != above->second.module) {
        item.Problem("module", Concat("is ", Quoted(spec.module),
                                      ", but the filter that it "
                                      "overrides is ",
                                      Quoted(above->second.module)));
      }
      if (spec.point.has_value() && *spec.point != above->second.point) {
        item.Problem("point", Concat("is ", FilterPointName(*spec.point),
                                     ", but the filter that "
                                     "it overrides stands at ",
                                     FilterPointName(above->second.point)));
      }
      point = above->second.point;
      if (spec.disabled) {
        if (point == FilterPoint::kAuthorize && spec.module.empty()) {
          item.Problem("disabled", "takes out a filter that authorizes: name its module to do so");
        }
        in_force->erase(above);
      }
    } else if (spec.disabled) {
      item.Problem("disabled",
                   is_api ? Concat("is of no use at an API")
                          : Concat("there is no filter ", Quoted(spec.name), " above to take out"));
      continue;
    } else {
      if (modules.find(spec.module) == modules.end()) {
        item.Problem("module", Concat("there is no module ", Quoted(spec.module)));
      }
      if (!spec.point.has_value()) {
        item.Problem("point", "is not set");
        continue;
      }
      point = *spec.point;
      (*in_force)[spec.name] = {spec.module, point};
      if (in_force->size() > kMaxChain) {
        item.Problem(Concat("is in a chain of more than ", kMaxChain));
      }
    }
    if (point == FilterPoint::kAuthorize && spec.failure_policy == FilterFailurePolicy::kSkip) {
      item.Problem("failure_policy", "cannot be SKIP for a filter that authorizes");
    }
    if (point == FilterPoint::kAuthorize && !spec.required) {
      item.Problem("required", "cannot be false for a filter that authorizes");
    }
    out.push_back(std::move(spec));
  }
  return out;
}

void CheckFilterUpstreams(const v1::Deployment& deployment, const Field& field) {
  if (deployment.filter_upstreams_size() > kMaxUpstreams) {
    field.Problem("filter_upstreams", Concat("there are more than ", kMaxUpstreams));
  }
  std::set<std::string> names;
  for (int i = 0; i < deployment.filter_upstreams_size(); ++i) {
    const v1::FilterUpstream& upstream = deployment.filter_upstreams(i);
    const Field item = field.Item("filter_upstreams", i);
    RefuseUnknownFields(upstream, item);
    RefuseUnknownFields(upstream.target(), item.Member("target"));
    if (item.Size("name", upstream.name(), 1, 64) && !IsName(upstream.name(), "_.-")) {
      item.Problem("name", Concat(Quoted(upstream.name()),
                                  " has characters other than letters, digits, _ . and -"));
    }
    if (!names.insert(upstream.name()).second) {
      item.Problem("name", Concat(Quoted(upstream.name()), " comes twice"));
    }
    const std::string& path = upstream.target().path();
    if (!path.empty() && (!path.starts_with('/') || !(kPathChars | CharSet("%")).HasAll(path))) {
      item.Member("target").Problem("path", "is no path");
    }
  }
}

}  // namespace postern
