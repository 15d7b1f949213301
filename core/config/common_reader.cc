#include "core/config/common_reader.h"

#include <google/protobuf/message.h>

#include <limits>

#include "lib/text/ascii.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

constexpr size_t kMaxInline = size_t{1} << 20;
constexpr size_t kMaxPath = 4096;

void ReadPath(std::string_view path, const Field& field) {
  if (!field.Size("file", path, 1, kMaxPath)) return;
  if (!path.starts_with('/')) field.Problem("file", "is not an absolute path");
}

}  // namespace

bool IsName(std::string_view text, std::string_view extra_characters) {
  const CharSet allowed = kAlnumChars | CharSet(extra_characters);
  return !text.empty() && allowed.HasAll(text);
}

SecretMap ReadSecrets(const google::protobuf::RepeatedPtrField<v1::Secret>& secrets,
                      const Field& root) {
  SecretMap map;
  for (int i = 0; i < secrets.size(); ++i) {
    const v1::Secret& secret = secrets[i];
    const Field field = root.Item("secrets", i);
    RefuseUnknownFields(secret, field);
    if (!field.Size("name", secret.name(), 1, 128)) continue;
    if (!IsName(secret.name(), "._/-")) {
      field.Problem("name", "may consist of letters, digits and . _ / - only");
    }
    DataSourceConfig source;
    switch (secret.source_case()) {
      case v1::Secret::kFile:
        ReadPath(secret.file(), field);
        source = {DataSourceConfig::Kind::kFile, secret.file()};
        break;
      case v1::Secret::kEnvironment:
        if (!IsName(secret.environment(), "_")) {
          field.Problem("environment", "is not the name of an environment variable");
        }
        source = {DataSourceConfig::Kind::kEnvironment, secret.environment()};
        break;
      case v1::Secret::SOURCE_NOT_SET:
        field.Problem("has neither a file nor an environment variable");
        break;
    }
    if (!map.emplace(secret.name(), source).second) {
      field.Problem("name", Concat("\"", secret.name(), "\" is already taken"));
    }
  }
  return map;
}

DataSourceConfig ReadDataSource(const v1::DataSource& source, const SecretMap& secrets,
                                bool key_material, const Field& field) {
  RefuseUnknownFields(source, field);
  switch (source.source_case()) {
    case v1::DataSource::kFile:
      ReadPath(source.file(), field);
      return {DataSourceConfig::Kind::kFile, source.file()};
    case v1::DataSource::kSecret: {
      const auto found = secrets.find(source.secret());
      if (found == secrets.end()) {
        field.Problem("secret", Concat("there is no secret \"", source.secret(), "\""));
        return {};
      }
      return found->second;
    }
    case v1::DataSource::kInline:
      if (key_material) field.Problem("inline", "secrets may not stand in a snapshot");
      field.Size("inline", source.inline_(), 1, kMaxInline);
      return {DataSourceConfig::Kind::kInline, source.inline_()};
    case v1::DataSource::SOURCE_NOT_SET:
      field.Problem("says nowhere where the bytes come from");
      return {};
  }
  return {};
}

Http2Config ReadHttp2(const v1::Http2Settings& settings, const Field& field) {
  RefuseUnknownFields(settings, field);
  constexpr uint32_t kMax = std::numeric_limits<uint32_t>::max();
  Http2Config out;
  if (settings.has_max_concurrent_streams()) {
    out.max_concurrent_streams = settings.max_concurrent_streams();
  }
  if (settings.has_initial_stream_window_bytes()) {
    out.initial_stream_window_bytes = settings.initial_stream_window_bytes();
  }
  if (settings.has_initial_connection_window_bytes()) {
    out.initial_connection_window_bytes = settings.initial_connection_window_bytes();
  }
  if (settings.has_max_frame_bytes()) out.max_frame_bytes = settings.max_frame_bytes();
  if (settings.has_header_table_bytes()) out.header_table_bytes = settings.header_table_bytes();
  if (settings.has_max_resets_per_second()) {
    out.max_resets_per_second = settings.max_resets_per_second();
  }
  if (settings.has_max_control_frames_per_second()) {
    out.max_control_frames_per_second = settings.max_control_frames_per_second();
  }
  out.ping_interval_ms = settings.ping_interval_ms();
  if (settings.has_ping_timeout_ms()) out.ping_timeout_ms = settings.ping_timeout_ms();
  field.InRange("max_concurrent_streams", out.max_concurrent_streams, 1, 1000);
  field.InRange("initial_stream_window_bytes", out.initial_stream_window_bytes, 65535,
                16 * 1024 * 1024);
  field.InRange("initial_connection_window_bytes", out.initial_connection_window_bytes, 65535,
                64 * 1024 * 1024);
  field.InRange("max_frame_bytes", out.max_frame_bytes, 16384, 16777215);
  field.InRange("header_table_bytes", out.header_table_bytes, 0, 65536);
  // RFC 9113 §4.2, RFC 7541 §4.2: larger ones buy nothing here and make peers able to hold more.
  if (out.max_frame_bytes != 16384) {
    field.Problem("max_frame_bytes", "this gateway takes frames of 16,384 bytes only");
  }
  if (out.header_table_bytes != 4096) {
    field.Problem("header_table_bytes", "this gateway keeps a table of 4,096 bytes only");
  }
  field.InRange("max_resets_per_second", out.max_resets_per_second, 1, kMax);
  field.InRange("max_control_frames_per_second", out.max_control_frames_per_second, 1, kMax);
  field.InRange("ping_timeout_ms", out.ping_timeout_ms, 1, kMax);
  return out;
}

void RefuseUnknownFields(const google::protobuf::Message& message, const Field& field) {
  const auto& unknown = message.GetReflection()->GetUnknownFields(message);
  if (unknown.empty()) return;
  field.Problem(Concat("has a field (number ", unknown.field(0).number(),
                       ") that this gateway does not know"));
}

}  // namespace postern
