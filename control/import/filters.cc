#include "control/import/filters.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "control/common/strings.h"
#include "control/import/integration_uri.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/document.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr std::string_view kKind = "filter";
constexpr std::string_view kModuleKind = "module";
constexpr std::string_view kUpstreamKind = "upstream";
constexpr std::string_view kOwn = "postern.";
constexpr size_t kMaxConfigBytes = 1 << 20;
constexpr size_t kMaxFilters = 100;
constexpr size_t kMaxChain = 64;
constexpr size_t kMaxUpstreams = 100;
constexpr std::string_view kCapabilities[] = {"BODY", "CALLOUT", "SHARED", "THREADS"};
constexpr CharSet kNameChars = kAlnumChars | CharSet("_-");
constexpr CharSet kModuleChars = kAlnumChars | CharSet("._-");
constexpr CharSet kVersionChars = kAlnumChars | CharSet("._+-");
constexpr CharSet kHexChars = CharSet("0123456789abcdef");

constexpr std::pair<std::string_view, v1::FilterPoint> kPoints[] = {
    {"request", v1::FILTER_POINT_REQUEST},
    {"authorize", v1::FILTER_POINT_AUTHORIZE},
    {"before_integration", v1::FILTER_POINT_BEFORE_INTEGRATION},
    {"after_integration", v1::FILTER_POINT_AFTER_INTEGRATION},
    {"response", v1::FILTER_POINT_RESPONSE}};

std::string_view PointName(v1::FilterPoint point) {
  for (const auto& [name, value] : kPoints) {
    if (value == point) return name;
  }
  return "";
}

bool IsModuleName(std::string_view name) {
  return !name.empty() && name.size() <= 63 && kModuleChars.HasAll(name);
}

// A member that has no meaning here: it may be meant to make the filter stricter.
void RefuseMember(ImportContext& context, Node member, std::string_view kind,
                  std::initializer_list<std::string_view> known) {
  std::string list;
  for (const std::string_view name : known) list += Concat(list.empty() ? "" : ", ", name);
  std::string hint;
  if (const auto similar = Similar(member.key(), known))
    hint = Concat(" Did you mean ", *similar, "?");
  context.Problem(member, kind,
                  Concat("There is no member \"", member.key(), "\" here.", hint,
                         hint.empty() ? Concat(" There are ", list, ".") : ""));
}

}  // namespace

void FilterImporter::ReadRoot(Node filters, Node modules, Node upstreams,
                              v1::Deployment& deployment) {
  if (modules) ReadModules(modules);
  if (upstreams) ReadUpstreams(upstreams, deployment);
  if (filters) ImportList(filters, /*scope=*/"", of_api_, *deployment.mutable_filters());
}

void FilterImporter::Import(Node filters, const std::string& scope, FiltersInForce& in_force,
                            google::protobuf::RepeatedPtrField<v1::FilterEntry>& out) {
  ImportList(filters, scope, in_force, out);
}

void FilterImporter::ImportList(Node filters, const std::string& scope, FiltersInForce& in_force,
                                google::protobuf::RepeatedPtrField<v1::FilterEntry>& out) {
  context_.LooksAt(filters);
  if (!context_.IsArray(filters, "x-postern-filters")) return;
  if (filters.size() == 0) context_.Applied(filters, "x-postern-filters");
  if (filters.size() > kMaxFilters) {
    context_.Problem(filters, kKind, "At most 100 filters are placed in one list.");
    return;
  }
  std::set<std::string> names;
  for (const Node element : filters.children()) {
    const Node node = context_.Resolve(element);
    if (!node || !context_.IsObject(node, kKind)) continue;
    v1::FilterEntry entry;
    if (!ReadEntry(node, scope.empty(), in_force, names, entry)) continue;
    if (!context_.capabilities().filters) {
      context_.Guard(node, kKind, "filters", {entry.name()},
                     "Filters are not loaded by this version.");
      continue;
    }
    context_.Applied(node, kKind);
    const Node config = node.Find("config");
    context_.PlacesFilter(scope, entry.name(), config ? config : node);
    if (!entry.module().empty()) used_.insert(entry.module());
    *out.Add() = std::move(entry);
  }
}

