#pragma once

#include <cstdint>
#include <string_view>

#include "lib/text/char_sink.h"

namespace postern {

/// Appends `text` as a JSON string, quotes included. Escaped are, as Jackson does it for the events
/// that AWS sends to functions: quote and backslash; backspace, form feed, line feed, carriage
/// return and tab by their short forms; other characters below U+0020 as \uXXXX with upper-case
/// digits. Everything else, '/' and U+007F included, passes as UTF-8; ill-formed UTF-8 becomes
/// U+FFFD as AppendValidUtf8() does it.
void AppendJsonString(std::string_view text, CharSink& sink);

/// Writes compact JSON (no white space) front to back. Commas come by themselves; that objects,
/// keys and ends are in an order which makes sense is the caller's part and not checked. Whether
/// everything fitted is asked of the sink. Not thread-safe.
class JsonWriter {
 public:
  explicit JsonWriter(CharSink* sink) : sink_(*sink) {}
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;

  void BeginObject() { Begin('{'); }
  void EndObject() { End('}'); }
  void BeginArray() { Begin('['); }
  void EndArray() { End(']'); }

  /// The name of the next member; its value must follow.
  void Key(std::string_view name) {
    Comma();
    AppendJsonString(name, sink_);
    sink_.Append(':');
    comma_ = false;
  }

  /// The same for a name that is known to need no escaping, as all names of an event.
  void PlainKey(std::string_view name) {
    Comma();
    sink_.Append('"');
    sink_.Append(name);
    sink_.Append("\":");
    comma_ = false;
  }

  void String(std::string_view text) {
    Value();
    AppendJsonString(text, sink_);
  }

  /// `bytes` as a string in base64 (RFC 4648 §4), without a copy in between.
  void Base64(std::string_view bytes);

  void Int(int64_t number);
  void Uint(uint64_t number);

  /// The shortest digits that read back as the same number, with `.0` behind a whole one as Java
  /// writes it. JSON has no NaN and no infinity: these become null.
  void Double(double number);

  void Bool(bool value) {
    Value();
    sink_.Append(value ? std::string_view("true") : std::string_view("false"));
  }

  void Null() {
    Value();
    sink_.Append("null");
  }

  /// A value that is JSON already, unchecked.
  void Raw(std::string_view json) {
    Value();
    sink_.Append(json);
  }

 private:
  void Comma() {
    if (comma_) sink_.Append(',');
  }
  void Value() {
    Comma();
    comma_ = true;
  }
  void Begin(char bracket) {
    Comma();
    sink_.Append(bracket);
    comma_ = false;
  }
  void End(char bracket) {
    sink_.Append(bracket);
    comma_ = true;
  }

  CharSink& sink_;
  bool comma_ = false;  // a value stands before the next one
};

}  // namespace postern
