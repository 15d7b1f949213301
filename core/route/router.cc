#include "core/route/router.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/route/authorization_error.h"
#include "lib/text/ascii.h"

namespace postern {
namespace {

constexpr std::string_view kExecuteApi = "execute-api";
constexpr std::string_view kPathStyle = "/_aws/execute-api/";
constexpr std::string_view kUserRequestStyle = "/restapis/";
constexpr std::string_view kUserRequest = "_user_request_";
constexpr std::string_view kDefault = "$default";  // stage and route of an HTTP API
constexpr size_t kMaxHost = 255;                   // RFC 1035 §2.3.4

/// Host without port. Brackets stay: they cannot be part of a name.
std::string_view HostOf(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

/// Splits the first segment off `path`, which starts with a slash. A run of slashes behind it
/// counts as one (rest-api.md §2.3, rule 1); what is left starts with a slash.
std::string_view TakeSegment(std::string_view* path) {
  const size_t end = std::min(path->find('/', 1), path->size());
  const std::string_view segment = path->substr(1, end - 1);
  size_t next = end;
  while (next + 1 < path->size() && (*path)[next + 1] == '/') ++next;
  *path = next < path->size() ? path->substr(next) : std::string_view("/");
  return segment;
}

/// Whether `path` begins with the segments of `base` (without outer slashes). Sets `rest` to what
/// follows, starting with a slash.
bool StartsWithSegments(std::string_view path, std::string_view base, std::string_view* rest) {
  if (base.empty()) {
    *rest = path;
    return true;
  }
  path.remove_prefix(1);
  if (!path.starts_with(base)) return false;
  size_t next = base.size();
  if (next < path.size() && path[next] != '/') return false;
  while (next + 1 < path.size() && path[next + 1] == '/') ++next;
  *rest = next < path.size() ? path.substr(next) : std::string_view("/");
  return true;
}

size_t SegmentCount(std::string_view base_path) {
  return base_path.empty()
             ? 0
             : static_cast<size_t>(std::count(base_path.begin(), base_path.end(), '/')) + 1;
}

/// A glob in which '*' may only stand at the start, the end, or both (rest-api.md §2.2).
bool MatchesEdges(std::string_view glob, std::string_view value) {
  const bool open_start = glob.starts_with('*');
  if (open_start) glob.remove_prefix(1);
  const bool open_end = glob.ends_with('*');
  if (open_end) glob.remove_suffix(1);
  if (open_start && open_end) return value.find(glob) != value.npos;
  if (open_start) return value.ends_with(glob);
  return open_end ? value.starts_with(glob) : value == glob;
}

bool Holds(const Router::HeaderCondition& condition, const HeaderMap& headers) {
  const HeaderId id = LookupHeader(condition.name);
  return std::any_of(headers.begin(), headers.end(), [&](const HeaderField& field) {
    return field.id == id &&
           (id != HeaderId::kOther || EqualsIgnoreCase(field.name, condition.name)) &&
           MatchesEdges(condition.value_glob, field.value);
  });
}

/// The method to route by (rest-api.md §2.5).
MethodMask RoutedMethod(const RequestHead& head) {
  const HeaderField* other = head.headers.FindLast(HeaderId::kXHttpMethodOverride);
  return other == nullptr ? MethodBit(head.method) : MethodBit(ParseMethod(other->value));
}

// Requests of HTTP APIs have one id, the short one (http-api.md §5, §15).
void BeginHttpApi(RequestContext* context) {
  context->http_api = true;
  context->request_id = context->extended_request_id;
}

RouteMatch Refuse(ResponseType type, const Variant* variant, RequestContext* context) {
  context->error_type = type;
  return {nullptr, variant, type, context->http_api};
}

// What the context knows of the method that was found.
void Show(const MethodFacts& facts, const RouteTree::Match& match, RequestContext* context,
          Arena* arena) {
  context->resource_id = facts.resource_id;
  context->resource_path = facts.resource_path;
  context->route_method = facts.method();
  context->operation_name = facts.operation_name;
  if (match.value_count != 0) {
    auto* params = arena->NewArray<NameValue>(match.value_count);
    for (uint32_t i = 0; i < match.value_count; ++i) {
      params[i] = {facts.variables[i], {match.values[i].data, match.values[i].size}};
    }
    context->path_params = params;
    context->path_param_count = match.value_count;
  }
}

}  // namespace

// Which stage a request is for, and what is left of its path.
struct Router::Target {
  const Api* api = nullptr;
  const Stage* stage = nullptr;
  std::string_view context_path;  // cp of rest-api.md §2.3
  std::string_view method_path;   // p
  bool by_api_id = false;         // through the default endpoint, not a domain
};

Router::Router(Gateway gateway, std::vector<std::unique_ptr<const Api>> apis,
               std::vector<Domain> domains)
    : gateway_(std::move(gateway)), apis_(std::move(apis)) {
  std::vector<std::string_view> ids;
  for (const auto& api : apis_) {
    ids.push_back(api->id);
    std::vector<std::string_view> stages;
    for (const auto& stage : api->stages) stages.push_back(stage->name);
    api_entries_.push_back({api.get(), TextIndex(stages)});
  }
  api_index_ = TextIndex(ids);

  std::vector<std::string_view> names;
  domains_.reserve(domains.size());
  for (Domain& domain : domains) {
    DomainEntry& entry = domains_.emplace_back();
    entry.domain = std::move(domain);
    std::vector<std::string_view> base_paths;
    for (const Mapping& mapping : entry.domain.mappings) {
      base_paths.push_back(mapping.base_path);
      entry.max_segments = std::max(entry.max_segments, SegmentCount(mapping.base_path));
      if (mapping.base_path.empty()) entry.catch_all = &mapping;
    }
    entry.base_paths = TextIndex(base_paths);
    if (entry.domain.name == "*") any_domain_ = static_cast<uint32_t>(domains_.size() - 1);
    names.push_back(entry.domain.name);
  }
  domain_index_ = TextIndex(names);
}

Router::~Router() = default;

const Router::DomainEntry* Router::FindDomain(std::string_view host) const {
  if (!domain_index_.empty() && host.size() <= kMaxHost) {
    char buffer[kMaxHost + 1];
    // Names match whatever their case (rest-api.md §2.1). A star stands before them for the
    // wildcard.
    std::transform(host.begin(), host.end(), buffer + 1, ToLower);
    const std::string_view lower(buffer + 1, host.size());
    uint32_t found = domain_index_.Find(lower);
    const size_t dot = lower.find('.');
    if (found == TextIndex::kNone && dot != lower.npos && dot != 0) {
      buffer[dot] = '*';
      found = domain_index_.Find({buffer + dot, 1 + lower.size() - dot});
    }
    if (found != TextIndex::kNone && domains_[found].domain.name != "*") return &domains_[found];
  }
  return any_domain_ != TextIndex::kNone ? &domains_[any_domain_] : nullptr;
}

bool Router::FindByStage(std::string_view api_id, std::string_view path, Target* target) const {
  const uint32_t api = api_index_.Find(api_id);
  if (api == TextIndex::kNone) return false;
  const ApiEntry& entry = api_entries_[api];
  target->by_api_id = true;
  target->context_path = path;
  target->api = entry.api;
  const std::string_view whole = path;
  uint32_t stage = entry.stages.Find(TakeSegment(&path));
  if (stage == TextIndex::kNone && entry.api->http_api) {
    // http-api.md §3: a named stage wins over `$default`, which takes no segment.
    stage = entry.stages.Find(kDefault);
    path = whole;
  }
  if (stage == TextIndex::kNone) return false;
  target->stage = entry.api->stages[stage].get();
  target->method_path = path;
  return true;
}

bool Router::FindInDomain(const RequestHead& head, const RouteInput& input, std::string_view path,
                          RequestContext* context, const DomainEntry& entry, Target* target) const {
  const Domain& domain = entry.domain;
  if (domain.require_client_certificate && !input.client_certificate_verified) return false;
  target->context_path = path;
  for (const Rule& rule : domain.rules) {
    std::string_view rest;
    if (!StartsWithSegments(path, rule.base_path, &rest)) continue;
    if (!std::all_of(
            rule.headers.begin(), rule.headers.end(),
            [&](const HeaderCondition& condition) { return Holds(condition, head.headers); })) {
      continue;
    }
    target->stage = rule.stage;
    target->method_path = rule.strip_base_path ? rest : path;
    context->routing_rule_id_matched = rule.id;
    break;
  }
  if (target->stage == nullptr && !domain.mappings.empty()) {
    const Mapping* best = entry.catch_all;
    std::string_view rest = path;
    // Prefixes of whole segments, from short to long: the last hit is the longest.
    size_t end = 0;
    for (size_t i = 0; i < entry.max_segments && end < path.size(); ++i) {
      end = std::min(path.find('/', end + 1), path.size());
      if (end - 1 > entry.base_paths.max_key_size()) break;
      const uint32_t found = entry.base_paths.Find(path.substr(1, end - 1));
      if (found != TextIndex::kNone) best = &domain.mappings[found];
    }
    if (best == nullptr) return false;
    StartsWithSegments(path, best->base_path, &rest);
    target->stage = best->stage;
    target->method_path = rest;
    context->base_path_matched = best->base_path;
  }
  if (target->stage == nullptr) return false;
  target->api = target->stage->api;
  return true;
}

bool Router::FindTarget(const RequestHead& head, const RouteInput& input, std::string_view path,
                        RequestContext* context, Target* target) const {
  if (gateway_.path_style_urls) {
    if (path.starts_with(kPathStyle)) {
      path.remove_prefix(kPathStyle.size() - 1);
      const std::string_view api_id = TakeSegment(&path);
      return FindByStage(api_id, path, target);
    }
    if (path.starts_with(kUserRequestStyle)) {
      std::string_view rest = path.substr(kUserRequestStyle.size() - 1);
      const std::string_view api_id = TakeSegment(&rest);
      const std::string_view stage_on = rest;
      const std::string_view stage = TakeSegment(&rest);
      if (TakeSegment(&rest) == kUserRequest) {
        if (!FindByStage(api_id, stage_on, target)) return false;
        target->method_path = rest;
        // As if the stage stood right before the path.
        target->context_path = context->request->headers.arena()->Concat("/", stage, rest);
        return true;
      }
    }
  }
  const std::string_view host = context->domain_name;
  if (gateway_.execute_api_hosts) {
    const std::string_view label = context->domain_prefix;
    std::string_view suffix = host.substr(std::min(label.size() + 1, host.size()));
    if (suffix.size() >= kExecuteApi.size() &&
        EqualsIgnoreCase(suffix.substr(0, kExecuteApi.size()), kExecuteApi) &&
        (suffix.size() == kExecuteApi.size() || suffix[kExecuteApi.size()] == '.')) {
      std::string_view api_id = label;
      if (api_index_.Find(api_id) == TextIndex::kNone && input.private_endpoint) {
        // A VPC endpoint's own name with the API in a field, or `{apiId}-{vpceId}`
        // (rest-api.md §2.1).
        const HeaderField* field = head.headers.FindLast(HeaderId::kXApigwApiId);
        if (field != nullptr) {
          api_id = field->value;
        } else {
          api_id = api_id.substr(0, api_id.find("-vpce-"));
        }
      }
      return FindByStage(api_id, path, target);
    }
  }
  const DomainEntry* domain = FindDomain(host);
  return domain != nullptr && FindInDomain(head, input, path, context, *domain, target);
}

RouteMatch Router::Match(const RequestHead& head, const RouteInput& input, RequestContext* context,
                         Arena* arena) const {
  context->request = &head;
  context->account_id = gateway_.account_id;
  context->region = gateway_.region;
  context->partition = gateway_.partition;
  context->domain_name = HostOf(head.authority);
  context->domain_prefix = context->domain_name.substr(0, context->domain_name.find('.'));

  // Slashes before the stage count nowhere (rest-api.md §2.3, rule 1).
  std::string_view path = head.path();
  while (path.size() > 1 && path[1] == '/' && path[0] == '/') path.remove_prefix(1);
  context->path = path;
  if (!path.starts_with('/')) return Refuse(ResponseType::kForbidden, nullptr, context);

  Target target;
  if (!FindTarget(head, input, path, context, &target)) {
    if (target.api == nullptr || !target.api->http_api) {
      return Refuse(ResponseType::kForbidden, nullptr, context);
    }
    BeginHttpApi(context);
    return Refuse(ResponseType::kResourceNotFound, nullptr, context);
  }
  const Api& api = *target.api;
  const Stage& stage = *target.stage;
  const bool canary = stage.canary != nullptr && input.random < stage.canary_threshold;
  const Variant& variant = canary ? *stage.canary : *stage.main;
  const Deployment& deployment = *variant.deployment;

  context->path = target.context_path;
  context->method_path = target.method_path;
  context->api_id = api.id;
  context->api_name = api.name;
  context->endpoint_type = api.endpoint_type;
  context->stage = stage.name;
  context->deployment_id = variant.deployment_id;
  context->is_canary = variant.is_canary;
  context->stage_variables = variant.variables.data();
  context->stage_variable_count = variant.variables.size();

  if (api.is_private && (!input.private_endpoint ||
                         (!api.vpc_endpoint_ids.empty() &&
                          std::find(api.vpc_endpoint_ids.begin(), api.vpc_endpoint_ids.end(),
                                    input.vpce_id) == api.vpc_endpoint_ids.end()))) {
    return Refuse(ResponseType::kForbidden, nullptr, context);
  }
  if (target.by_api_id && deployment.execute_api_endpoint_disabled) {
    if (deployment.http_api) BeginHttpApi(context);
    return Refuse(ResponseType::kForbidden, nullptr, context);
  }

  if (deployment.http_api) return MatchHttpApi(head, target, variant, context, arena);

  RouteTree::Match match;
  if (!deployment.tree.Find(target.method_path, RoutedMethod(head), &match)) {
    const std::string_view message = IncompleteSignatureMessage(head, arena);
    if (message.empty()) {
      return Refuse(ResponseType::kMissingAuthenticationToken, &variant, context);
    }
    context->error_message = message;
    return Refuse(ResponseType::kIncompleteSignature, &variant, context);
  }

  // Both by the same number, so that neither waits for the other.
  const Route& route = variant.routes[match.route];
  const MethodFacts& facts = deployment.methods[match.route];
  Show(facts, match, context, arena);
  return {&route, &variant, ResponseType::kNone, false};
}

// http-api.md §2, §3: a full match of path and method, else a greedy one, else `$default`.
RouteMatch Router::MatchHttpApi(const RequestHead& head, const Target& target,
                                const Variant& variant, RequestContext* context,
                                Arena* arena) const {
  const Deployment& deployment = *variant.deployment;
  BeginHttpApi(context);
  context->by_domain = !target.by_api_id;
  if (context->by_domain) {
    // The stage stands in the path, the mapping's key does not.
    context->path = target.stage->name == kDefault
                        ? target.method_path
                        : arena->Concat("/", target.stage->name, target.method_path);
  }
  const std::string_view path = target.method_path;
  const MethodMask method = MethodBit(head.method);
  // `/pets/` is no `/pets`, but it has what `/pets/{proxy+}` asks for: a greedy variable may be
  // empty. A letter stands in for what is not there.
  const bool open = path.ends_with('/');
  RouteTree::Match match;
  uint32_t route;
  if ((path.size() == 1 || !open) && deployment.tree.Find(path, method, &match)) {
    route = match.route;
  } else if (deployment.greedy_tree.Find(open ? arena->Concat(path, "x") : path, method, &match)) {
    route = deployment.greedy_base + match.route;
    if (open) --match.values[match.value_count - 1].size;
  } else if (deployment.default_route.has_value()) {
    route = *deployment.default_route;
    match.value_count = 1;
    match.values[0] = {path.data() + 1, path.size() - 1};
  } else {
    return Refuse(ResponseType::kResourceNotFound, &variant, context);
  }
  const MethodFacts& facts = deployment.methods[route];
  Show(facts, match, context, arena);
  return {&variant.routes[route], &variant, ResponseType::kNone, true};
}

}  // namespace postern
