// Two parsers read a field section alike: what ParseFields() accepts llhttp accepts too, and both
// see the same fields in the same order. (llhttp lets more pass: an empty name, say.)

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/http/http1/field_oracle.h"
#include "core/http/http1/field_parser.h"
#include "core/http/http1/head_scanner.h"

namespace postern {
namespace {

void Check(std::string_view block, FieldKind kind) {
  BlockPool pool;
  Arena arena{&pool};
  HeaderMap headers(&arena);
  FramingFields framing;
  if (!ParseFields(block, kind, 64, &headers, &framing).empty()) return;
  const FieldOracle oracle(block, kind == FieldKind::kResponse);
  if (!oracle.accepted()) {
    // It takes no tab behind the digits, which is optional white space too (RFC 9110 §5.6.3).
    if (oracle.error == HPE_INVALID_CONTENT_LENGTH && block.find('\t') != block.npos) return;
    std::abort();
  }
  const HeaderField* ours = headers.begin();
  for (const auto& [name, value] : oracle.fields) {
    if (ours != headers.end() && ours->name == name && ours->value == value) ++ours;
  }
  if (ours != headers.end()) std::abort();
}

}  // namespace
}  // namespace postern

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string block = std::string(reinterpret_cast<const char*>(data), size) + "\r\n\r\n";
  postern::HeadScanner scanner(/*start_line=*/false);
  if (scanner.Scan(block) != postern::HeadScanner::Result::kComplete) return 0;
  const std::string_view section = std::string_view(block).substr(0, scanner.end());
  postern::Check(section, postern::FieldKind::kRequest);
  postern::Check(section, postern::FieldKind::kResponse);
  return 0;
}
