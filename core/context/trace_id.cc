#include "core/context/trace_id.h"

#include "core/context/arena_sink.h"
#include "core/http/header_id.h"
#include "lib/text/ascii.h"

namespace postern {
namespace {

constexpr size_t kRootSize = 1 + 1 + 8 + 1 + 24;  // 1-{hex8}-{hex24}
constexpr size_t kParentSize = 16;

/// Calls `visit(pair, key, value)` for each pair of the header.
template <typename Visit>
void ForEachPair(std::string_view value, Visit visit) {
  while (!value.empty()) {
    const size_t end = value.find(';');
    const std::string_view pair = TrimOws(value.substr(0, end));
    value = end == value.npos ? std::string_view{} : value.substr(end + 1);
    const size_t equals = pair.find('=');
    if (equals == pair.npos) continue;
    visit(pair, pair.substr(0, equals), pair.substr(equals + 1));
  }
}

void WriteRoot(int64_t epoch_seconds, IdGenerator* ids, char* out) {
  constexpr char kHex[] = "0123456789abcdef";
  *out++ = '1';
  *out++ = '-';
  for (int shift = 28; shift >= 0; shift -= 4) *out++ = kHex[(epoch_seconds >> shift) & 15];
  *out++ = '-';
  ids->WriteHex(24, out);
}

/// Sixteen hexadecimal digits out of a request id.
std::string_view ParentFrom(std::string_view request_id, char* out) {
  size_t size = 0;
  for (char c : request_id) {
    if (HexValue(c) < 0 || size == kParentSize) continue;
    out[size++] = ToLower(c);
  }
  while (size < kParentSize) out[size++] = '0';
  return {out, kParentSize};
}

}  // namespace

TraceHeader ParseTraceHeader(std::string_view value) {
  TraceHeader header;
  ForEachPair(value, [&](std::string_view, std::string_view key, std::string_view text) {
    if (EqualsIgnoreCase(key, "Root")) {
      header.root = text;
    } else if (EqualsIgnoreCase(key, "Parent")) {
      header.parent = text;
    } else if (EqualsIgnoreCase(key, "Sampled")) {
      header.sampled = text;
    } else if (EqualsIgnoreCase(key, "Self")) {
      header.self = text;
    }
  });
  return header;
}

void SetTraceId(std::string_view from_client, int64_t epoch_seconds, IdGenerator* ids, Arena* arena,
                RequestContext* context) {
  char root[kRootSize];
  WriteRoot(epoch_seconds, ids, root);
  const std::string_view own(root, kRootSize);
  const TraceHeader sent =
      from_client.size() <= kMaxTraceHeader ? ParseTraceHeader(from_client) : TraceHeader{};
  context->trace_id_from_client = !sent.root.empty();
  if (sent.root.empty()) {
    context->trace_id = arena->Concat("Root=", own);
    return;
  }
  char parent[kParentSize];
  ids->WriteHex(kParentSize, parent);
  ArenaSink out(arena, from_client.size() + 96);
  out.Append("Self=");
  out.Append(own);
  ForEachPair(from_client, [&](std::string_view pair, std::string_view key, std::string_view) {
    if (EqualsIgnoreCase(key, "Self")) return;
    out.Append(';');
    out.Append(pair);
  });
  if (sent.parent.empty()) {
    out.Append(";Parent=");
    out.Append(std::string_view(parent, kParentSize));
  }
  if (sent.sampled.empty()) out.Append(sent.parent.empty() ? ";Sampled=0" : ";Sampled=1");
  context->trace_id = out.written();
}

void SetSampled(bool sampled, std::string_view parent, Arena* arena, RequestContext* context) {
  ArenaSink out(arena, context->trace_id.size() + 48);
  ForEachPair(context->trace_id,
              [&](std::string_view pair, std::string_view key, std::string_view) {
                if (EqualsIgnoreCase(key, "Parent") || EqualsIgnoreCase(key, "Sampled")) return;
                if (!out.written().empty()) out.Append(';');
                out.Append(pair);
              });
  if (sampled) {
    out.Append(";Parent=");
    out.Append(parent);
  }
  out.Append(sampled ? ";Sampled=1" : ";Sampled=0");
  context->trace_id = out.written();
}

std::string_view ResponseTraceId(const RequestContext& context, Arena* arena) {
  const TraceHeader header = ParseTraceHeader(context.trace_id);
  char made[kParentSize];
  const std::string_view parent =
      header.parent.empty() ? ParentFrom(context.request_id, made) : header.parent;
  return arena->Concat("Root=", header.root, ";Parent=", parent, ";Sampled=",
                       header.sampled.empty() ? std::string_view("0") : header.sampled);
}

std::string_view TraceRoot(const RequestContext& context) {
  return ParseTraceHeader(context.trace_id).root;
}

}  // namespace postern
