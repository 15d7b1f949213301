#include "core/observe/access_log_format.h"

#include <rapidjson/document.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

constexpr std::string_view kContext = "$context";
// What a variable takes that finds no room for its value: "null", or "-".
constexpr size_t kMissingSize = 4;

bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsNameChar(char c) { return IsNameStart(c) || (c >= '0' && c <= '9'); }

// Size of the dotted name at the start of `text`. A dot belongs to it if a name follows, and so
// does a colon in a claim's name (`authorizer.claims.cognito:username`).
size_t NameSize(std::string_view text) {
  constexpr std::string_view kClaims = "authorizer.claims.";
  size_t size = 0;
  while (size < text.size()) {
    if (IsNameChar(text[size])) {
      ++size;
    } else if ((text[size] == '.' || (text[size] == ':' && text.starts_with(kClaims))) &&
               size + 1 < text.size() && IsNameChar(text[size + 1])) {
      size += 2;
    } else {
      break;
    }
  }
  return size;
}

// A name as an error message shows it.
std::string Shown(std::string_view name) {
  constexpr size_t kMax = 64;
  return name.size() <= kMax ? std::string(name) : Concat(name.substr(0, kMax), "…");
}

enum class Escape : uint8_t { kJson, kText, kXml, kCsv, kNone };

enum ByteClass : uint8_t { kPlain, kMarkup, kSpecial, kHigh };

constexpr std::array<ByteClass, 256> MakeClasses() {
  std::array<ByteClass, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    classes[c] = c >= 0x80                                                   ? kHigh
                 : c < 0x20 || c == 0x7f || c == '"' || c == '\\'            ? kSpecial
                 : c == '<' || c == '>' || c == '&' || c == '\'' || c == ',' ? kMarkup
                                                                             : kPlain;
  }
  return classes;
}
constexpr std::array<ByteClass, 256> kClasses = MakeClasses();

// Takes a value's bytes and puts them, escaped, into a buffer. Stops at whole characters when the
// limit is met.
class EscapingSink final : public CharSink {
 public:
  EscapingSink(char* out, size_t limit, Escape escape)
      : begin_(out), out_(out), limit_(out + limit), escape_(escape) {
    cur_ = window_;
    end_ = window_ + sizeof(window_);
  }

  // Ends the value; returns the bytes written.
  size_t Finish() {
    Flush(true);
    return static_cast<size_t>(out_ - begin_);
  }

  bool cut() const { return cut_; }
  /// A CSV value that needs quotes around it.
  bool quoted() const { return quoted_; }

 protected:
  bool Grow(size_t) override {
    Flush(false);
    // Once the limit is met nothing more is wanted.
    return !cut_;
  }

 private:
  void Put(std::string_view text) {
    if (cut_ || text.size() > static_cast<size_t>(limit_ - out_)) {
      cut_ = true;
      return;
    }
    std::memcpy(out_, text.data(), text.size());
    out_ += text.size();
  }

  void PutHex(std::string_view prefix, unsigned char byte) {
    static constexpr char kHex[] = "0123456789abcdef";
    char text[6];
    std::memcpy(text, prefix.data(), prefix.size());
    text[prefix.size()] = kHex[byte >> 4];
    text[prefix.size() + 1] = kHex[byte & 15];
    Put({text, prefix.size() + 2});
  }

  // What means something in XML or CSV only.
  void PutMarkup(unsigned char byte) {
    const char text = static_cast<char>(byte);
    if (escape_ != Escape::kXml || byte == ',') {
      quoted_ = quoted_ || byte == ',';
      Put({&text, 1});
    } else {
      Put(byte == '<' ? "&lt;" : byte == '>' ? "&gt;" : byte == '&' ? "&amp;" : "&apos;");
    }
  }