bool FilterImporter::ReadEntry(Node node, bool is_api, FiltersInForce& in_force,
                               std::set<std::string>& names, v1::FilterEntry& entry) {
  bool valid = true;
  const auto problem = [&](Node place, std::string reason) {
    valid = false;
    context_.Problem(place, kKind, std::move(reason));
  };
  // What could not be read has been reported.
  const auto value_of = [&valid](auto read) {
    if (!read.has_value()) valid = false;
    return read;
  };
  bool has_failure_policy = false;
  for (const Node value : node.children()) {
    const std::string_view member = value.key();
    if (member == "name") {
      entry.set_name(value_of(context_.Text(value, kKind)).value_or(""));
    } else if (member == "module") {
      entry.set_module(value_of(context_.Text(value, kKind)).value_or(""));
      if (!IsModuleName(entry.module())) {
        problem(value, "A module's name has 1 to 63 letters, digits, '.', '_' and '-'.");
      }
    } else if (member == "point") {
      const std::optional<std::string> text = value_of(context_.Text(value, kKind));
      if (!text) continue;
      const auto* const point =
          std::find_if(std::begin(kPoints), std::end(kPoints),
                       [&text](const auto& one) { return one.first == *text; });
      if (point != std::end(kPoints)) {
        entry.set_point(point->second);
      } else {
        problem(value,
                Concat("There is no point \"", *text,
                       "\": it is request, authorize, before_integration, after_integration or "
                       "response."));
      }
    } else if (member == "config") {
      if (!context_.IsObject(value, kKind)) {
        valid = false;
        continue;
      }
      entry.set_config_json(ToJson(value));
      if (entry.config_json().size() > kMaxConfigBytes) {
        problem(value, "The configuration of a filter has at most 1 MiB.");
      }
    } else if (member == "onFailure") {
      has_failure_policy = true;
      const std::optional<std::string> text = value_of(context_.Text(value, kKind));
      if (!text) continue;
      if (*text == "skip") {
        entry.set_failure_policy(v1::FAILURE_POLICY_SKIP);
      } else if (*text != "deny") {
        problem(value, "It must be deny or skip.");
      }
    } else if (member == "pauseLimitMs") {
      const std::optional<int64_t> ms = value_of(context_.Integer(value, kKind));
      if (!ms) continue;
      if (*ms < 1 || *ms > 900000) {
        problem(value, "It must be between 1 and 900000.");
      } else {
        entry.set_pause_limit_ms(static_cast<uint32_t>(*ms));
      }
    } else if (member == "required") {
      entry.set_required(value_of(context_.Bool(value, kKind)).value_or(true));
    } else if (member == "disabled") {
      entry.set_disabled(value_of(context_.Bool(value, kKind)).value_or(false));
    } else if (member == "description") {
      context_.Describes(value, kKind);
    } else {
      valid = false;
      RefuseMember(context_, value, kKind,
                   {"name", "module", "point", "config", "onFailure", "pauseLimitMs", "required",
                    "disabled", "description"});
    }
  }
  if (entry.name().empty() || entry.name().size() > 64 || !kNameChars.HasAll(entry.name())) {
    problem(node, "A filter needs a name of 1 to 64 letters, digits, '_' and '-'.");
    return false;
  }
  if (!names.insert(entry.name()).second) {
    problem(node, Concat("There is another filter \"", entry.name(), "\" in this list."));
    return false;
  }

  const auto above = in_force.find(entry.name());
  if (above == in_force.end()) {
    if (entry.disabled()) {
      problem(node, is_api ? std::string("There is nothing above an API to take a filter out of.")
                           : Concat("There is no filter \"", entry.name(),
                                    "\" above this that could be taken out."));
      return false;
    }
    if (entry.module().empty()) {
      problem(node, Concat("A filter needs a module. (There is no filter \"", entry.name(),
                           "\" above this that it would override.)"));
    }
    if (entry.point() == v1::FILTER_POINT_UNSPECIFIED) {
      problem(node,
              "A filter needs a point: request, authorize, before_integration, after_integration "
              "or response.");
    }
  } else {
    if (!entry.module().empty() && entry.module() != above->second.module) {
      problem(node, Concat("It overrides the filter \"", entry.name(), "\" of the module ",
                           above->second.module, " and cannot be one of ", entry.module(),
                           ". Give it another name."));
    }
    if (entry.point() != v1::FILTER_POINT_UNSPECIFIED && entry.point() != above->second.point) {
      problem(node, Concat("It overrides the filter \"", entry.name(), "\", which stands at ",
                           PointName(above->second.point), ", and cannot stand at ",
                           PointName(entry.point()), ". Give it another name."));
    }
    if (entry.disabled() && above->second.point == v1::FILTER_POINT_AUTHORIZE &&
        entry.module().empty()) {
      problem(node, Concat("It takes out a filter that authorizes. If that is meant, say so by "
                           "naming its module too: module: ",
                           above->second.module, "."));
    }
    if (!has_failure_policy) entry.set_failure_policy(above->second.failure_policy);
    if (!entry.has_pause_limit_ms() && above->second.pause_limit_ms) {
      entry.set_pause_limit_ms(*above->second.pause_limit_ms);
    }
    if (!entry.has_required() && !above->second.required) entry.set_required(false);
  }
  const v1::FilterPoint point = above == in_force.end() ? entry.point() : above->second.point;
  if (entry.failure_policy() == v1::FAILURE_POLICY_SKIP && point == v1::FILTER_POINT_AUTHORIZE) {
    problem(node, "A filter that authorizes cannot be skipped when it fails.");
  }
  if (entry.has_required() && !entry.required() && point == v1::FILTER_POINT_AUTHORIZE) {
    problem(node, "A filter that authorizes is always required.");
  }
  if (!valid) return false;
  if (entry.disabled()) {
    in_force.erase(above);
    return true;
  }
  FilterInForce& placed = in_force[entry.name()];
  if (above == in_force.end() || placed.module.empty()) {
    placed.module = entry.module();
    placed.point = entry.point();
  }
  placed.failure_policy = entry.failure_policy();
  placed.required = !entry.has_required() || entry.required();
  if (entry.has_pause_limit_ms()) placed.pause_limit_ms = entry.pause_limit_ms();
  if (in_force.size() > kMaxChain) {
    problem(node, "More than 64 filters stand in one chain.");
  }
  return valid;
}

