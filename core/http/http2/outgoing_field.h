#pragma once

#include <optional>
#include <string_view>

#include "core/http/header_map.h"

namespace postern {

/// Name and value of a field as HTTP/2 may send them.
struct OutgoingField {
  std::string_view name;
  std::string_view value;
};

/// `field` as it goes out: its name in lower case (RFC 9113 §8.2), which may take memory of
/// `arena`. Nothing for what HTTP/2 forbids or the codec writes itself (§8.2.2), and for what is no
/// valid field at all.
std::optional<OutgoingField> MakeOutgoing(const HeaderField& field, Arena* arena);

/// Whether compression would give the field's value away (RFC 7541 §7.1): it is sent as one that
/// nobody may ever index.
inline bool IsSecretField(const HeaderField& field) {
  return field.never_indexed || field.id == HeaderId::kAuthorization ||
         field.id == HeaderId::kProxyAuthorization || field.id == HeaderId::kXApiKey;
}

}  // namespace postern
