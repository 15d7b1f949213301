#include "core/http/http1/field_parser.h"

#include <llhttp.h>

#include <cstring>

namespace postern {
namespace {

// What the callbacks work on; llhttp_t::data points here.
struct Parse {
  FieldKind section;
  size_t max_count;
  size_t count = 0;
  HeaderMap* headers;
  FramingFields* framing;
  std::string_view name;
  std::string_view value;
  bool named_options = false;  // Connection names fields of its own
  bool transfer_encoding = false;
  std::string_view error;
};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls `visit` with each element of a comma-separated list (RFC 9110 §5.6.1), empty ones left out.
template <typename Visit>
void EachElement(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    const std::string_view element = Trim(list.substr(0, comma));
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
std::string_view OnField(Parse* parse) {
  if (++parse->count > parse->max_count) return "field_count";
  if (parse->name.empty()) return "field_grammar";  // llhttp lets ": x" pass
  const std::string_view name = parse->name;
  const std::string_view value = Trim(parse->value);
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
          if (EqualsIgnoreCase(Trim(coding.substr(0, coding.find(';'))), "trailers")) {
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

int OnName(llhttp_t* parser, const char* at, size_t size) {
  static_cast<Parse*>(parser->data)->name = {at, size};
  return HPE_OK;
}

int OnValue(llhttp_t* parser, const char* at, size_t size) {
  static_cast<Parse*>(parser->data)->value = {at, size};
  return HPE_OK;
}

int OnValueComplete(llhttp_t* parser) {
  auto* parse = static_cast<Parse*>(parser->data);
  parse->error = OnField(parse);
  parse->name = {};
  parse->value = {};
  return parse->error.empty() ? HPE_OK : HPE_USER;
}

// The message's content is framed elsewhere; llhttp's work ends with the fields.
int OnHeadersComplete(llhttp_t*) { return HPE_PAUSED; }

// llhttp after a start line: the line itself is parsed by the codec, which accepts methods and
// statuses llhttp has no number for. Copying the state costs less than parsing a line again.
struct Prototype {
  llhttp_settings_t settings;
  llhttp_t request;
  llhttp_t response;

  Prototype() {
    llhttp_settings_init(&settings);
    settings.on_header_field = OnName;
    settings.on_header_value = OnValue;
    settings.on_header_value_complete = OnValueComplete;
    settings.on_headers_complete = OnHeadersComplete;
    llhttp_init(&request, HTTP_REQUEST, &settings);
    static constexpr std::string_view kRequestLine = "GET / HTTP/1.1\r\n";
    llhttp_execute(&request, kRequestLine.data(), kRequestLine.size());
    llhttp_init(&response, HTTP_RESPONSE, &settings);
    static constexpr std::string_view kStatusLine = "HTTP/1.1 200 OK\r\n";
    llhttp_execute(&response, kStatusLine.data(), kStatusLine.size());
  }
};

const Prototype& GetPrototype() {
  static const Prototype* prototype = new Prototype();
  return *prototype;
}

// A copy with spaces for tabs where lines end: llhttp takes no tab behind a Content-Length,
// although that is optional white space as well (RFC 9110 §5.6.3).
std::string_view TabsAtLineEndsToSpaces(std::string_view block, Arena* arena) {
  char* copy = arena->Allocate(block.size(), 1);
  bool at_end = false;
  for (size_t i = block.size(); i > 0; --i) {
    const char c = block[i - 1];
    at_end = c == '\r' || c == '\n' || (at_end && (c == ' ' || c == '\t'));
    copy[i - 1] = at_end && c == '\t' ? ' ' : c;
  }
  return {copy, block.size()};
}

}  // namespace

std::string_view ParseFields(std::string_view block, FieldKind section, size_t max_count,
                             HeaderMap* headers, FramingFields* framing) {
  const Prototype& prototype = GetPrototype();
  llhttp_t parser = section == FieldKind::kRequest ? prototype.request : prototype.response;
  Parse parse = {.section = section,
                 .max_count = max_count,
                 .headers = headers,
                 .framing = framing,
                 .name = {},
                 .value = {},
                 .error = {}};
  parser.data = &parse;
  const llhttp_errno_t result = llhttp_execute(&parser, block.data(), block.size());
  if (!parse.error.empty()) return parse.error;
  if (result != HPE_PAUSED) {
    switch (result) {
      case HPE_INVALID_HEADER_TOKEN:
        return "field_grammar";
      case HPE_INVALID_CONTENT_LENGTH:
        if (section != FieldKind::kTrailers && *llhttp_get_error_pos(&parser) == '\t') {
          const std::string_view spaced = TabsAtLineEndsToSpaces(block, headers->arena());
          if (spaced != block) {
            headers->Clear();
            *framing = {};
            return ParseFields(spaced, section, max_count, headers, framing);
          }
        }
        return "content_length";
      case HPE_UNEXPECTED_CONTENT_LENGTH:
        return "content_length";
      case HPE_INVALID_TRANSFER_ENCODING:
        return "transfer_encoding";
      default:
        return "field_syntax";
    }
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
