#include "lib/aws/sts.h"

#include <array>
#include <charconv>
#include <chrono>

#include "lib/text/ascii.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/json_reader.h"
#include "lib/text/percent.h"

namespace postern::aws {
namespace {

void AddField(std::string_view name, std::string_view value, std::string* form) {
  if (value.empty()) return;
  StringSink sink(form);
  sink.Append('&');
  sink.Append(name);
  sink.Append('=');
  PercentEncode(value, kUnreservedChars, sink);
}

std::string RoleForm(std::string_view action, const RoleStep& role, std::string_view session_name) {
  std::string form = Concat("Action=", action, "&Version=2011-06-15");
  AddField("RoleArn", role.role_arn, &form);
  AddField("RoleSessionName", role.session_name.empty() ? session_name : role.session_name, &form);
  AddField("DurationSeconds", Concat(role.duration_s), &form);
  return form;
}

// Decimal digits of exactly this width.
std::optional<int> Digits(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return std::nullopt;
  int value = 0;
  for (char c : text.substr(at, count)) {
    if (!IsDigit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<int64_t> ToMs(int year, int month, int day, int hour, int minute, int second) {
  using std::chrono::sys_days;
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const int64_t days = sys_days(date).time_since_epoch().count();
  return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000;
}

struct Entity {
  std::string_view name;
  char c;
};
constexpr Entity kEntities[] = {
    {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};

}  // namespace

std::string AssumeRoleForm(const RoleStep& role, std::string_view session_name) {
  std::string form = RoleForm("AssumeRole", role, session_name);
  AddField("ExternalId", role.external_id, &form);
  return form;
}

std::string AssumeRoleWithWebIdentityForm(const RoleStep& role, std::string_view session_name,
                                          std::string_view token) {
  std::string form = RoleForm("AssumeRoleWithWebIdentity", role, session_name);
  AddField("WebIdentityToken", token, &form);
  return form;
}

std::optional<std::string> XmlElement(std::string_view xml, std::string_view name) {
  const std::string open = Concat('<', name, '>');
  const std::string close = Concat("</", name, '>');
  const size_t begin = xml.find(open);
  if (begin == xml.npos) return std::nullopt;
  const size_t end = xml.find(close, begin + open.size());
  if (end == xml.npos) return std::nullopt;
  std::string_view text = xml.substr(begin + open.size(), end - begin - open.size());
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    bool replaced = false;
    if (text[0] == '&') {
      for (const Entity& entity : kEntities) {
        if (!text.starts_with(entity.name)) continue;
        out += entity.c;
        text.remove_prefix(entity.name.size());
        replaced = true;
        break;
      }
    }
    if (replaced) continue;
    out += text[0];
    text.remove_prefix(1);
  }
  return out;
}

absl::StatusOr<Credentials> ParseStsAnswer(int status, std::string_view body) {
  if (status != 200) {
    const std::string code = XmlElement(body, "Code").value_or("");
    const std::string text = Concat("STS answers ", status, code.empty() ? "" : " ", code, ": ",
                                    XmlElement(body, "Message").value_or("(no message)"));
    const bool again = status >= 500 || status == 429 || code == "IDPCommunicationError" ||
                       code == "InvalidIdentityToken" || code == "Throttling";
    return again ? absl::UnavailableError(text) : absl::PermissionDeniedError(text);
  }
  Credentials out(XmlElement(body, "AccessKeyId").value_or(""),
                  XmlElement(body, "SecretAccessKey").value_or(""),
                  XmlElement(body, "SessionToken").value_or(""));
  const std::optional<int64_t> expires = ParseIsoTime(XmlElement(body, "Expiration").value_or(""));
  if (!out.complete() || out.session_token.empty() || !expires.has_value()) {
    return absl::UnavailableError("STS answers 200 without credentials");
  }
  out.expires_at_ms = *expires;
  return out;
}

absl::StatusOr<Credentials> ParseEndpointAnswer(std::string_view body) {
  JsonReader reader;
  if (!reader.Parse(body).ok()) {
    return absl::UnavailableError("the credential endpoint does not answer with JSON");
  }
  const JsonValue root = reader.root();
  const auto text = [&root](std::string_view name) {
    return std::string(root.Find(name).AsString().value_or(""));
  };
  if (const std::string code = text("Code"); !code.empty() && code != "Success") {
    return absl::UnavailableError(Concat("the credential endpoint says ", code));
  }
  Credentials out(text("AccessKeyId"), text("SecretAccessKey"), text("Token"));
  if (!out.complete()) {
    return absl::UnavailableError("the credential endpoint answers without credentials");
  }
  if (const std::string expiration = text("Expiration"); !expiration.empty()) {
    const std::optional<int64_t> expires = ParseIsoTime(expiration);
    if (!expires.has_value()) {
      return absl::UnavailableError("the credential endpoint gives an Expiration that is no time");
    }
    out.expires_at_ms = *expires;
  }
  return out;
}

std::optional<int64_t> ParseIsoTime(std::string_view text) {
  const auto year = Digits(text, 0, 4), month = Digits(text, 5, 2), day = Digits(text, 8, 2);
  const auto hour = Digits(text, 11, 2), minute = Digits(text, 14, 2), second = Digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' ||
      text[16] != ':') {
    return std::nullopt;
  }
  auto ms = ToMs(*year, *month, *day, *hour, *minute, *second);
  if (!ms) return std::nullopt;
  std::string_view rest = text.substr(19);
  if (!rest.empty() && rest[0] == '.') {
    size_t digits = 1;
    int scale = 100;
    while (digits < rest.size() && IsDigit(rest[digits])) {
      *ms += (rest[digits] - '0') * scale;
      scale /= 10;
      ++digits;
    }
    if (digits == 1) return std::nullopt;
    rest.remove_prefix(digits);
  }
  if (rest == "Z" || rest == "z") return ms;
  const auto hours = Digits(rest, 1, 2), minutes = Digits(rest, 4, 2);
  if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':' || !hours ||
      !minutes) {
    return std::nullopt;
  }
  const int64_t offset = (int64_t{*hours} * 60 + *minutes) * 60000;
  return rest[0] == '+' ? *ms - offset : *ms + offset;
}

std::optional<int64_t> ParseHttpDate(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || !text.ends_with(" GMT") || text[3] != ',') return std::nullopt;
  const auto day = Digits(text, 5, 2), year = Digits(text, 12, 4);
  const auto hour = Digits(text, 17, 2), minute = Digits(text, 20, 2), second = Digits(text, 23, 2);
  if (!day || !year || !hour || !minute || !second) return std::nullopt;
  for (size_t month = 0; month < kMonths.size(); ++month) {
    if (text.substr(8, 3) == kMonths[month]) {
      return ToMs(*year, static_cast<int>(month) + 1, *day, *hour, *minute, *second);
    }
  }
  return std::nullopt;
}

}  // namespace postern::aws