  void PutSpecial(unsigned char byte) {
    if (escape_ == Escape::kXml && byte == '"') {
      Put("&quot;");
    } else if (escape_ == Escape::kCsv && byte == '"') {
      quoted_ = true;
      Put("\"\"");
    } else if (escape_ != Escape::kJson) {
      PutHex("\\x", byte);
    } else if (byte == '"') {
      Put("\\\"");
    } else if (byte == '\\') {
      Put("\\\\");
    } else {
      PutHex("\\u00", byte);
    }
  }

  void PutIllFormed(std::string_view bytes) {
    if (escape_ == Escape::kText || escape_ == Escape::kCsv) {
      for (char c : bytes) PutHex("\\x", static_cast<unsigned char>(c));
    } else {
      Put(kReplacementCharacter);
    }
  }

  // Moves the window's bytes out, but for the start of a character that may go on.
  void Flush(bool last) {
    std::string_view rest(window_, static_cast<size_t>(cur_ - window_));
    if (escape_ == Escape::kNone) {
      Put(rest);
      rest = {};
    }
    while (!rest.empty() && !cut_) {
      const auto byte = static_cast<unsigned char>(rest[0]);
      switch (kClasses[byte]) {
        case kPlain: {
          size_t run = 1;
          while (run < rest.size() && kClasses[static_cast<unsigned char>(rest[run])] == kPlain) {
            ++run;
          }
          // A long run may be cut anywhere.
          const size_t fits = std::min(run, static_cast<size_t>(limit_ - out_));
          Put(rest.substr(0, fits));
          cut_ = fits < run;
          rest.remove_prefix(run);
          break;
        }
        case kMarkup:
          PutMarkup(byte);
          rest.remove_prefix(1);
          break;
        case kSpecial:
          PutSpecial(byte);
          rest.remove_prefix(1);
          break;
        case kHigh: {
          const Utf8Step step = NextUtf8(rest);
          // Ill-formed only because it ends here: the rest of it may be in the next window.
          if (!step.valid && !last && step.size == rest.size()) {
            std::memmove(window_, rest.data(), rest.size());
            cur_ = window_ + rest.size();
            return;
          }
          if (step.valid) {
            Put(rest.substr(0, step.size));
          } else {
            PutIllFormed(rest.substr(0, step.size));
          }
          rest.remove_prefix(step.size);
          break;
        }
      }
    }
    cur_ = window_;
  }

  char window_[256];
  char* begin_;
  char* out_;
  char* limit_;
  Escape escape_;
  bool cut_ = false;
  bool quoted_ = false;
};

// RFC 8259 §6.
bool IsJsonNumber(std::string_view text) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t start = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - start;
  };
  if (at < text.size() && text[at] == '-') ++at;
  const size_t whole = at;
  const size_t count = digits();
  if (count == 0 || (count > 1 && text[whole] == '0')) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

size_t PutText(std::string_view text, char* out) {
  std::memcpy(out, text.data(), text.size());
  return text.size();
}

}  // namespace