void FilterImporter::ReadModules(Node modules) {
  context_.LooksAt(modules);
  if (!context_.IsSmallObject(modules, kModuleKind)) return;
  if (modules.size() == 0) context_.Applied(modules, kModuleKind);
  for (const Node node : modules.children()) {
    if (!IsModuleName(node.key())) {
      context_.Problem(node, kModuleKind,
                       "A module's name has 1 to 63 letters, digits, '.', '_' and '-'.");
      continue;
    }
    if (!context_.IsObject(node, kModuleKind)) continue;
    Pin pin;
    pin.node = node;
    pin.module.set_name(std::string(node.key()));
    bool has_capabilities = false;
    for (const Node value : node.children()) {
      const std::string_view member = value.key();
      if (member == "version") {
        pin.module.set_version(context_.Text(value, kModuleKind).value_or(""));
        if (pin.module.version().empty() || pin.module.version().size() > 31 ||
            !kVersionChars.HasAll(pin.module.version())) {
          context_.Problem(value, kModuleKind,
                           "A module's version has 1 to 31 letters, digits, '.', '_', '+' and "
                           "'-'.");
        }
      } else if (member == "digest") {
        const std::string text = context_.Text(value, kModuleKind).value_or("");
        std::string_view digest = text;
        ConsumePrefix(digest, "sha256:");
        if (digest.size() != 64 || !kHexChars.HasAll(digest)) {
          context_.Problem(value, kModuleKind,
                           "A digest is the SHA-256 of the module's file, 64 lower-case "
                           "hexadecimal digits, as postern module FILE prints it.");
        }
        pin.module.set_digest(std::string(digest));
      } else if (member == "capabilities") {
        has_capabilities = true;
        if (!context_.IsArray(value, kModuleKind)) continue;
        for (const Node element : value.children()) {
          const std::string name = context_.Text(element, kModuleKind).value_or("");
          if (std::find(std::begin(kCapabilities), std::end(kCapabilities), name) ==
              std::end(kCapabilities)) {
            context_.Problem(element, kModuleKind,
                             "A capability is BODY, CALLOUT, SHARED or THREADS.");
          }
          pin.module.add_capabilities(name);
        }
      } else if (member == "description") {
        context_.Describes(value, kModuleKind);
      } else {
        RefuseMember(context_, value, kModuleKind,
                     {"version", "digest", "capabilities", "description"});
      }
    }
    if (!has_capabilities) {
      for (const std::string_view name : kCapabilities) {
        pin.module.add_capabilities(std::string(name));
      }
    }
    pins_.emplace(node.key(), std::move(pin));
  }
}

