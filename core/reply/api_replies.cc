#include "core/reply/api_replies.h"

#include <array>

#include "core/context/arena_sink.h"
#include "core/context/variables.h"
#include "core/http/header_id.h"
#include "lib/text/json_writer.h"
#include "lib/text/media_type.h"

namespace postern {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kDefaultTemplate = "{\"message\":$context.error.messageString}";
constexpr size_t kTypes = static_cast<size_t>(ResponseType::kCount);

size_t Index(ResponseType type) { return static_cast<size_t>(type); }

/// What stands before the message in an untouched default (rest-api.md §0.3).
std::string_view DefaultPrefix(ResponseType type) {
  if (type == ResponseType::kAccessDenied) return "{\"Message\":";
  return InfoOf(type).front_half ? "{\"message\":" : "{\"message\": ";
}

void AppendMessage(std::string_view message, bool is_null, CharSink& sink) {
  if (is_null) {
    sink.Append("null");
  } else {
    AppendJsonString(message, sink);
  }
}

/// Bodies of untouched defaults with their own message.
const std::array<std::string, kTypes>& DefaultBodies() {
  static const auto* const bodies = [] {
    auto* made = new std::array<std::string, kTypes>;
    for (size_t i = 1; i < kTypes; ++i) {
      const auto type = static_cast<ResponseType>(i);
      const ResponseTypeInfo& info = InfoOf(type);
      StringSink sink(&(*made)[i]);
      sink.Append(DefaultPrefix(type));
      AppendMessage(info.message, info.null_message, sink);
      sink.Append('}');
    }
    return made;
  }();
  return *bodies;
}

struct HttpApiError {
  uint16_t status;
  std::string_view message;
};

// http-api.md §18. `status` tells apart what one type stands for.
HttpApiError HttpApiErrorOf(ResponseType type, uint16_t status) {
  switch (type) {
    case ResponseType::kAccessDenied:
    case ResponseType::kForbidden:
    case ResponseType::kWafFiltered:
      return {403, "Forbidden"};
    case ResponseType::kUnauthorized:
    case ResponseType::kExpiredToken:
    case ResponseType::kInvalidSignature:
    case ResponseType::kIncompleteSignature:
      return {401, "Unauthorized"};
    case ResponseType::kResourceNotFound:
    case ResponseType::kMissingAuthenticationToken:
      return {404, "Not Found"};
    case ResponseType::kRequestTooLarge:
      return {413, "Request Entity Too Large"};
    case ResponseType::kThrottled:
    case ResponseType::kQuotaExceeded:
      return {429, "Too Many Requests"};
    case ResponseType::kIntegrationTimeout:
      return {503, "Service Unavailable"};
    case ResponseType::kIntegrationFailure:
      // A malformed answer is no missing one.
      if (status == 0 || status == 503) return {503, "Service Unavailable"};
      return {500, "Internal Server Error"};
    default:
      if (InfoOf(type).is_5xx) return {500, "Internal Server Error"};
      return status == 408 ? HttpApiError{408, "Request Timeout"}
                           : HttpApiError{400, "Bad Request"};
  }
}

std::string_view DefaultBody(ResponseType type, const RequestContext& context, Arena* arena) {
  const ResponseTypeInfo& info = InfoOf(type);
  bool is_null;
  const std::string_view message = ErrorMessage(context, &is_null);
  if (is_null == info.null_message && (is_null || message == info.message)) {
    return DefaultBodies()[Index(type)];
  }
  ArenaSink sink(arena, message.size() + 32);
  sink.Append(DefaultPrefix(type));
  AppendMessage(message, is_null, sink);
  sink.Append('}');
  return sink.written();
}

}  // namespace

struct ApiReplies::Definition {
  struct Template {
    std::string content_type;
    ReplyTemplate body;
  };

  explicit Definition(ReplySpec spec) : status(spec.status), headers(std::move(spec.headers)) {
    for (ReplySpec::Template& source : spec.templates) {
      templates.push_back({std::move(source.content_type), ReplyTemplate(source.body)});
    }
    if (templates.empty())
      templates.push_back({std::string(kJson), ReplyTemplate(kDefaultTemplate)});
  }

  /// By the first media type of Accept, else application/json, else the first (rest-api.md §8.3).
  const Template& Choose(const RequestHead* request) const {
    if (templates.size() > 1) {
      const HeaderField* accept =
          request != nullptr ? request->headers.Find(HeaderId::kAccept) : nullptr;
      const auto wanted = accept != nullptr ? FirstMediaType(accept->value) : std::nullopt;
      if (wanted.has_value()) {
        if (const Template* found = Find(wanted->essence)) return *found;
      }
      if (const Template* found = Find(kJson)) return *found;
    }
    return templates.front();
  }

