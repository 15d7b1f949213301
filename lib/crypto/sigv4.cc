#include "lib/crypto/sigv4.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>
#include <vector>

#include "lib/text/ascii.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/percent.h"

namespace postern::sigv4 {
namespace {

constexpr CharSet kPathKept = kUnreservedChars | CharSet("/");
constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kTerminator = "aws4_request";

// RFC 3986 §5.2.4 on whole segments, with empty ones dropped as well. A trailing slash stays, also
// where "." or ".." was last.
std::string Normalize(std::string_view path) {
  std::vector<std::string_view> kept;
  bool slash_at_end = true;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    slash_at_end = end < path.size();
    path.remove_prefix(std::min(end + 1, path.size()));
    if (segment.empty() || segment == ".") {
      if (segment == ".") slash_at_end = true;
    } else if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
      slash_at_end = true;
    } else {
      kept.push_back(segment);
    }
  }
  std::string out;
  for (std::string_view segment : kept) {
    out += '/';
    out += segment;
  }
  if (out.empty() || slash_at_end) out += '/';
  return out;
}

// Percent-decoded and encoded anew; a '+' is itself in a path and a space in a query.
void AppendEncodedOnce(std::string_view text, const CharSet& keep, bool form, CharSink& sink) {
  for (size_t i = 0; i < text.size();) {
    // What is in its final form already passes as it is.
    size_t plain = i;
    while (plain < text.size() && keep.Has(text[plain])) ++plain;
    sink.Append(text.substr(i, plain - i));
    i = plain;
    if (i == text.size()) return;
    char c = text[i++];
    if (c == '%' && i + 1 < text.size() && HexValue(text[i]) >= 0 && HexValue(text[i + 1]) >= 0) {
      c = static_cast<char>(HexValue(text[i]) * 16 + HexValue(text[i + 1]));
      i += 2;
    } else if (c == '+' && form) {
      c = ' ';
    }
    PercentEncode(std::string_view(&c, 1), keep, sink);
  }
}

std::string DecodeAndEncode(std::string_view text) {
  std::string out;
  {
    StringSink sink(&out);
    AppendEncodedOnce(text, kUnreservedChars, /*form=*/true, sink);
  }
  return out;
}

// Whether Normalize() would leave `path` as it is.
bool IsNormal(std::string_view path) {
  return path[0] == '/' && path.find("//") == path.npos && path.find("/.") == path.npos;
}

// Both ends trimmed, runs of white space (a folded line's end included) become one space.
void AppendTrimmed(std::string_view value, std::string* out) {
  bool gap = false;
  bool any = false;
  for (char c : value) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      gap = any;
      continue;
    }
    if (gap) *out += ' ';
    gap = false;
    any = true;
    *out += c;
  }
}

}  // namespace

std::string CanonicalPath(std::string_view path, PathForm form) {
  if (path.empty()) return "/";
  switch (form) {
    case PathForm::kOnce: {
      std::string out;
      {
        StringSink sink(&out);
        AppendEncodedOnce(path, kPathKept, /*form=*/false, sink);
      }
      return out;
    }
    case PathForm::kNormalized:
      if (!IsNormal(path)) return PercentEncode(Normalize(path), kPathKept);
      break;
    case PathForm::kAsSent:
      break;
  }
  return PercentEncode(path, kPathKept);
}

std::string CanonicalQuery(std::string_view query, std::string_view drop) {
  if (query.empty()) return {};
  std::vector<std::pair<std::string, std::string>> parameters;
  const std::string dropped = PercentEncode(drop, kUnreservedChars);
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view piece = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (piece.empty()) continue;
    const size_t equals = std::min(piece.find('='), piece.size());
    std::string name = DecodeAndEncode(piece.substr(0, equals));
    if (!drop.empty() && name == dropped) continue;
    parameters.emplace_back(std::move(name), equals < piece.size()
                                                 ? DecodeAndEncode(piece.substr(equals + 1))
                                                 : std::string());
  }
  std::sort(parameters.begin(), parameters.end());
  std::string out;
  for (const auto& [name, value] : parameters) {
    if (!out.empty()) out += '&';
    out += name;
    out += '=';
    out += value;
  }
  return out;
}

std::string CanonicalRequest(const Request& request, std::string_view signed_names, PathForm form,
                             std::string_view drop_parameter) {
  std::string out;
  size_t size = request.method.size() + 3 * request.path.size() + 3 * request.query.size() +
                2 * signed_names.size() + request.payload_hash.size() + 64;
  for (const Field& field : request.fields) size += field.name.size() + field.value.size() + 2;
  out.reserve(size);
  out += request.method;
  out += '\n';
  out += CanonicalPath(request.path, form);
  out += '\n';
  out += CanonicalQuery(request.query, drop_parameter);
  out += '\n';
  for (std::string_view rest = signed_names; !rest.empty();) {
    const size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view name = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    out += name;
    out += ':';
    bool first = true;
    for (const Field& field : request.fields) {
      if (!EqualsIgnoreCase(field.name, name)) continue;
      if (!first) out += ',';
      first = false;
      AppendTrimmed(field.value, &out);
    }
    out += '\n';
  }
  out += '\n';
  out += signed_names;
  out += '\n';
  out += request.payload_hash;
  return out;
}

std::string SignedNames(std::span<const Field> fields) {
  std::vector<std::string> names;
  names.reserve(fields.size());
  for (const Field& field : fields) names.push_back(AsciiToLower(field.name));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) out += ';';
    out += name;
  }
  return out;
}

std::string ScopeText(const Scope& scope) {
  return Concat(scope.date, '/', scope.region, '/', scope.service, '/', kTerminator);
}

std::string StringToSign(std::string_view amz_date, const Scope& scope,
                         std::string_view canonical_request) {
  return Concat(kAlgorithm, '\n', amz_date, '\n', ScopeText(scope), '\n',
                Sha256Hex(canonical_request));
}

Sha256Digest SigningKey(std::string_view secret_access_key, const Scope& scope) {
  const Sha256Digest date = HmacSha256(Concat("AWS4", secret_access_key), scope.date);
  const Sha256Digest region = HmacSha256(date, scope.region);
  const Sha256Digest service = HmacSha256(region, scope.service);
  return HmacSha256(service, kTerminator);
}

std::string Signature(const Sha256Digest& key, std::string_view string_to_sign) {
  return DigestToHex(HmacSha256(key, string_to_sign));
}

std::string Authorization(std::string_view access_key_id, const Scope& scope,
                          std::string_view signed_names, std::string_view signature) {
  return Concat(kAlgorithm, " Credential=", access_key_id, '/', ScopeText(scope),
                ", SignedHeaders=", signed_names, ", Signature=", signature);
}

std::string AmzDate(int64_t unix_seconds) {
  using std::chrono::days;
  using std::chrono::floor;
  using std::chrono::seconds;
  const std::chrono::sys_seconds at{seconds(unix_seconds)};
  const auto day = floor<days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  char text[32];
  const int size = std::snprintf(
      text, sizeof(text), "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
      static_cast<int>(time.seconds().count()));
  return std::string(text, static_cast<size_t>(size));
}

}  // namespace postern::sigv4
