#include "core/context/execution_trace.h"

#include <algorithm>
#include <cstring>

#include "core/context/arena_sink.h"
#include "core/context/value_source.h"
#include "lib/text/query_string.h"

namespace postern {
namespace {

constexpr size_t kShownOfSecrets = 6;

bool IsSecret(const HeaderField& field) {
  return field.id == HeaderId::kAuthorization || EqualsIgnoreCase(field.name, "x-api-key") ||
         EqualsIgnoreCase(field.name, "x-amz-security-token");
}

/// Writes `{a=b, c=d}` as Java prints a map, up to a limit.
class MapText {
 public:
  explicit MapText(Arena* arena) : sink_(arena, 256, ExecutionTrace::kMaxText) {
    sink_.Append('{');
  }

  void Add(std::string_view name, std::string_view value) {
    if (!first_) sink_.Append(", ");
    first_ = false;
    sink_.Append(name);
    sink_.Append('=');
    sink_.Append(value);
  }

  ExecutionTrace::Text Finish() {
    sink_.Append('}');
    return {sink_.written(), sink_.failed()};
  }

 private:
  ArenaSink sink_;
  bool first_ = true;
};

}  // namespace

std::string_view MaskSecret(std::string_view secret, Arena* arena) {
  if (secret.empty()) return secret;
  char* out = arena->Allocate(secret.size(), 1);
  const size_t hidden =
      secret.size() > kShownOfSecrets ? secret.size() - kShownOfSecrets : secret.size();
  std::memset(out, '*', hidden);
  std::copy(secret.begin() + static_cast<ptrdiff_t>(hidden), secret.end(), out + hidden);
  return {out, secret.size()};
}

ExecutionTrace::Text ExecutionTrace::Show(std::string_view authority, const HeaderMap& headers) {
  MapText map(arena_);
  if (!authority.empty()) map.Add("Host", authority);
  for (const HeaderField& field : headers) {
    map.Add(field.name, IsSecret(field) ? MaskSecret(field.value, arena_) : field.value);
  }
  return map.Finish();
}

void ExecutionTrace::Add(std::string_view data, Body* body) {
  if (!data_ || data.empty()) return;
  if (body->data == nullptr) body->data = arena_->Allocate(kMaxText, 1);
  const size_t part = std::min(data.size(), kMaxText - body->size);
  if (part != 0) std::memcpy(body->data + body->size, data.data(), part);
  body->size += part;
  body->cut = body->cut || part < data.size();
}

void ExecutionTrace::SetMethodRequest(const RequestHead& head) {
  if (!data_) return;
  method_request_headers_ = Show(head.authority, head.headers);
  MapText query(arena_);
  QueryScanner scanner(head.query());
  while (const auto field = scanner.Next()) {
    query.Add(DecodeQueryText(field->name, arena_), DecodeQueryText(field->value, arena_));
  }
  query_ = query.Finish();
}

void ExecutionTrace::SetEndpointRequest(const RequestHead& head) {
  endpoint_uri_ = arena_->Concat(head.scheme, "://", head.authority, head.target);
  endpoint_method_ = head.method_text;
  if (data_) endpoint_request_headers_ = Show({}, head.headers);
  endpoint_status_ = 0;
}

void ExecutionTrace::SetEndpointResponse(const ResponseHead& head) {
  endpoint_status_ = head.status;
  if (data_) endpoint_response_headers_ = Show({}, head.headers);
}

void ExecutionTrace::SetMethodResponse(const ResponseHead& head) {
  if (data_) method_response_headers_ = Show({}, head.headers);
}

void ExecutionTrace::AddNote(std::string_view text) {
  if (note_count_ == kMaxNotes) return;
  ++note_count_;
  auto* note = arena_->New<Note>();
  *note = {arena_->Copy(text.substr(0, kMaxText)), nullptr};
  *notes_end_ = note;
  notes_end_ = &note->next;
}

}  // namespace postern
