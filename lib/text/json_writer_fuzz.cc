#include <cstddef>
#include <cstdint>
#include <string>

#include "lib/text/base64.h"
#include "lib/text/char_sink.h"
#include "lib/text/json_reader.h"
#include "lib/text/json_writer.h"
#include "lib/text/utf8.h"

namespace postern {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto write = [input](CharSink& sink) {
    JsonWriter json(&sink);
    json.BeginObject();
    json.Key(input);
    json.String(input);
    json.PlainKey("base64");
    json.Base64(input);
    json.EndObject();
  };
  std::string text;
  StringSink sink(&text);
  write(sink);
  sink.Finish();

  JsonReader reader;
  if (!reader.Parse(text).ok()) __builtin_trap();
  const std::string valid = ReplaceInvalidUtf8(input);
  if (reader.root().NameAt(0) != valid || reader.root().At(0).AsString() != valid) __builtin_trap();
  if (reader.root().At(1).AsString() != Base64Encode(input)) __builtin_trap();

  // A sink that is too small gets a prefix and says so.
  std::string small(text.size() / 2, '\0');
  FixedSink fixed(small.data(), small.size());
  write(fixed);
  if (!fixed.failed() || !text.starts_with(fixed.written())) __builtin_trap();
  return 0;
}

}  // namespace postern
