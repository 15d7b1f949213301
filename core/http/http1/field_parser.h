#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/http/message.h"

namespace postern {

/// What the fields of an HTTP/1 head say about framing and the connection, found while they are
/// parsed. None of these fields stands in the HeaderMap.
struct FramingFields {
  uint16_t hosts = 0;
  std::string_view host;
  bool has_content_length = false;
  uint64_t content_length = 0;
  bool chunked = false;         ///< Transfer-Encoding is exactly "chunked"
  bool unknown_coding = false;  ///< Transfer-Encoding ends in chunked but has other codings before
  bool connection_close = false;
  bool connection_keep_alive = false;
  bool connection_upgrade = false;
  bool te_trailers = false;
  bool expect_continue = false;
  bool expect_unknown = false;
  std::string_view upgrade;
  std::string_view connection;  ///< raw field, several joined by ", "
};

/// The kinds of field section; they differ in which fields are refused.
enum class FieldKind : uint8_t { kRequest, kResponse, kTrailers };

/// Parses a field section to the letter of the grammar (RFC 9110 §5, RFC 9112 §5 and §6). `block`
/// holds the field lines and the empty line that ends them, as accepted by HeadScanner, which has
/// refused bare CR and LF, control characters and folding; it must live as long as `headers`.
/// Hop-by-hop fields, and those named by Connection, are left out of `headers`. Returns an empty
/// view, or the static token of what is wrong. "field_count" means that more than `max_count`
/// fields were sent.
std::string_view ParseFields(std::string_view block, FieldKind section, size_t max_count,
                             HeaderMap* headers, FramingFields* framing);

}  // namespace postern
