#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "core/config/field.h"
#include "core/config/listener_config.h"
#include "proto/snapshot/listener.pb.h"
#include "proto/snapshot/secret.pb.h"

namespace postern {

/// The secrets of a snapshot by name, resolved to where they lie.
using SecretMap = std::unordered_map<std::string, DataSourceConfig>;

/// What a name may consist of.
bool IsName(std::string_view text, std::string_view extra_characters);

/// Reads where bytes come from. `key_material`: may not stand in the snapshot itself.
DataSourceConfig ReadDataSource(const snapshot::v1::DataSource& source, const SecretMap& secrets,
                                bool key_material, const Field& field);

/// Reads the secrets themselves.
SecretMap ReadSecrets(const google::protobuf::RepeatedPtrField<snapshot::v1::Secret>& secrets,
                      const Field& root);

/// The members of Http2Settings with their defaults.
Http2Config ReadHttp2(const snapshot::v1::Http2Settings& settings, const Field& field);

/// Whether a value of an enum is one that this schema knows, other than `refused`; otherwise says
/// so.
template <typename Enum>
bool KnownEnum(Enum value, bool (*is_valid)(int), int refused, std::string_view name,
               const Field& field) {
  if (is_valid(value) && static_cast<int>(value) != refused) return true;
  field.Problem(name,
                static_cast<int>(value) == refused
                    ? std::string("is not set")
                    : Concat("the value ", static_cast<int>(value), " is unknown to this gateway"));
  return false;
}

/// Stands for "no value is refused".
inline constexpr int kNoneRefused = -1;

/// Refuses messages with fields that this gateway does not know: they could be guards.
void RefuseUnknownFields(const google::protobuf::Message& message, const Field& field);

}  // namespace postern
