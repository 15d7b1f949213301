#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/text/char_sink.h"

namespace postern {

/// Path and query of a backend's URI with its placeholders, compiled (rest-api.md §6.5). Stage
/// variables are in place already. Immutable.
class UriTemplate {
 public:
  /// Text, and the placeholder behind it.
  struct Piece {
    std::string literal;  ///< encoded as a target needs it; escapes stay
    std::string name;     ///< of `{name}`; empty: none follows
    bool in_query = false;
  };

  /// How a value is written for a placeholder.
  enum class Encoding : uint8_t {
    kRaw,      ///< as it is: a path parameter as the client sent it (§3.3); in a query its escapes
               ///< stay
    kText,     ///< percent-encoded
    kEscaped,  ///< percent-encoded, but for escapes, which stay
  };

  /// `prefix` is put before `text` as it is: "/v1", or empty. An empty `text` is "/".
  UriTemplate(std::string_view prefix, std::string_view text);

  const std::vector<Piece>& pieces() const { return pieces_; }
  /// The text itself has a query.
  bool has_query() const { return has_query_; }
  /// Bytes of all literals.
  size_t literal_size() const { return literal_size_; }

  /// Appends a value in the place of the placeholder of `piece`.
  static void AppendValue(const Piece& piece, std::string_view value, Encoding encoding,
                          CharSink& sink);
  /// Appends the placeholder itself, which stays as it is where nothing resolves it.
  static void AppendUnresolved(const Piece& piece, CharSink& sink);

 private:
  std::vector<Piece> pieces_;
  bool has_query_ = false;
  size_t literal_size_ = 0;
};

}  // namespace postern
