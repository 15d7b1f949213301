// Maps requests and responses of integrations that are no proxies. See README.md.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/sdk/sdk.h"
#include "filters/transform/environment.h"
#include "filters/transform/message_view.h"
#include "filters/transform/transform_config.h"
#include "filters/transform/value_reader.h"
#include "filters/transform/worker.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/percent.h"
#include "lib/text/query_string.h"

namespace {

using namespace postern;

constexpr uint64_t kMaxBody = 10 * 1024 * 1024;  // rest-api.md §10.5
// Fewer bytes are cheaper copied than handed over.
constexpr size_t kWorthHandingOver = 16 * 1024;
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kContentType = "Content-Type";

std::optional<std::string_view> LastHeader(Stream s, Map map, std::string_view name) {
  std::optional<std::string_view> last;
  for (size_t i = 0; const auto value = s.Header(map, name, i); ++i) last = value;
  return last;
}

// The value of a header override is an HTTP status (rest-api.md §7.7), 1xx left out, which cannot
// end an exchange.
std::optional<uint16_t> StatusOf(const TemplateOverride& item) {
  if (!item.integer || item.values.size() != 1 || item.values[0].size() != 3) return std::nullopt;
  const std::string& text = item.values[0];
  if (text < "200" || text > "599") return std::nullopt;
  return static_cast<uint16_t>((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
}

class Transform {
 public:
  using Config = TransformConfig;
  using Worker = TransformWorker;

  Transform(const Config& config, Worker& worker) : config_(config), worker_(worker) {}
  ~Transform() {
    if (kept_ != nullptr) worker_.Give(std::move(kept_));
  }

  Verdict OnRequestHeaders(Stream s, Flags flags) {
    if (!config_.is_method) return Verdict::kDetach;
    if (!ChooseTemplate(s)) {
      config_.failures.Add(1, {"media_type"});
      return s.Send({.kind = ReplyKind::kUnsupportedMediaType, .detail = "transform:media_type"});
    }
    if (flags.end_stream()) {
      // Without content a MOCK answers 200, which is all that is needed here.
      bodyless_mock_ = selected_by_constant();
      return bodyless_mock_ ? Verdict::kDetach : MapRequest(s, {});
    }
    return s.SetBodyMode(Direction::kRequest, BodyMode::kBuffer, kMaxBody) == Status::kOk
               ? Verdict::kContinue
               : Verdict::kFail;
  }

  Verdict OnRequestBody(Stream s, Flags) { return MapRequest(s, Body(s, Direction::kRequest)); }

  Verdict OnResponseHeaders(Stream s, Flags flags) {
    if (!config_.is_method) return Verdict::kDetach;
    // What the gateway answers itself is not the integration's. Such a MOCK cannot fail.
    if (!selected_by_constant() && config_.error_type && s.Value(*config_.error_type)) {
      return Verdict::kDetach;
    }
    if (flags.end_stream()) return MapResponse(s, {});
    return s.SetBodyMode(Direction::kResponse, BodyMode::kBuffer, kMaxBody) == Status::kOk
               ? Verdict::kContinue
               : Verdict::kFail;
  }

  Verdict OnResponseBody(Stream s, Flags) { return MapResponse(s, Body(s, Direction::kResponse)); }

 private:
  bool mock() const { return config_.kind == IntegrationKind::kMock; }
  // A MOCK whose response was known when the configuration was read.
  bool selected_by_constant() const {
    return chosen_ != nullptr && chosen_->mock_status.has_value();
  }

  KeptRequest& kept(Stream s) {
    if (kept_ == nullptr) {
      kept_ = worker_.Take();
      kept_->request.Begin(s);
    }
    return *kept_;
  }

  // The body in one piece.
  std::string_view Body(Stream s, Direction direction) {
    std::string_view only;
    size_t slices = 0;
    s.ForEachSlice(direction, [&](std::string_view slice) {
      ++slices;
      only = slice;
    });
    if (slices < 2) return only;
    worker_.body.clear();
    s.ForEachSlice(direction, [&](std::string_view slice) { worker_.body += slice; });
    return worker_.body;
  }

  // In the place of the body. `*room` is where `body` lies, if it is not somewhere that lasts.
  Verdict ReplaceBody(Stream s, Direction direction, std::string_view before, std::string_view body,
                      std::string* room) {
    if (body.data() == before.data() && body.size() == before.size()) return Verdict::kContinue;
    Status status;
    if (body.size() < kWorthHandingOver || room == nullptr || body.size() != room->size()) {
      status = s.SpliceBorrowed(direction, 0, before.size(), body, nullptr, nullptr);
    } else {
      status = s.Splice(direction, 0, before.size(), std::move(*room));
      room->clear();
    }
    return status == Status::kOk ? Verdict::kContinue : Verdict::kFail;
  }

  // rest-api.md §13.7. The client hears of no reason.
  Verdict Fail(Stream s, std::string_view why, std::string_view reason) {
    const std::string text = Concat("Execution failed due to configuration error: ", why);
    s.SetText("integration.error", text);
    Log(LogLevel::kWarn, text);
    config_.failures.Add(1, {reason});
    return s.Send(
        {.kind = ReplyKind::kApiConfigurationError, .detail = Concat("transform:", reason)});
  }

  // ---- Request.

  // rest-api.md §6.4. False: 415.
  bool ChooseTemplate(Stream s) {
    const std::vector<CompiledTemplate>& templates = config_.request_templates;
    if (templates.empty()) return config_.passthrough != PassthroughBehavior::kNever;
    const auto field = LastHeader(s, Map::kRequestHeaders, "content-type");
    // A missing field counts as application/json; a malformed one matches nothing.
    std::string_view key = kJson;
    if (field) {
      const auto type = ParseMediaType(*field);
      key = type ? type->essence : *field;
    }
    chosen_ = Find(templates, key);
    if (chosen_ == nullptr) chosen_ = Find(templates, "$default");
    return chosen_ != nullptr || config_.passthrough == PassthroughBehavior::kWhenNoMatch;
  }

  static const CompiledTemplate* Find(const std::vector<CompiledTemplate>& templates,
                                      std::string_view type) {
    for (const CompiledTemplate& candidate : templates) {
      if (EqualsIgnoreCase(candidate.content_type, type)) return &candidate;
    }
    return nullptr;
  }

  Verdict MapRequest(Stream s, std::string_view received) {
    ConvertedBody body{received};
    if (!received.empty()) {
      const bool binary = !config_.binary_media_types.empty() &&
                          config_.binary_media_types.MatchesContentType(
                              LastHeader(s, Map::kRequestHeaders, "content-type"));
      body = ConvertRequestBody(received, binary, config_.handling, &worker_.converted);
      if (body.failed) return Fail(s, "Unable to base64 decode the body.", "base64");
    }
    std::string_view out = body.text;
    std::string* room = &worker_.converted;
    if (chosen_ != nullptr) {
      // rest-api.md §7.8
      if (body.binary && !body.text.empty()) {
        return Fail(s, "Unable to transform request", "binary");
      }
      room = nullptr;
      if (chosen_->constant) {
        out = *chosen_->constant;
      } else {
        KeptRequest& keep = kept(s);
        Environment environment(s, config_, &keep.request, body.text, nullptr);
        if (const absl::Status status = Render(*chosen_, environment); !status.ok()) {
          return Fail(s, std::string(status.message()), "template");
        }
        keep.overrides = environment.TakeOverrides();
        out = worker_.rendered;
        room = &worker_.rendered;
      }
    } else if (config_.kind == IntegrationKind::kLambda && out.empty()) {
      out = "{}";  // rest-api.md §9.7
      room = nullptr;
    }
    if (mock()) {
      // An empty one would not be told from no request template at all.
      if (out.empty() && !config_.request_templates.empty()) {
        return Fail(s,
                    "Unable to parse statusCode. It should be an integer that is defined in the "
                    "request template.",
                    "mock_status");
      }
    } else {
      const Verdict verdict = WriteRequest(s, body.text, out.empty());
      if (verdict != Verdict::kDetach) return verdict;
    }
    const Verdict verdict = ReplaceBody(s, Direction::kRequest, received, out, room);
    Tidy();
    return verdict;
  }

  absl::Status Render(const CompiledTemplate& chosen, Environment& environment) {
    worker_.rendered.clear();
    return chosen.program.Render(environment, worker_.templates, &worker_.rendered);
  }

  void Tidy() {
    Worker::Shrink(&worker_.body);
    Worker::Shrink(&worker_.converted);
    Worker::Shrink(&worker_.rendered);
    Worker::Shrink(&worker_.text);
  }

  // The integration request but for its body. kDetach: done; else what is to be returned.
  Verdict WriteRequest(Stream s, std::string_view body, bool empty) {
    KeptRequest& keep = kept(s);
    worker_.arena.Reset();
    worker_.text.clear();
    worker_.fields.clear();
    BodyJson json(body, &worker_.arena);
    ValueReader reader(s, config_, &keep.request, &json, nullptr);

    std::string_view failed;
    bool has_type = false;
    std::optional<size_t> host;
    const auto add = [&](std::string_view name, MappedHeaderAction action, size_t begin) {
      CleanFieldValue(&worker_.text, begin);
      const size_t size = worker_.text.size() - begin;
      if (size == 0) return;  // An empty source drops the mapping (§6.2).
      if (action == MappedHeaderAction::kFail) failed = name;
      has_type = has_type || EqualsIgnoreCase(name, kContentType);
      if (EqualsIgnoreCase(name, "host")) host = worker_.fields.size();
      worker_.fields.push_back({name, begin, size});
    };
    for (const Config::RequestParameter& parameter : config_.headers) {
      if (IsOverridden("header", parameter.name, /*any_case=*/true)) continue;
      const size_t begin = worker_.text.size();
      if (reader.Append(parameter.source, &worker_.text))
        add(parameter.name, parameter.action, begin);
    }
    for (const TemplateOverride& item : keep.overrides) {
      if (item.response || item.group != "header" || !IsFieldName(item.name)) continue;
      const MappedHeaderAction action = config_.HeaderAction(item.name);
      if (action == MappedHeaderAction::kDrop) continue;
      for (const std::string& value : item.values) {
        const size_t begin = worker_.text.size();
        worker_.text += value;
        add(item.name, action, begin);
      }
    }
    if (!failed.empty()) {
      return Fail(s, Concat(failed, " header already present"), "header");
    }
    if (config_.uri) MakeTarget(reader);
    if (json.broken()) {
      config_.failures.Add(1, {"body"});
      return s.Send({.kind = ReplyKind::kBadRequestBody,
                     .message = "Invalid JSON in request body",
                     .detail = "transform:body"});
    }
    if (!has_type) AddContentType(s, empty);
    KeepForResponse(s, keep);

    bool good = s.ClearHeaders(Map::kRequestHeaders) == Status::kOk;
    const auto set = [&](std::string_view name, std::string_view value) {
      good = good && s.SetHeader(Map::kRequestHeaders, name, value) == Status::kOk;
    };
    if (!config_.http_method.empty()) set(":method", config_.http_method);
    if (config_.uri) set(":path", worker_.target);
    if (!host && !config_.authority.empty()) set(":authority", config_.authority);
    for (size_t i = 0; i < worker_.fields.size(); ++i) {
      const Worker::OutField& field = worker_.fields[i];
      const std::string_view value = std::string_view(worker_.text).substr(field.begin, field.size);
      if (EqualsIgnoreCase(field.name, "host")) {
        if (i == *host) set(":authority", value);
      } else {
        good = good && s.AddHeader(Map::kRequestHeaders, field.name, value) == Status::kOk;
      }
    }
    return good ? Verdict::kDetach
                : Fail(s, "The integration request cannot be sent as it was mapped", "request");
  }

  // §6.3: of what a template made JSON; else the client's, but for methods that have no content.
  void AddContentType(Stream s, bool empty) {
    std::string_view type;
    if (chosen_ != nullptr) {
      if (!empty) type = kJson;
    } else {
      const std::string_view method = s.Header(Map::kRequestHeaders, ":method").value_or("");
      if (method != "GET" && method != "HEAD" && method != "OPTIONS") {
        type = LastHeader(s, Map::kRequestHeaders, "content-type").value_or("");
      }
    }
    if (type.empty()) return;
    worker_.fields.push_back({kContentType, worker_.text.size(), type.size()});
    worker_.text += type;
  }

  // After this the client's request cannot be seen any more.
  void KeepForResponse(Stream s, KeptRequest& keep) {
    if (config_.chooses_by_accept || !config_.binary_media_types.empty()) {
      const auto accept = s.Header(Map::kRequestHeaders, "accept");
      keep.has_accept = accept.has_value();
      keep.accept = accept.value_or("");
    }
    keep.request.Keep(config_.response_needs);
  }

  bool IsOverridden(std::string_view group, std::string_view name, bool any_case) const {
    if (kept_ == nullptr) return false;
    return std::any_of(kept_->overrides.begin(), kept_->overrides.end(),
                       [&](const TemplateOverride& item) {
                         return !item.response && item.group == group &&
                                (any_case ? EqualsIgnoreCase(item.name, name) : item.name == name);
                       });
  }

  const TemplateOverride* FindOverride(std::string_view group, std::string_view name) const {
    for (const TemplateOverride& item : kept_->overrides) {
      if (!item.response && item.group == group && item.name == name) return &item;
    }
    return nullptr;
  }

  // rest-api.md §6.5: path and query of the integration request, into `target`.
  void MakeTarget(ValueReader& reader) {
    worker_.target.clear();
    {
      StringSink sink(&worker_.target);
      for (const UriTemplate::Piece& piece : config_.uri->pieces()) {
        sink.Append(piece.literal);
        if (!piece.name.empty()) AppendPlaceholder(piece, reader, sink);
      }
    }
    std::string query;
    {
      StringSink sink(&query);
      bool first = true;
      for (const Config::RequestParameter& parameter : config_.query) {
        if (IsOverridden("querystring", parameter.name, /*any_case=*/false)) continue;
        if (parameter.source.kind == MappingSource::Kind::kQueryAll) {
          for (const auto& [name, value] : kept_->request.query().fields()) {
            if (name == parameter.source.text)
              AppendQueryField(parameter.name, value, &first, sink);
          }
          continue;
        }
        const size_t begin = worker_.text.size();
        if (reader.Append(parameter.source, &worker_.text)) {
          const std::string_view value = std::string_view(worker_.text).substr(begin);
          if (!value.empty()) AppendQueryField(parameter.name, value, &first, sink);
        }
        worker_.text.resize(begin);
      }
      for (const TemplateOverride& item : kept_->overrides) {
        if (item.response || item.group != "querystring") continue;
        for (const std::string& value : item.values) {
          AppendQueryField(item.name, value, &first, sink);
        }
      }
    }
    if (query.empty()) return;
    if (!config_.uri->has_query()) {
      worker_.target += '?';
    } else if (!worker_.target.ends_with('?')) {
      worker_.target += '&';
    }
    worker_.target += query;
  }

  void AppendPlaceholder(const UriTemplate::Piece& piece, ValueReader& reader, CharSink& sink) {
    if (const TemplateOverride* item = FindOverride("path", piece.name)) {
      if (!item->values.empty() && !item->values[0].empty()) {
        UriTemplate::AppendValue(piece, item->values[0], UriTemplate::Encoding::kEscaped, sink);
        return;
      }
    }
    for (const Config::RequestParameter& parameter : config_.path) {
      if (parameter.name != piece.name) continue;
      const size_t begin = worker_.text.size();
      const bool found = reader.Append(parameter.source, &worker_.text);
      const std::string_view value = std::string_view(worker_.text).substr(begin);
      if (found && !value.empty()) {
        UriTemplate::AppendValue(piece, value,
                                 parameter.source.kind == MappingSource::Kind::kPath
                                     ? UriTemplate::Encoding::kRaw
                                     : UriTemplate::Encoding::kText,
                                 sink);
        worker_.text.resize(begin);
        return;
      }
    }
    // The mapping is dropped, so nothing resolves the placeholder.
    UriTemplate::AppendUnresolved(piece, sink);
  }

  // ---- Response.

  // rest-api.md §8.1. -1: none matches, and there is no default.
  int Select(Stream s, BodyJson& body) {
    if (selected_by_constant()) return chosen_->mock_response;
    if (config_.kind != IntegrationKind::kLambda) {
      // A MOCK without any request template has the default response (§7.9).
      if (mock() && config_.request_templates.empty()) return config_.Default();
      return config_.Select(s.Header(Map::kResponseHeaders, ":status").value_or(""));
    }
    if (body.text().find("errorMessage") == std::string_view::npos) return config_.Default();
    const dyn::Value* root = body.value();
    if (root == nullptr || !root->is_map()) return config_.Default();
    const dyn::Entry* entry = root->map().Find("errorMessage");
    if (entry == nullptr || !entry->value.is_string()) return config_.Default();
    return config_.Select(entry->value.text());
  }

  std::optional<std::string_view> Accept(Stream s) const {
    if (mock()) return s.Header(Map::kRequestHeaders, "accept");
    if (kept_ == nullptr || !kept_->has_accept) return std::nullopt;
    return kept_->accept;
  }

  // rest-api.md §8.3: by the first media type of Accept, else application/json, else the first.
  const CompiledTemplate* ChooseTemplate(Stream s, const Config::Response& response) const {
    if (response.templates.empty()) return nullptr;
    if (response.templates.size() > 1) {
      const auto accept = Accept(s);
      const auto wanted = accept ? FirstMediaType(*accept) : std::nullopt;
      const CompiledTemplate* found = wanted ? Find(response.templates, wanted->essence) : nullptr;
      if (found == nullptr) found = Find(response.templates, kJson);
      if (found != nullptr) return found;
    }
    return &response.templates.front();
  }

  Verdict MapResponse(Stream s, std::string_view received) {
    worker_.arena.Reset();
    BodyJson json(received, &worker_.arena);
    const int index = Select(s, json);
    if (index < 0) {
      return Fail(
          s,
          Concat("No match for output mapping and no default output mapping configured. "
                 "Endpoint Response Status Code: ",
                 selected_by_constant()
                     ? Concat(*chosen_->mock_status)
                     : std::string(s.Header(Map::kResponseHeaders, ":status").value_or(""))),
          "no_match");
    }
    const Config::Response& selected = config_.responses[static_cast<size_t>(index)];
    if (!selected.declared) {
      return Fail(
          s, Concat("Output mapping refers to an invalid method response: ", selected.status_text),
          "undeclared");
    }
    ConvertedBody body{received};
    if (!mock() && !received.empty()) {
      const BinaryMediaTypes& types = config_.binary_media_types;
      const bool binary = !types.empty() && types.MatchesContentType(LastHeader(
                                                s, Map::kResponseHeaders, "content-type"));
      const bool wants_binary = !types.empty() && types.MatchesAccept(Accept(s));
      body = ConvertResponseBody(received, binary, wants_binary, selected.handling,
                                 &worker_.converted);
      if (body.failed) return Fail(s, "Unable to base64 decode the body.", "base64");
    }
    return Deliver(s, selected, received, body, json);
  }

  Verdict Deliver(Stream s, const Config::Response& selected, std::string_view received,
                  const ConvertedBody& body, BodyJson& json) {
    // Parameters first: they read the fields that go away.
    worker_.text.clear();
    worker_.fields.clear();
    if (!selected.parameters.empty()) {
      const Verdict verdict = ReadParameters(s, selected, json);
      if (verdict != Verdict::kDetach) return verdict;
    }
    std::string_view out = body.text;
    std::string* room = &worker_.converted;
    std::vector<TemplateOverride> overrides;
    if (const CompiledTemplate* chosen = ChooseTemplate(s, selected)) {
      if (body.binary && !body.text.empty()) {
        return Fail(s, "Unable to transform response", "binary");
      }
      room = nullptr;
      if (chosen->constant) {
        out = *chosen->constant;
      } else {
        Environment environment(s, config_, &RequestFor(s), body.text,
                                kept_ != nullptr ? &kept_->overrides : nullptr);
        if (const absl::Status status = Render(*chosen, environment); !status.ok()) {
          return Fail(s, std::string(status.message()), "template");
        }
        overrides = environment.TakeOverrides();
        out = worker_.rendered;
        room = &worker_.rendered;
      }
    }
    if (!WriteHead(s, selected, overrides, &out)) {
      return Fail(s, "The method response cannot be sent as it was mapped", "response");
    }
    const Verdict verdict = ReplaceBody(s, Direction::kResponse, received, out, room);
    Tidy();
    return verdict;
  }

  // What response templates and mappings ask of the request. A MOCK's is still there.
  RequestView& RequestFor(Stream s) {
    KeptRequest& keep = kept(s);
    if (mock()) keep.request.Begin(s);
    return keep.request;
  }

  Verdict ReadParameters(Stream s, const Config::Response& selected, BodyJson& json) {
    worker_.response.Clear();
    if (!mock()) worker_.response.Read(s, Map::kResponseHeaders);
    ValueReader reader(s, config_, &RequestFor(s), &json, &worker_.response);
    for (const Config::ResponseParameter& parameter : selected.parameters) {
      const size_t begin = worker_.text.size();
      if (!reader.Append(parameter.source, &worker_.text)) continue;
      CleanFieldValue(&worker_.text, begin);
      worker_.fields.push_back({parameter.name, begin, worker_.text.size() - begin});
    }
    if (json.broken()) return Fail(s, "Unable to parse the body of the response as JSON", "body");
    return Verdict::kDetach;
  }

  // False: it cannot be written so.
  bool WriteHead(Stream s, const Config::Response& selected,
                 const std::vector<TemplateOverride>& own, std::string_view* body) {
    static const std::vector<TemplateOverride> kNone;
    const std::vector<TemplateOverride>& earlier = kept_ != nullptr ? kept_->overrides : kNone;
    uint16_t status = selected.status;
    bool has_type = false;
    const auto overrides = [&](std::string_view name) {
      for (const auto* list : {&own, &earlier}) {
        for (const TemplateOverride& item : *list) {
          if (item.response && item.group == "header" && EqualsIgnoreCase(item.name, name)) {
            return true;
          }
        }
      }
      return false;
    };
    for (const auto* list : {&earlier, &own}) {
      for (const TemplateOverride& item : *list) {
        if (!item.response || !item.group.empty() || item.name != "status") continue;
        status = StatusOf(item).value_or(status);
      }
    }
    const bool any = !own.empty() || !earlier.empty();
    bool good = mock() || s.ClearHeaders(Map::kResponseHeaders) == Status::kOk;
    const auto add = [&](std::string_view name, std::string_view value) {
      has_type = has_type || EqualsIgnoreCase(name, kContentType);
      good = good && s.AddHeader(Map::kResponseHeaders, name, value) == Status::kOk;
    };
    if (!(bodyless_mock_ && status == 200)) {
      good = good && s.SetHeader(Map::kResponseHeaders, ":status",
                                 status == selected.status ? std::string_view(selected.status_text)
                                                           : Concat(status)) == Status::kOk;
    }
    if (!selected.has_content_type && !(any && overrides(kContentType))) add(kContentType, kJson);
    for (const Worker::OutField& field : worker_.fields) {
      if (any && overrides(field.name)) continue;
      add(field.name, std::string_view(worker_.text).substr(field.begin, field.size));
    }
    if (any) {
      for (const TemplateOverride& item : earlier) {
        const bool again = std::any_of(own.begin(), own.end(), [&](const TemplateOverride& later) {
          return later.response && later.group == item.group && later.name == item.name;
        });
        if (!again) AddOverride(item, add);
      }
      for (const TemplateOverride& item : own) AddOverride(item, add);
    }
    if (!has_type) add(kContentType, kJson);
    if (status == 204 || status == 304) *body = {};
    return good;
  }

  template <typename Add>
  void AddOverride(const TemplateOverride& item, Add add) {
    if (!item.response || item.group != "header" || !IsFieldName(item.name)) return;
    const ResponseHeaderAction action = MappedResponseAction(item.name);
    if (action == ResponseHeaderAction::kDrop) return;
    const std::string renamed =
        action == ResponseHeaderAction::kRemap ? Concat(kRemappedPrefix, item.name) : std::string();
    for (const std::string& value : item.values) {
      std::string clean = value;
      CleanFieldValue(&clean, 0);
      add(renamed.empty() ? std::string_view(item.name) : std::string_view(renamed), clean);
    }
  }

  const Config& config_;
  Worker& worker_;
  const CompiledTemplate* chosen_ = nullptr;  // of the request
  bool bodyless_mock_ = false;                // its integration request is empty
  std::unique_ptr<KeptRequest> kept_;
};

}  // namespace

POSTERN_MODULE(Transform, "postern.transform", "1.0.0", POSTERN_CAP_BODY);