absl::StatusOr<AccessLogFormat> AccessLogFormat::Compile(std::string_view format) {
  while (!format.empty() && (format.back() == '\n' || format.back() == '\r')) {
    format.remove_suffix(1);
  }
  if (format.empty()) return absl::InvalidArgumentError("the access log format is empty");
  if (format.size() > kMaxFormat) {
    return absl::InvalidArgumentError(Concat("the access log format has ", format.size(),
                                             " bytes; at most ", kMaxFormat, " are allowed"));
  }
  for (size_t i = 0; i < format.size(); ++i) {
    const auto byte = static_cast<unsigned char>(format[i]);
    if (byte == '\n' || byte == '\r') {
      return absl::InvalidArgumentError(Concat(
          "the access log format must be a single line; column ", i + 1, " has a line break"));
    }
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
      return absl::InvalidArgumentError(
          Concat("the access log format has a control character in column ", i + 1));
    }
  }
  if (const size_t valid = ValidUtf8Prefix(format); valid != format.size()) {
    return absl::InvalidArgumentError(
        Concat("the access log format is not UTF-8 in column ", valid + 1));
  }

  AccessLogFormat compiled;
  bool has_id = false;
  Segment segment;
  const auto literal = [&](std::string_view text) {
    if (segment.literal_size == 0) segment.literal_start = compiled.text_.size();
    compiled.text_.append(text);
    segment.literal_size += text.size();
  };
  size_t at = 0;
  while (at < format.size()) {
    const size_t dollar = std::min(format.find('$', at), format.size());
    literal(format.substr(at, dollar - at));
    at = dollar;
    if (at == format.size()) break;
    const std::string_view rest = format.substr(at);
    // A dollar sign that begins no name is text.
    if (rest.size() < 2 || !(IsNameStart(rest[1]) || rest[1] == '{')) {
      literal("$");
      ++at;
      continue;
    }
    const bool is_context = rest.starts_with(kContext) && rest.size() > kContext.size() + 1 &&
                            rest[kContext.size()] == '.' && IsNameChar(rest[kContext.size() + 1]);
    if (!is_context) {
      const size_t size = 1 + NameSize(rest.substr(1));
      return absl::InvalidArgumentError(Concat("unknown variable ",
                                               Shown(rest.substr(0, std::max<size_t>(size, 2))),
                                               " in column ", at + 1,
                                               ": an access log format has only $context "
                                               "variables"));
    }
    const std::string_view name_start = rest.substr(kContext.size() + 1);
    const std::string_view name = name_start.substr(0, NameSize(name_start));
    segment.variable = ResolveVariable(name);
    if (segment.variable.id == VariableId::kUnknown) {
      return absl::InvalidArgumentError(
          Concat("unknown variable $context.", Shown(name), " in column ", at + 1));
    }
    has_id = has_id || segment.variable.id == VariableId::kRequestId ||
             segment.variable.id == VariableId::kExtendedRequestId;
    segment.has_variable = true;
    compiled.segments_.push_back(std::exchange(segment, {}));
    at += kContext.size() + 1 + name.size();
  }
  if (!has_id) {
    return absl::InvalidArgumentError(
        "the access log format must contain $context.requestId or $context.extendedRequestId");
  }
  if (segment.literal_size != 0) compiled.segments_.push_back(segment);
  // At most 3072 bytes of text and, with ten bytes a variable, 307 variables: values keep the most.
  compiled.value_budget_ =
      kMaxLine - compiled.text_.size() - compiled.segments_.size() * kMissingSize - 1;
  compiled.FindPlaces();
  return compiled;
}

// Decides what this is: JSON, XML, CSV or text.
void AccessLogFormat::FindPlaces() {
  json_ = FindJsonPlaces();
  if (json_ || FindCsvPlaces()) return;
  // Every access log of XML that API Gateway's own examples know is one element.
  const bool xml = text_.size() > 2 && text_[0] == '<' && IsNameStart(text_[1]) &&
                   !segments_.back().has_variable && text_.back() == '>';
  for (Segment& segment : segments_) segment.place = xml ? Place::kXml : Place::kText;
}

// CSV: commas, and variables that are whole columns, with or without quotes around them.
bool AccessLogFormat::FindCsvPlaces() {
  bool any_comma = false;
  bool in_quotes = false;
  for (size_t i = 0; i < segments_.size(); ++i) {
    Segment& segment = segments_[i];
    std::string_view literal = Literal(segment);
    if (i > 0) {
      // Behind a variable: the end of its column.
      if (in_quotes && !literal.starts_with('"')) return false;
      if (in_quotes) literal.remove_prefix(1);
      if (!literal.empty() && literal[0] != ',') return false;
      if (literal.empty() && segment.has_variable) return false;
    }
    any_comma = any_comma || literal.find(',') != literal.npos;
    in_quotes = false;
    if (segment.has_variable) {
      in_quotes = literal.ends_with('"');
      if (in_quotes) literal.remove_suffix(1);
      if (!literal.empty() && !literal.ends_with(',')) return false;
      segment.place = in_quotes ? Place::kCsvQuoted : Place::kCsv;
    }
    if (literal.find('"') != literal.npos) return false;
  }
  return any_comma && !in_quotes;
}

