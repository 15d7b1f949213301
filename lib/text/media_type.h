#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern {

/// `type/subtype` of RFC 9110 §8.3.1, without parameters. Views the text that was parsed, case as
/// sent. Either part may be `*` (RFC 9110 §12.5.1 media ranges are written the same way).
struct MediaType {
  std::string_view type;
  std::string_view subtype;
  std::string_view essence;  ///< both, with the slash
};

/// Parses the value of a Content-Type field, or one element of Accept. Parameters are cut off
/// unread. Returns nullopt unless type and subtype are tokens (RFC 9110 §5.6.2).
std::optional<MediaType> ParseMediaType(std::string_view value);

/// The first element of an Accept field, the one that counts (rest-api.md §10.1; §8.3), whatever
/// the weights say. Nullopt if it is missing or malformed; later elements never step in.
std::optional<MediaType> FirstMediaType(std::string_view accept);

/// The `binaryMediaTypes` of an API, prepared for lookups (rest-api.md §10.1, the matching table).
/// Immutable and safe to share between threads once built.
class BinaryMediaTypes {
 public:
  BinaryMediaTypes() = default;

  /// `entries` as configured. What the table calls without effect (`*/test`, malformed text)
  /// matches nothing and is dropped.
  explicit BinaryMediaTypes(const std::vector<std::string>& entries);

  bool empty() const { return !matches_all_ && exact_.empty() && type_wildcards_.empty(); }

  /// Whether a payload is binary by its Content-Type; nullopt stands for a missing field.
  bool MatchesContentType(std::optional<std::string_view> content_type) const;

  /// Whether a client wants binary by the first media type of its Accept.
  bool MatchesAccept(std::optional<std::string_view> accept) const;

 private:
  bool Matches(const std::optional<MediaType>& media_type) const;

  bool matches_all_ = false;                 // `*/*`
  std::vector<std::string> exact_;           // `image/png`
  std::vector<std::string> type_wildcards_;  // `image` of `image/*`
};

}  // namespace postern
