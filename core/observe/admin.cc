#include "core/observe/admin.h"

#include <cstddef>
#include <optional>
#include <utility>

#include "core/base/log.h"
#include "lib/text/char_sink.h"
#include "lib/text/json_writer.h"
#include "lib/text/query_string.h"

namespace postern {
namespace {

// A short JSON object made by `fill(JsonWriter&)`.
template <typename Fill>
std::string JsonObject(Fill fill) {
  std::string body;
  StringSink sink(&body);
  JsonWriter json(&sink);
  json.BeginObject();
  fill(json);
  json.EndObject();
  sink.Append('\n');
  sink.Finish();
  return body;
}

AdminReply Error(uint16_t status, std::string_view message) {
  AdminReply reply;
  reply.status = status;
  reply.body = JsonObject([&](JsonWriter& json) {
    json.Key("error");
    json.String(message);
  });
  return reply;
}

AdminReply Status(uint16_t status, std::string_view word) {
  AdminReply reply;
  reply.status = status;
  reply.body = JsonObject([&](JsonWriter& json) {
    json.Key("status");
    json.String(word);
  });
  return reply;
}

// Value of a query parameter, the last one of that name.
std::optional<std::string> QueryValue(std::string_view query, std::string_view name) {
  QueryParameters parameters;
  if (!parameters.Parse(query, 64).ok()) return std::nullopt;
  const std::optional<std::string_view> value = parameters.Last(name);
  if (!value.has_value()) return std::nullopt;
  return std::string(*value);
}

// A bare name switches on, and so does any value but these.
bool QueryFlag(std::string_view query, std::string_view name) {
  const std::optional<std::string> value = QueryValue(query, name);
  return value.has_value() && *value != "0" && *value != "false";
}

AdminReply Large(std::unique_ptr<AdminBody> body) {
  AdminReply reply;
  reply.large = std::move(body);
  return reply;
}

// Browsers name the page that a request comes from; probes, scrapers and curl do not.
bool FromBrowserPage(const RequestHead& request) {
  if (request.headers.Find(HeaderId::kOrigin) != nullptr) return true;
  const HeaderField* site = request.headers.Find("sec-fetch-site");
  return site != nullptr && site->value != "none";
}

}  // namespace

// How a path answers to methods, and what the index says of it.
struct AdminService::Endpoint {
  std::string_view path;
  std::string_view allow;
  std::string_view about;
};

constexpr AdminService::Endpoint AdminService::kEndpoints[] = {
    {"/", "GET, HEAD", "this list"},
    {"/live", "GET, HEAD", "200 while the event loops turn"},
    {"/ready", "GET, HEAD", "200 if requests should be sent, else 503 with reasons"},
    {"/startup", "GET, HEAD", "200 once the gateway has been ready"},
    {"/metrics", "GET, HEAD", "Prometheus text format or OpenMetrics"},
    {"/config", "GET, HEAD", "what is active"},
    {"/clusters", "GET, HEAD", "upstream clusters and their endpoints"},
    {"/drain", "POST", "stop being ready and finish what is under way; also GET /drain?graceful"},
    {"/log", "GET, HEAD, POST, PUT", "the log level; POST /log?level=debug sets it"},
    {"/quit", "POST", "drain, then end the process"},
};

AdminReply AdminService::Handle(const RequestHead& request, int64_t now_ms) {
  const std::string_view path = request.path();
  const Endpoint* endpoint = nullptr;
  for (const Endpoint& candidate : kEndpoints) {
    if (candidate.path == path) endpoint = &candidate;
  }
  if (endpoint == nullptr) return Error(404, "no such path; GET / lists what there is");

  const bool get = request.method == Method::kGet || request.method == Method::kHead;
  const bool post = request.method == Method::kPost;
  const bool put = request.method == Method::kPut;
  const bool changes = path == "/drain" || path == "/quit" || (path == "/log" && !get);
  bool allowed = get;
  if (path == "/drain") {
    allowed = post || (request.method == Method::kGet && QueryFlag(request.query(), "graceful"));
  } else if (path == "/quit") {
    allowed = post;
  } else if (path == "/log") {
    // A GET that names a level wants to set it, and would be told it had.
    allowed = post || put || (get && !QueryValue(request.query(), "level").has_value());
  }
  if (!allowed) {
    AdminReply reply = Error(405, "this method is not allowed here");
    reply.allow = path == "/log" && get ? std::string_view("POST, PUT") : endpoint->allow;
    return reply;
  }
  if (changes && FromBrowserPage(request)) {
    return Error(403, "requests that change something are not taken from web pages");
  }

  if (path == "/") return Index();
  if (path == "/live") return Live();
  if (path == "/ready") return Ready(QueryFlag(request.query(), "startup"));
  if (path == "/startup") return Ready(true);
  if (path == "/metrics" && hooks_.metrics != nullptr) return Metrics(request, now_ms);
  if (path == "/config" && hooks_.config) return Large(hooks_.config());
  if (path == "/clusters" && hooks_.clusters) return Large(hooks_.clusters());
  if (path == "/drain" && hooks_.drain) return Drain();
  if (path == "/log") return get ? LogLevelShown() : LogLevelSet(request.query());
  if (path == "/quit" && hooks_.quit) return Quit();
  return Error(404, "not available in this process");
}

AdminReply AdminService::Index() {
  AdminReply reply;
  reply.content_type = "text/plain; charset=utf-8";
  for (const Endpoint& endpoint : kEndpoints) {
    reply.body.append(endpoint.path);
    reply.body.append(12 - endpoint.path.size(), ' ');
    reply.body.append(endpoint.allow);
    reply.body.append(24 - endpoint.allow.size(), ' ');
    reply.body.append(endpoint.about);
    reply.body.push_back('\n');
  }
  return reply;
}

AdminReply AdminService::Live() {
  std::vector<LoopWatch::Stall> stalled;
  if (hooks_.loops != nullptr) stalled = hooks_.loops->Stalled();
  if (stalled.empty()) return Status(200, "live");
  AdminReply reply;
  reply.status = 503;
  reply.body = JsonObject([&](JsonWriter& json) {
    json.Key("status");
    json.String("stalled");
    json.Key("reasons");
    json.BeginArray();
    for (const LoopWatch::Stall& stall : stalled) {
      json.String("the event loop of worker " + std::to_string(stall.worker) +
                  " has not turned for " + std::to_string(stall.for_ms) + " ms");
    }
    json.EndArray();
  });
  return reply;
}

AdminReply AdminService::Ready(bool startup) {
  if (hooks_.readiness == nullptr) return Error(404, "not available in this process");
  const bool yes = startup ? hooks_.readiness->started() : hooks_.readiness->ready();
  const std::vector<Readiness::State> states = hooks_.readiness->States();
  const std::string configuration =
      hooks_.configuration != nullptr ? hooks_.configuration() : std::string();
  AdminReply reply;
  reply.status = yes ? 200 : 503;
  reply.body = JsonObject([&](JsonWriter& json) {
    json.Key("status");
    json.String(startup ? (yes ? "started" : "starting") : (yes ? "ready" : "not_ready"));
    json.Key("conditions");
    json.BeginObject();
    for (const Readiness::State& state : states) {
      json.Key(state.name);
      json.Bool(state.holds);
    }
    json.EndObject();
    json.Key("reasons");
    json.BeginArray();
    for (const Readiness::State& state : states) {
      if (!yes && !state.holds) json.String(state.reason.empty() ? state.name : state.reason);
    }
    json.EndArray();
    if (!configuration.empty()) {
      json.Key("configuration");
      json.Raw(configuration);
    }
  });
  return reply;
}

AdminReply AdminService::Metrics(const RequestHead& request, int64_t now_ms) {
  std::string accept;
  for (const HeaderField& field : request.headers) {
    if (field.id != HeaderId::kAccept) continue;
    if (!accept.empty()) accept.push_back(',');
    accept.append(field.value);
  }
  const ExpositionFormat format = ChooseExposition(accept);
  AdminReply reply;
  reply.content_type = ExpositionContentType(format);
  reply.body = hooks_.metrics->Scrape(format, now_ms);
  return reply;
}

AdminReply AdminService::Drain() {
  Log(LogLevel::kInfo, "admin_drain");
  hooks_.drain();
  return Status(200, "draining");
}

AdminReply AdminService::Quit() {
  Log(LogLevel::kInfo, "admin_quit");
  hooks_.quit();
  return Status(200, "quitting");
}

AdminReply AdminService::LogLevelShown() {
  AdminReply reply;
  reply.body = JsonObject([](JsonWriter& json) {
    json.Key("level");
    json.String(LogLevelName(GetLogLevel()));
  });
  return reply;
}

AdminReply AdminService::LogLevelSet(std::string_view query) {
  const std::optional<std::string> name = QueryValue(query, "level");
  LogLevel level;
  if (!name.has_value() || !ParseLogLevel(*name, &level)) {
    return Error(400, "level must be one of trace, debug, info, warn, error, off");
  }
  const LogLevel before = GetLogLevel();
  SetLogLevel(level);
  Log(LogLevel::kInfo, "log_level", {{"from", LogLevelName(before)}, {"to", LogLevelName(level)}});
  return LogLevelShown();
}

}  // namespace postern
