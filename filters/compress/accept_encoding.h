// Which content coding a client prefers (RFC 9110, section 12.5.3).
#pragma once

#include <span>
#include <string_view>

namespace postern {

enum class Coding { kIdentity, kGzip, kDeflate, kBrotli };

// "gzip", "deflate", "br"; "identity".
std::string_view NameOf(Coding coding);

// The coding for a response, from the field's value (values of several lines joined by commas) and
// what is offered, best first. The client's weights decide; among equal ones the order of
// `offered`.
//
// kIdentity where the client prefers that, accepts nothing that is offered, or names nothing: "*"
// alone, like a missing field, means no compression (docs: REST APIs, compression). Members that
// are not valid are passed over.
Coding ChooseCoding(std::string_view accept_encoding, std::span<const Coding> offered);

}  // namespace postern