  const Template* Find(std::string_view content_type) const {
    for (const Template& candidate : templates) {
      if (EqualsIgnoreCase(candidate.content_type, content_type)) return &candidate;
    }
    return nullptr;
  }

  std::optional<uint16_t> status;
  std::vector<ReplySpec::Header> headers;
  std::vector<Template> templates;
};

ApiReplies::ApiReplies(std::vector<ReplySpec> put) {
  for (ReplySpec& spec : put) {
    const ResponseType type = spec.type;
    // rest-api.md §4.1: customising it has no effect.
    if (type == ResponseType::kRequestTooLarge) continue;
    definitions_.push_back(std::make_unique<const Definition>(std::move(spec)));
    by_type_[Index(type)] = definitions_.back().get();
  }
}

ApiReplies::~ApiReplies() = default;

const ApiReplies& ApiReplies::Default() {
  static const ApiReplies* const replies = new ApiReplies({});
  return *replies;
}

std::unique_ptr<const ApiReplies> ApiReplies::MakeHttpApi() {
  auto replies = std::make_unique<ApiReplies>(std::vector<ReplySpec>());
  replies->http_api_ = true;
  return replies;
}

const ApiReplies& ApiReplies::HttpApi() {
  static const ApiReplies* const replies = MakeHttpApi().release();
  return *replies;
}

Reply ApiReplies::RenderHttpApi(ResponseType type, uint16_t status, RequestContext* context,
                                Arena* arena) {
  context->error_type = type;
  const HttpApiError error = HttpApiErrorOf(type, status);
  context->status = error.status;
  // Only what a timeout of the gateway's own says differs from the table.
  if (error.status != 408) context->error_message = error.message;
  auto* head = arena->New<ResponseHead>(arena);
  head->status = error.status;
  head->headers.Add(HeaderId::kContentType, "content-type", kJson);
  const std::string_view body = arena->Concat("{\"message\":\"", error.message, "\"}");
  head->body = BodyKind::kLength;
  head->content_length = body.size();
  head->has_content_length = true;
  return {head, body};
}

// rest-api.md §4.3: a type that was put stands for itself, else the default of its class does.
const ApiReplies::Definition* ApiReplies::Resolve(ResponseType type) const {
  if (type == ResponseType::kForbidden) return nullptr;
  if (by_type_[Index(type)] != nullptr) return by_type_[Index(type)];
  // authorization.md §1.12
  if (type == ResponseType::kIncompleteSignature &&
      by_type_[Index(ResponseType::kMissingAuthenticationToken)] != nullptr) {
    return by_type_[Index(ResponseType::kMissingAuthenticationToken)];
  }
  return by_type_[Index(InfoOf(type).is_5xx ? ResponseType::kDefault5xx
                                            : ResponseType::kDefault4xx)];
}

Reply ApiReplies::Render(ResponseType type, uint16_t status, RequestContext* context,
                         Arena* arena) const {
  if (http_api_) return RenderHttpApi(type, status, context, arena);
  const ResponseTypeInfo& info = InfoOf(type);
  const Definition* definition = Resolve(type);
  context->error_type = type;
  if (status == 0) status = info.status;
  if (definition != nullptr && definition->status.has_value()) status = *definition->status;
  context->status = status;

  auto* head = arena->New<ResponseHead>(arena);
  head->status = status;
  Reply reply{head, {}};
  if (definition == nullptr) {
    reply.body = DefaultBody(type, *context, arena);
    head->headers.Add(HeaderId::kContentType, "Content-Type", kJson);
    head->headers.Add(HeaderId::kXAmznErrorType, "x-amzn-ErrorType", info.error_type);
  } else {
    const Definition::Template& chosen = definition->Choose(context->request);
    ArenaSink sink(arena);
    chosen.body.Render(*context, arena, sink);
    reply.body = sink.written();
    head->headers.Add(HeaderId::kContentType, "Content-Type", chosen.content_type);
    head->headers.Add(HeaderId::kXAmznErrorType, "x-amzn-ErrorType", info.error_type);
    for (const ReplySpec::Header& header : definition->headers) {
      const std::string_view value = header.value.Get(*context, arena);
      if (value.data() == nullptr) continue;
      head->headers.Set(header.name, CleanFieldValue(value, arena));
    }
  }
  head->body = reply.body.empty() ? BodyKind::kNone : BodyKind::kLength;
  head->content_length = reply.body.size();
  head->has_content_length = true;
  return reply;
}

}  // namespace postern
