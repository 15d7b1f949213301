#include "tools/postern/explain_command.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/log.h"
#include "core/config/runtime_snapshot.h"
#include "core/filter/breadcrumb.h"
#include "core/filter/chain_plan.h"
#include "core/filter/filter_module.h"
#include "lib/text/char_sink.h"
#include "lib/text/json_writer.h"
#include "lib/text/path_template.h"
#include "tools/postern/exit_codes.h"
#include "tools/postern/listener_options.h"
#include "tools/postern/request_options.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

/// What is said, as lines "name  value"; several values of one name go below each other.
class Explanation {
 public:
  void Say(std::string name, std::string value) {
    lines_.emplace_back(std::move(name), std::move(value));
  }

  void Print(bool json) const {
    if (!json) {
      const std::string* before = nullptr;
      for (const auto& [name, value] : lines_) {
        const bool again = before != nullptr && *before == name;
        std::printf("%-16s%s\n", again ? "" : name.c_str(), value.c_str());
        before = &name;
      }
      return;
    }
    std::string out;
    StringSink sink(&out);
    JsonWriter writer(&sink);
    writer.BeginObject();
    for (size_t i = 0; i < lines_.size();) {
      writer.Key(lines_[i].first);
      writer.BeginArray();
      size_t end = i;
      for (; end < lines_.size() && lines_[end].first == lines_[i].first; ++end) {
        writer.String(lines_[end].second);
      }
      writer.EndArray();
      i = end;
    }
    writer.EndObject();
    sink.Finish();
    std::printf("%s\n", out.c_str());
  }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

/// Segments of a path, as they are matched: a slash at the end counts for nothing.
std::vector<std::string_view> Segments(std::string_view path) {
  std::vector<std::string_view> out;
  if (!path.empty()) path.remove_prefix(1);
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    out.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return out;
}

/// How many leading segments of `path` the template takes, and whether that is all of both.
struct Fit {
  size_t segments = 0;
  bool whole = false;
};
Fit FitOf(const PathTemplate& path_template, const std::vector<std::string_view>& path) {
  Fit fit;
  for (const PathPart& part : path_template.parts()) {
    if (fit.segments == path.size()) return fit;
    if (part.kind == PathPart::Kind::kGreedy) return {path.size(), true};
    if (part.kind == PathPart::Kind::kStatic && part.text != path[fit.segments]) return fit;
    ++fit.segments;
  }
  fit.whole = fit.segments == path.size();
  return fit;
}

std::string MethodNames(const v1::Resource& resource) {
  return absl::StrJoin(resource.methods(), ", ",
                       [](std::string* out, const v1::Method& m) { *out += m.http_method(); });
}

/// Why no method takes the request: what comes nearest.
void SayWhyNot(const v1::Deployment& deployment, std::string_view method, std::string_view path,
               Explanation* out) {
  const std::vector<std::string_view> segments = Segments(path);
  bool any = false;
  size_t nearest = 0;
  std::vector<std::string> near;
  for (const v1::Resource& resource : deployment.resources()) {
    const absl::StatusOr<PathTemplate> parsed = PathTemplate::Parse(resource.path());
    if (!parsed.ok()) continue;
    const Fit fit = FitOf(*parsed, segments);
    if (fit.whole) {
      any = true;
      out->Say("why not",
               resource.methods().empty()
                   ? absl::StrCat(resource.path(), " matches the path, but has no methods")
                   : absl::StrCat(resource.path(), " matches the path, but has ",
                                  MethodNames(resource), " and not ", View(method)));
    } else if (!resource.methods().empty()) {
      if (fit.segments > nearest) {
        nearest = fit.segments;
        near.clear();
      }
      if (fit.segments == nearest) near.push_back(resource.path());
    }
  }
  if (any) return;
  out->Say("why not", "no resource of the API matches the path");
  if (near.size() > 8) near.resize(8);
  if (!near.empty()) out->Say("nearest", absl::StrJoin(near, ", "));
}

/// Other methods that would have taken the request, had the one that does not been there.
void SayWhy(const v1::Deployment& deployment, const v1::Resource& chosen, std::string_view method,
            std::string_view path, Explanation* out) {
  const std::vector<std::string_view> segments = Segments(path);
  for (const v1::Resource& resource : deployment.resources()) {
    const absl::StatusOr<PathTemplate> parsed = PathTemplate::Parse(resource.path());
    if (!parsed.ok() || !FitOf(*parsed, segments).whole || resource.path() == chosen.path()) {
      continue;
    }
    const bool serves =
        std::any_of(resource.methods().begin(), resource.methods().end(), [&](const auto& other) {
          return other.http_method() == "ANY" || other.http_method() == method;
        });
    out->Say("before", serves ? absl::StrCat(resource.path(),
                                             ": matches too, but is less specific from the left")
                              : absl::StrCat(resource.path(), ": matches, but does not serve ",
                                             View(method)));
  }
}

std::string Lower(const std::string& name, absl::string_view prefix) {
  absl::string_view rest = name;
  absl::ConsumePrefix(&rest, prefix);
  return std::string(rest);
}

void SayIntegration(const v1::Stage& stage, const v1::Method& method, bool canary,
                    Explanation* out) {
  const v1::Integration& integration = method.integration();
  if (!method.unavailable_reason().empty()) {
    out->Say("integration", absl::StrCat("none: ", method.unavailable_reason()));
    return;
  }
  std::string text = Lower(v1::IntegrationType_Name(integration.type()), "INTEGRATION_TYPE_");
  const auto& upstreams = canary ? stage.canary().upstreams() : stage.upstreams();
  const auto& functions = canary ? stage.canary().functions() : stage.functions();
  if (integration.has_http()) {
    for (const v1::UpstreamBinding& binding : upstreams) {
      if (binding.upstream() != integration.http().upstream()) continue;
      if (binding.cluster().empty()) {
        absl::StrAppend(&text, " to nowhere: ", binding.problem());
      } else {
        absl::StrAppend(&text, " ", integration.http_method(), " ", binding.authority(),
                        binding.path_prefix(), integration.http().path(), " (cluster ",
                        binding.cluster(), ")");
      }
    }
  } else if (integration.has_lambda()) {
    for (const v1::FunctionBinding& binding : functions) {
      if (binding.function() != integration.lambda().function()) continue;
      absl::StrAppend(&text, " of ", binding.resolved(),
                      binding.target().empty() ? ": no endpoint is known, say one by --lambda" : "");
    }
  } else if (integration.has_aws_service()) {
    absl::StrAppend(&text, " ", integration.aws_service().service(), " in ",
                    integration.aws_service().region());
  }
  out->Say("integration", text);
  if (integration.has_timeout_ms()) {
    out->Say("timeout", absl::StrCat(integration.timeout_ms(), " ms"));
  }
  for (const v1::Template& body : integration.request_templates()) {
    out->Say("mapping", absl::StrCat("request template for ", body.content_type()));
  }
  for (const v1::IntegrationResponse& response : integration.responses()) {
    out->Say("responses",
             absl::StrCat(response.status_code(), " for ",
                          response.selection_pattern().empty()
                              ? std::string("whatever no pattern takes")
                              : absl::StrCat("what matches \"", response.selection_pattern(), "\"")));
  }
}

void SayGuards(const v1::Method& method, Explanation* out) {
  const v1::Authorization& authorization = method.authorization();
  std::string text =
      Lower(v1::Authorization::Type_Name(authorization.type()), "TYPE_");
  if (!authorization.authorizer().empty()) {
    absl::StrAppend(&text, " by ", authorization.authorizer());
  }
  out->Say("authorization", text);
  out->Say("API key", method.api_key_required() ? "required" : "not required");
  if (method.validate_parameters()) {
    std::vector<std::string> names;
    for (const v1::RequestParameter& parameter : method.request_parameters()) {
      if (parameter.required()) names.push_back(parameter.name());
    }
    out->Say("validation",
             names.empty() ? std::string("parameters, none of which is required")
                           : absl::StrCat("required parameters: ", absl::StrJoin(names, ", ")));
  }
  if (method.validate_body()) {
    for (const v1::ModelReference& model : method.request_models()) {
      out->Say("validation",
               absl::StrCat("content of type ", model.content_type(), ": model ", model.model()));
    }
  }
  if (!method.validate_parameters() && !method.validate_body()) out->Say("validation", "none");
}

void SaySettings(const v1::Stage& stage, const v1::Resource& resource, const v1::Method& method,
                 Explanation* out) {
  const v1::MethodSettings* settings = nullptr;
  for (const v1::MethodSettings& entry : stage.method_settings()) {
    const bool exact =
        entry.resource_path() == resource.path() && entry.http_method() == method.http_method();
    if (exact || (settings == nullptr && entry.resource_path() == "*")) settings = &entry;
  }
  if (settings == nullptr) {
    out->Say("settings", "none: the defaults");
    return;
  }
  out->Say("settings",
           absl::StrCat("of ", settings->resource_path() == "*" ? "*/*" : "this method",
                        ": execution log ",
                        Lower(v1::LoggingLevel_Name(settings->logging_level()), "LOGGING_LEVEL_"),
                        settings->data_trace_enabled() ? " with data trace" : "",
                        settings->metrics_enabled() ? ", detailed metrics" : ""));
}

/// Explains one request; whether a method takes it.
bool Explain(const RequestOptions& options, const v1::Snapshot& snapshot, const Router& router,
             const RequestTarget& target, Explanation* out) {
  BlockPool pool;
  Arena arena(&pool);
  RequestHead head(&arena);
  RequestContext context;
  head.method = ParseMethod(options.method);
  head.method_text = options.method;
  head.scheme = "http";
  head.authority = "explain.invalid";
  // As on the API's own endpoint, or on the domain that the fields name.
  head.target = options.target;
  bool by_host = false;
  for (const std::string& header : options.headers) {
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(header, absl::MaxSplits(':', 1));
    const absl::string_view value = absl::StripAsciiWhitespace(field.second);
    if (absl::EqualsIgnoreCase(field.first, "host")) {
      head.authority = arena.Copy({value.data(), value.size()});
      by_host = true;
    }
    head.headers.Add({field.first.data(), field.first.size()}, {value.data(), value.size()});
  }
  if (!by_host) {
    head.target = arena.Concat("/_aws/execute-api/", target.api->id(), "/", target.stage->name(),
                               options.target);
  }
  RouteInput input;
  input.random = UINT32_MAX;  // no canary, unless that gets all
  input.client_certificate_verified = true;
  const RouteMatch match = router.Match(head, input, &context, &arena);
  out->Say("request", absl::StrCat(options.method, " ", options.target));
  if (match.variant == nullptr) {
    out->Say("answer", absl::StrCat(View(InfoOf(match.refusal).name), ", ",
                                    InfoOf(match.refusal).status));
    out->Say("why not", "no API and stage is served under this host and path");
    return false;
  }
  const v1::Stage* stage = nullptr;
  for (const v1::Stage& candidate : snapshot.stages()) {
    if (candidate.api_id() == View(context.api_id) && candidate.name() == View(context.stage)) {
      stage = &candidate;
    }
  }
  const bool canary = match.variant->is_canary > 0;
  const std::string& digest =
      canary ? stage->canary().deployment_digest() : stage->deployment_digest();
  v1::Deployment deployment;
  for (const v1::StoredDeployment& stored : snapshot.deployments()) {
    if (stored.digest() == digest) deployment.ParseFromString(stored.content());
  }
  out->Say("API", absl::StrCat(View(context.api_name), " (", View(context.api_id), ")"));
  out->Say("stage", absl::StrCat(View(context.stage), ", deployment ", View(context.deployment_id)));
  if (stage->has_canary()) {
    out->Say("stage", absl::StrCat("a canary gets ", stage->canary().percent_traffic(),
                                   " % of the requests; this is about ",
                                   canary ? "it" : "the others"));
  }
  if (!context.base_path_matched.empty()) {
    out->Say("base path", std::string(context.base_path_matched));
  }
  if (!context.routing_rule_id_matched.empty()) {
    out->Say("routing rule", std::string(context.routing_rule_id_matched));
  }
  if (match.route == nullptr) {
    out->Say("answer", absl::StrCat(View(InfoOf(match.refusal).name), ", ",
                                    InfoOf(match.refusal).status));
    SayWhyNot(deployment, options.method, context.method_path, out);
    return false;
  }
  const v1::Resource* resource = nullptr;
  const v1::Method* method = nullptr;
  for (const v1::Resource& candidate : deployment.resources()) {
    if (candidate.path() != View(context.resource_path)) continue;
    resource = &candidate;
    for (const v1::Method& declared : candidate.methods()) {
      if (declared.http_method() == View(context.route_method)) method = &declared;
    }
  }
  if (method == nullptr) {
    resource = &v1::Resource::default_instance();
    method = &deployment.default_route();
  }
  out->Say("resource", std::string(context.resource_path));
  for (size_t i = 0; i < context.path_param_count; ++i) {
    out->Say("parameters", absl::StrCat(View(context.path_params[i].name), " = ",
                                        View(context.path_params[i].value)));
  }
  out->Say("method", absl::StrCat(View(context.route_method),
                                  context.route_method == "ANY" ? ": the resource has no " : "",
                                  context.route_method == "ANY" ? options.method : std::string()));
  SayWhy(deployment, *resource, options.method, context.method_path, out);
  SayGuards(*method, out);
  if (match.route->chain == nullptr) {
    out->Say("filters", "none");
  } else {
    for (const FilterBinding& filter : match.route->chain->filters()) {
      out->Say("filters", absl::StrCat(View(FilterPointName(filter.point)), ": ",
                                       filter.instance->name, " (",
                                       View(filter.instance->module->name()), " ",
                                       View(filter.instance->module->version()), ")"));
    }
  }
  SayIntegration(*stage, *method, canary, out);
  SaySettings(*stage, *resource, *method, out);
  return true;
}

}  // namespace

