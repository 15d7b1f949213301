#include "lib/text/json_text.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <bit>
#include <cstdint>

namespace postern::json_text {
namespace {

bool IsPlain(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte >= 0x20 && byte != '"' && byte != '\\';
}

}  // namespace

size_t PlainPrefix(std::string_view text) {
  const char* at = text.data();
  const char* end = at + text.size();
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i last_control = _mm_set1_epi8(0x1F);
  while (end - at >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i control = _mm_cmpeq_epi8(_mm_max_epu8(bytes, last_control), last_control);
    const __m128i special = _mm_or_si128(
        control, _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(special));
    if (mask != 0) return static_cast<size_t>(at - text.data()) + std::countr_zero(mask);
    at += 16;
  }
#endif
  while (at != end && IsPlain(*at)) ++at;
  return static_cast<size_t>(at - text.data());
}

std::string_view ErrorText(rapidjson::ParseErrorCode code) {
  switch (code) {
    case rapidjson::kParseErrorDocumentEmpty:
      return "there is no JSON value";
    case rapidjson::kParseErrorDocumentRootNotSingular:
      return "there is more text after the JSON value; remove it";
    case rapidjson::kParseErrorValueInvalid:
      return "expected a JSON value";
    case rapidjson::kParseErrorObjectMissName:
      return "expected the name of a member, in double quotes (a comma before '}' is one too many)";
    case rapidjson::kParseErrorObjectMissColon:
      return "expected ':' after the name of a member";
    case rapidjson::kParseErrorObjectMissCommaOrCurlyBracket:
      return "expected ',' or '}' after a member of an object";
    case rapidjson::kParseErrorArrayMissCommaOrSquareBracket:
      return "expected ',' or ']' after an element of an array";
    case rapidjson::kParseErrorStringUnicodeEscapeInvalidHex:
      return "expected four hexadecimal digits after \\u";
    case rapidjson::kParseErrorStringUnicodeSurrogateInvalid:
      return "a \\u escape is half of a surrogate pair; write both halves";
    case rapidjson::kParseErrorStringEscapeInvalid:
      return "invalid character in a string; escape control characters, and use only the escapes "
             "of "
             "JSON";
    case rapidjson::kParseErrorStringMissQuotationMark:
      return "a string has no closing quote";
    case rapidjson::kParseErrorStringInvalidEncoding:
      return "a string is not UTF-8";
    case rapidjson::kParseErrorNumberTooBig:
    case rapidjson::kParseErrorTermination:  // JsonReader, for the same reason
      return "a number is too large or too small";
    case rapidjson::kParseErrorNumberMissFraction:
      return "expected digits after the decimal point";
    case rapidjson::kParseErrorNumberMissExponent:
      return "expected digits in the exponent";
    default:
      return "not JSON";
  }
}

}  // namespace postern::json_text