// JSON: an object or array, once a character stands for each variable inside quotes and a number
// for each outside.
bool AccessLogFormat::FindJsonPlaces() {
  std::string sample;
  bool in_string = false;
  bool escaped = false;
  bool alone = true;  // every variable outside of quotes is a whole value
  const auto any_of = [](std::string_view set, char c) { return set.find(c) != set.npos; };
  for (size_t i = 0; i < segments_.size(); ++i) {
    Segment& segment = segments_[i];
    const std::string_view literal = Literal(segment);
    if (i > 0 && segments_[i - 1].place == Place::kJsonValue &&
        (literal.empty() || !any_of(",}] \t", literal[0]))) {
      alone = false;
    }
    for (char c : literal) {
      if (!in_string) {
        in_string = c == '"';
      } else if (escaped) {
        escaped = false;
      } else if (c == '\\') {
        escaped = true;
      } else if (c == '"') {
        in_string = false;
      }
    }
    sample.append(literal);
    if (!segment.has_variable) continue;
    if (escaped) alone = false;
    segment.place = in_string ? Place::kJsonString : Place::kJsonValue;
    if (!in_string && (sample.empty() || !any_of(":,[ \t", sample.back()))) {
      alone = false;
    }
    sample.push_back(in_string ? 'x' : '0');
  }
  rapidjson::Document document;
  document.Parse<rapidjson::kParseValidateEncodingFlag | rapidjson::kParseIterativeFlag>(
      sample.data(), sample.size());
  return alone && !document.HasParseError() && (document.IsObject() || document.IsArray());
}

size_t AccessLogFormat::Write(const RequestContext& context, char* out, size_t room) const {
  // Everything but values always fits in what is checked here.
  const size_t fixed = kMaxLine - value_budget_;
  if (room < fixed) return 0;
  const bool whole_line = room >= kMaxLine;
  size_t budget = std::min(room - fixed, value_budget_);
  char* at = out;
  for (const Segment& segment : segments_) {
    if (segment.literal_size != 0) {
      at += PutText({text_.data() + segment.literal_start, segment.literal_size}, at);
    }
    if (!segment.has_variable) continue;
    const bool csv = segment.place == Place::kCsv || segment.place == Place::kCsvQuoted;
    const bool ready_json = segment.variable.id == VariableId::kErrorMessageString &&
                            (segment.place == Place::kJsonValue || segment.place == Place::kText);
    const bool quote =
        (segment.place == Place::kJsonValue && !ready_json) || segment.place == Place::kCsv;
    const Escape escape = ready_json                      ? Escape::kNone
                          : csv                           ? Escape::kCsv
                          : segment.place == Place::kXml  ? Escape::kXml
                          : segment.place == Place::kText ? Escape::kText
                                                          : Escape::kJson;
    const std::string_view missing = segment.place == Place::kJsonValue ? "null" : "-";
    const size_t quotes = quote ? 2 : 0;
    if (budget <= quotes) {
      if (!whole_line) return 0;
      at += PutText(missing, at);
      continue;
    }
    EscapingSink sink(at + quotes / 2, std::min(budget, kMaxValue) - quotes, escape);
    const bool known = AppendVariable(segment.variable, context, sink);
    size_t size = sink.Finish();
    if (sink.cut() && !whole_line) return 0;
    if (!known || (sink.cut() && escape == Escape::kNone)) {
      at += PutText(missing, at);
      continue;
    }
    if (quote) {
      const std::string_view value(at + 1, size);
      if (csv ? !sink.quoted() : IsJsonNumber(value) || value == "true" || value == "false") {
        std::memmove(at, at + 1, size);
      } else {
        at[0] = '"';
        at[size + 1] = '"';
        size += 2;
      }
    }
    at += size;
    budget -= size;
  }
  *at++ = '\n';
  return static_cast<size_t>(at - out);
}

}  // namespace postern
