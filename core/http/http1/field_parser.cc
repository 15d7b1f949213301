#include "core/http/http1/field_parser.h"

#include <cstring>

#include "lib/text/ascii.h"

namespace postern {
namespace {

// What has been found so far.
struct Parse {
  FieldKind section;
  HeaderMap* headers;
  FramingFields* framing;
  bool named_options = false;  // Connection names fields of its own
  bool transfer_encoding = false;
};

bool IsOws(char c) { return c == ' ' || c == '\t'; }

// Calls `visit` with each element of a comma-separated list (RFC 9110 §5.6.1), empty ones left out.
template <typename Visit>
void EachElement(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    const std::string_view element = TrimOws(list.substr(0, comma));
    if (!element.empty()) visit(element);
    if (comma == list.npos) return;
    list.remove_prefix(comma + 1);
  }
}

// RFC 9112 §6.3: digits and nothing else; lists, signs and white space inside are refused.
bool ParseContentLength(std::string_view text, uint64_t* out) {
  if (text.empty() || text.size() > 18) return false;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  *out = value;
  return true;
}

void OnConnection(Parse* parse, std::string_view value) {
  FramingFields* framing = parse->framing;
  framing->connection = framing->connection.empty()
                            ? value
                            : parse->headers->arena()->Concat(framing->connection, ", ", value);
  EachElement(value, [&](std::string_view option) {
    if (EqualsIgnoreCase(option, "close")) {
      framing->connection_close = true;
    } else if (EqualsIgnoreCase(option, "keep-alive")) {
      framing->connection_keep_alive = true;
    } else if (EqualsIgnoreCase(option, "upgrade")) {
      framing->connection_upgrade = true;
    } else {
      parse->named_options = true;
    }
  });
}

std::string_view OnTransferEncoding(Parse* parse, std::string_view value) {
  if (parse->transfer_encoding) return "transfer_encoding_repeated";
  parse->transfer_encoding = true;
  if (EqualsIgnoreCase(value, "chunked")) {
    parse->framing->chunked = true;
    return {};
  }
  // Known shape, unknown coding: "gzip, chunked". Everything else could be read in two ways.
  std::string_view last;
  size_t chunked = 0;
  bool tokens = true;
  EachElement(value, [&](std::string_view coding) {
    last = coding;
    tokens = tokens && IsToken(coding);
    chunked += EqualsIgnoreCase(coding, "chunked") ? 1 : 0;
  });
  if (!tokens || chunked != 1 || !EqualsIgnoreCase(last, "chunked")) return "transfer_encoding";
  parse->framing->unknown_coding = true;
  return {};
}

// One field; returns what is wrong with it, or nothing.
std::string_view OnField(std::string_view name, std::string_view value, Parse* parse) {
  FramingFields* framing = parse->framing;
  const HeaderId id = LookupHeader(name);
  if (parse->section == FieldKind::kTrailers) {
    switch (id) {
      case HeaderId::kTransferEncoding:
      case HeaderId::kContentLength:
      case HeaderId::kHost:
        return "trailer_framing_field";  // RFC 9110 §6.5.1
      case HeaderId::kConnection:
      case HeaderId::kKeepAlive:
      case HeaderId::kProxyConnection:
      case HeaderId::kUpgrade:
      case HeaderId::kTe:
      case HeaderId::kTrailer:
      case HeaderId::kExpect:
      case HeaderId::kAuthorization:
      case HeaderId::kCookie:
      case HeaderId::kSetCookie:
      case HeaderId::kContentType:
      case HeaderId::kContentEncoding:
      case HeaderId::kCacheControl:
      case HeaderId::kXApiKey:
      case HeaderId::kXForwardedFor:
      case HeaderId::kXForwardedHost:
      case HeaderId::kXForwardedPort:
      case HeaderId::kXForwardedProto:
        return {};  // must not be merged into the head's meaning: dropped (RFC 9110 §6.5.1)
      default:
        parse->headers->Add(id, name, value);
        return {};
    }
  }
  switch (id) {
    case HeaderId::kHost:
      if (parse->section == FieldKind::kResponse) break;
      ++framing->hosts;
      framing->host = value;
      return {};
    case HeaderId::kContentLength:
      if (framing->has_content_length) return "content_length_repeated";
      if (!ParseContentLength(value, &framing->content_length)) return "content_length";
      framing->has_content_length = true;
      return {};
    case HeaderId::kTransferEncoding:
      return OnTransferEncoding(parse, value);
    case HeaderId::kConnection:
      OnConnection(parse, value);
      return {};
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kHttp2Settings:
      return {};
    case HeaderId::kTrailer:
      return {};  // announces hop-by-hop framing of the chunked coding; written anew where needed
    case HeaderId::kTe:
      if (parse->section == FieldKind::kRequest) {
        EachElement(value, [&](std::string_view coding) {
          if (EqualsIgnoreCase(TrimOws(coding.substr(0, coding.find(';'))), "trailers")) {
            framing->te_trailers = true;
          }
        });
      }
      return {};
    case HeaderId::kUpgrade:
      framing->upgrade = value;
      return {};
    case HeaderId::kExpect:
      if (parse->section != FieldKind::kRequest) break;
      if (EqualsIgnoreCase(value, "100-continue")) {
        framing->expect_continue = true;
      } else {
        framing->expect_unknown = true;
      }
      return {};
    default:
      break;
  }
  parse->headers->Add(id, name, value);
  return {};
}

}  // namespace

std::string_view ParseFields(std::string_view block, FieldKind section, size_t max_count,
                             HeaderMap* headers, FramingFields* framing) {
  Parse parse = {.section = section, .headers = headers, .framing = framing};
  size_t count = 0;
  const char* at = block.data();
  const char* const end = at + block.size();
  while (at < end && *at != '\r') {
    const char* const name = at;
    while (at < end && kTokenChars.Has(*at)) ++at;
    const std::string_view name_view(name, static_cast<size_t>(at - name));
    if (name_view.empty() || at == end || *at != ':') return "field_grammar";
    do {
      ++at;
    } while (at < end && IsOws(*at));
    const char* const value = at;
    const auto left = static_cast<size_t>(end - at);
    const char* line_end = static_cast<const char*>(std::memchr(at, '\r', left));
    if (line_end == nullptr) return "field_grammar";
    at = line_end + 2;
    while (line_end > value && IsOws(line_end[-1])) --line_end;
    if (++count > max_count) return "field_count";
    const std::string_view error =
        OnField(name_view, {value, static_cast<size_t>(line_end - value)}, &parse);
    if (!error.empty()) return error;
  }
  if (section != FieldKind::kTrailers) {
    // Both at once is how requests are smuggled (RFC 9112 §6.1, §11.2).
    if (parse.transfer_encoding && framing->has_content_length) return "length_and_coding";
    if (parse.named_options) {
      EachElement(framing->connection, [&](std::string_view option) { headers->Remove(option); });
    }
  }
  return {};
}

}  // namespace postern
