#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/text/ascii.h"
#include "lib/text/char_sink.h"

namespace postern {

/// Characters that may stand unescaped in a part of a URI (RFC 3986 §3, appendix A).
inline constexpr CharSet kPathSegmentChars =
    kUnreservedChars | kSubDelimChars | CharSet(":@");  // pchar
inline constexpr CharSet kPathChars = kPathSegmentChars | CharSet("/");
inline constexpr CharSet kQueryChars = kPathSegmentChars | CharSet("/?");

/// Unescaped in a name or value of a query: the unreserved characters, so that no reader of the
/// query can take a part of the data for a separator.
inline constexpr CharSet kQueryFieldChars = kUnreservedChars;

/// Unescaped in application/x-www-form-urlencoded (WHATWG URL §5.2).
inline constexpr CharSet kFormChars = kAlnumChars | CharSet("*-._");

/// Appends `text` with every byte outside `keep` as %XX, upper-case (RFC 3986 §2.1). '%' itself is
/// escaped too, so what is escaped already is escaped again.
void PercentEncode(std::string_view text, const CharSet& keep, CharSink& sink);
std::string PercentEncode(std::string_view text, const CharSet& keep);

/// Appends `text` as form data: like PercentEncode() with kFormChars, but space becomes '+'.
void FormEncode(std::string_view text, CharSink& sink);

/// Whether every '%' is followed by two hexadecimal digits (RFC 3986 §2.1).
bool HasValidEscapes(std::string_view text);

/// Decodes %XX. Strict: nullopt if HasValidEscapes() is false.
std::optional<std::string> PercentDecode(std::string_view text);

/// Decodes %XX and '+' to space into `sink`. A '%' that starts no escape stands for itself, which
/// never fails and is what rest-api.md §2.4 shows (a literal `%` is re-encoded as `%25`). The bytes
/// may be ill-formed UTF-8.
void FormDecode(std::string_view text, CharSink& sink);

/// Whether FormDecode() would change `text`.
bool NeedsFormDecoding(std::string_view text);

}  // namespace postern
