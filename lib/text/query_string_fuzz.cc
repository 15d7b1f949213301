#include <cstddef>
#include <cstdint>
#include <string>

#include "lib/text/percent.h"
#include "lib/text/query_string.h"
#include "lib/text/utf8.h"

namespace postern {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  QueryParameters parameters;
  if (!parameters.Parse(input, 1000).ok()) return 0;

  // Encoded again, the fields read back as they were.
  std::string encoded;
  StringSink sink(&encoded);
  bool first = true;
  for (const auto& field : parameters.fields()) {
    if (!IsValidUtf8(field.name) || !IsValidUtf8(field.value)) __builtin_trap();
    AppendQueryField(field.name, field.value, &first, sink);
    if (!parameters.Last(field.name).has_value()) __builtin_trap();
  }
  sink.Finish();
  QueryParameters again;
  if (!again.Parse(encoded, 1000).ok()) __builtin_trap();
  if (again.fields().size() != parameters.fields().size()) __builtin_trap();
  for (size_t i = 0; i < again.fields().size(); ++i) {
    if (again.fields()[i].name != parameters.fields()[i].name) __builtin_trap();
    if (again.fields()[i].value != parameters.fields()[i].value) __builtin_trap();
  }

  if (PercentDecode(input).has_value() != HasValidEscapes(input)) __builtin_trap();
  if (PercentDecode(PercentEncode(input, kPathSegmentChars)) != input) __builtin_trap();
  return 0;
}

}  // namespace postern
