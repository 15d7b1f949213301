// Everything of a definition's mappings that is text: expressions, patterns, URIs, the mock's
// status, bodies to be converted.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/mapping/content_handling.h"
#include "lib/mapping/expression.h"
#include "lib/mapping/mock_status.h"
#include "lib/mapping/selection_pattern.h"
#include "lib/mapping/uri_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      for (const auto& source : {ParseRequestSource(text), ParseResponseSource(text),
                                 ParseGatewayResponseSource(text)}) {
        if (source.ok() && FormatMappingSource(*source) != text) __builtin_trap();
      }
      if (const auto target = ParseRequestTarget(text);
          target.ok() && FormatRequestTarget(*target) != text) {
        __builtin_trap();
      }
      if (const auto target = ParseResponseTarget(text);
          target.ok() && FormatResponseTarget(*target) != text) {
        __builtin_trap();
      }
      break;
    case 1:
      if (const auto pattern = SelectionPattern::Compile(text.substr(0, text.size() / 2));
          pattern.ok()) {
        pattern->Matches(text.substr(text.size() / 2));
      }
      break;
    case 2: {
      const std::string prefix = "/" + std::string(text.substr(0, text.size() / 2));
      const UriTemplate uri(prefix, text.substr(text.size() / 2));
      std::string out;
      StringSink sink(&out);
      for (const UriTemplate::Piece& piece : uri.pieces()) {
        sink.Append(piece.literal);
        UriTemplate::AppendValue(piece, text, UriTemplate::Encoding::kEscaped, sink);
        UriTemplate::AppendUnresolved(piece, sink);
      }
      sink.Finish();
      // A target in origin form.
      if (!out.starts_with('/')) __builtin_trap();
      for (const char c : out) {
        if (c <= ' ' || c == '"' || c == '#' || c == 0x7F) __builtin_trap();
      }
      break;
    }
    case 3:
      FindMockStatus(text);
      break;
    default: {
      std::string room;
      for (const ContentHandling handling :
           {ContentHandling::kNone, ContentHandling::kToBinary, ContentHandling::kToText}) {
        for (const bool binary : {false, true}) {
          ConvertRequestBody(text, binary, handling, &room);
          ConvertResponseBody(text, binary, !binary, handling, &room);
        }
      }
    }
  }
  return 0;
}