void FilterImporter::ReadUpstreams(Node upstreams, v1::Deployment& deployment) {
  context_.LooksAt(upstreams);
  if (!context_.IsSmallObject(upstreams, kUpstreamKind)) return;
  if (upstreams.size() == 0) context_.Applied(upstreams, kUpstreamKind);
  if (upstreams.size() > kMaxUpstreams) {
    context_.Problem(upstreams, kUpstreamKind, "At most 100 upstreams are named.");
    return;
  }
  constexpr CharSet kUpstreamChars = kAlnumChars | CharSet("_.-");
  for (const Node node : upstreams.children()) {
    const std::string_view name = node.key();
    if (name.empty() || name.size() > 64 || !kUpstreamChars.HasAll(name)) {
      context_.Problem(node, kUpstreamKind,
                       "An upstream's name has 1 to 64 letters, digits, '.', '_' and '-'.");
      continue;
    }
    const std::optional<std::string> text = context_.Text(node, kUpstreamKind);
    if (!text) continue;
    const absl::StatusOr<HttpUriTemplate> uri = ParseHttpUriTemplate(*text);
    if (!uri.ok()) {
      context_.Problem(node, kUpstreamKind, Message(uri.status()));
      continue;
    }
    if (uri->path.find_first_of("?{}$#") != std::string::npos) {
      context_.Problem(node, kUpstreamKind,
                       "Its path may have no query and no placeholder. Stage variables may stand "
                       "for the host: http://${stageVariables.NAME}.");
      continue;
    }
    v1::FilterUpstream& upstream = *deployment.add_filter_upstreams();
    upstream.set_name(std::string(name));
    upstream.mutable_target()->set_upstream(uri->origin);
    std::string_view path = uri->path;
    while (path.ends_with('/')) path.remove_suffix(1);
    upstream.mutable_target()->set_path(std::string(path));
    context_.Applied(node, kUpstreamKind);
  }
}

std::vector<v1::Module> FilterImporter::TakeModules() {
  std::vector<v1::Module> out;
  for (const std::string& name : used_) {
    const auto pin = pins_.find(name);
    if (pin != pins_.end()) {
      out.push_back(pin->second.module);
      continue;
    }
    v1::Module& module = out.emplace_back();
    module.set_name(name);
    for (const std::string_view capability : kCapabilities) {
      module.add_capabilities(std::string(capability));
    }
  }
  for (const auto& [name, pin] : pins_) {
    const bool used = used_.count(name) > 0;
    // The gateway may place it by itself, for what the definition asks for.
    const bool own = !used && std::string_view(name).starts_with(kOwn);
    if (own) out.push_back(pin.module);
    if (used || own) {
      context_.Applied(pin.node, kModuleKind);
    } else {
      context_.Noted(pin.node, kModuleKind, "No filter uses this module; it is not loaded.");
    }
  }
  return out;
}

}  // namespace postern