int ExplainCommand(const std::vector<std::string>& args) {
  CommandLine command("explain", kRequestArguments, 3, SIZE_MAX);
  RequestOptions options;
  options.Bind(&command.flags());
  int code = kExitOk;
  if (!command.Begin(args, &code) || !options.Take(command, &code)) return code;
  const auto fail = [&](absl::string_view problem) { return command.Fail(kExitFailed, problem); };
  absl::StatusOr<ModuleLoader::Options> loader_options = options.modules.ToLoaderOptions();
  if (!loader_options.ok()) return fail(loader_options.status().message());
  SetLogLevel(LogLevel::kError);
  InstallFaultHandler();
  const Definitions definitions =
      LoadDefinitions(options.definitions, *ListenerOptions().ToListeners(), 1);
  if (!definitions.ok()) {
    PrintReports(definitions);
    return kExitRefused;
  }
  const absl::StatusOr<RequestTarget> target = FindTarget(options, definitions.snapshot);
  if (!target.ok()) return fail(target.status().message());
  ModuleLoader modules(*std::move(loader_options));
  const RuntimeSnapshot::Built built = RuntimeSnapshot::Build(
      definitions.snapshot, {.workers = 1, .credentials = nullptr, .modules = &modules});
  if (built.snapshot == nullptr) return command.Fail(kExitRefused, built.ProblemText());
  Explanation out;
  const bool served =
      Explain(options, definitions.snapshot, built.snapshot->router(), *target, &out);
  out.Print(options.json);
  return served ? kExitOk : kExitFailed;
}

}  // namespace postern
