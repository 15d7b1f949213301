#include "core/config/secret_values.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "core/base/file_descriptor.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/json_writer.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

constexpr std::string_view kReference = "${secret:";

absl::StatusOr<std::string> ReadSecretFile(const std::string& path) {
  const auto failed = [&path](int error) {
    return absl::NotFoundError(
        Concat(path, ": cannot be read: ", std::generic_category().message(error)));
  };
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return failed(errno);
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return failed(errno);
  if (S_ISDIR(info.st_mode)) return failed(EISDIR);
  std::string value;
  char buffer[4096];
  while (value.size() <= kMaxSecretBytes) {
    const ssize_t got = ::read(file.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(errno);
    if (got == 0) break;
    value.append(buffer, static_cast<size_t>(got));
  }
  OPENSSL_cleanse(buffer, sizeof(buffer));
  if (value.size() > kMaxSecretBytes) {
    return absl::InvalidArgumentError(Concat(path, ": has more than ", kMaxSecretBytes, " bytes"));
  }
  if (value.ends_with('\n')) value.pop_back();
  if (value.empty()) return absl::NotFoundError(Concat(path, ": is empty"));
  return value;
}

std::string JsonEscaped(std::string_view value) {
  std::string out;
  StringSink sink(&out);
  AppendJsonString(value, sink);
  sink.Finish();
  return out.substr(1, out.size() - 2);  // without its quotes
}

}  // namespace

absl::StatusOr<std::string> ReadSecretValue(const DataSourceConfig& source) {
  switch (source.kind) {
    case DataSourceConfig::Kind::kFile:
      return ReadSecretFile(source.value);
    case DataSourceConfig::Kind::kInline:
      return source.value;
    case DataSourceConfig::Kind::kEnvironment:
      break;
  }
  const char* const value = std::getenv(source.value.c_str());
  if (value == nullptr || *value == '\0') {
    return absl::NotFoundError(Concat("environment variable ", source.value, " is not set"));
  }
  return std::string(value);
}

SecretExpander::~SecretExpander() {
  for (auto& [name, value] : values_) {
    if (value.ok()) OPENSSL_cleanse(value->data(), value->size());
  }
}

std::string SecretExpander::Expand(const std::string& json, const Field& field) {
  size_t at = json.find(kReference);
  if (at == json.npos) return json;
  std::string out;
  size_t done = 0;
  for (; at != json.npos; at = json.find(kReference, done)) {
    out.append(json, done, at - done);
    const size_t begin = at + kReference.size();
    const size_t end = json.find('}', begin);
    const std::string name = json.substr(begin, end == json.npos ? 0 : end - begin);
    done = begin;
    if (name.size() > 128 || !IsName(name, "._/-")) {
      field.Problem("config_json",
                    "\"${secret:\" is not followed by the name of a secret and \"}\"");
      continue;
    }
    const auto secret = secrets_.find(name);
    if (secret == secrets_.end()) {
      field.Problem("config_json",
                    Concat("there is no secret \"", name, "\": say by --secret where it is"));
      continue;
    }
    done = end + 1;
    auto value = values_.find(name);
    if (value == values_.end()) {
      value = values_.emplace(name, ReadSecretValue(secret->second)).first;
      if (value->second.ok() && !IsValidUtf8(*value->second)) {
        value->second = absl::InvalidArgumentError("is no UTF-8 text");
      }
    }
    if (!value->second.ok()) {
      field.Problem("config_json", Concat("secret \"", name,
                                          "\": ", std::string(value->second.status().message())));
      continue;
    }
    out += JsonEscaped(*value->second);
  }
  out.append(json, done, json.npos);
  return out;
}

std::string SecretExpander::Mask(std::string text) const {
  const auto mask = [&text](std::string_view value, std::string_view name) {
    const std::string reference = Concat(kReference, name, "}");
    for (size_t at = text.find(value); at != text.npos;
         at = text.find(value, at + reference.size())) {
      text.replace(at, value.size(), reference);
    }
  };
  for (const auto& [name, value] : values_) {
    if (!value.ok()) continue;
    mask(*value, name);
    if (const std::string escaped = JsonEscaped(*value); escaped != *value) mask(escaped, name);
  }
  return text;
}

std::vector<std::string> SecretExpander::files() const {
  std::vector<std::string> out;
  for (const auto& [name, value] : values_) {
    const DataSourceConfig& source = secrets_.at(name);
    if (source.kind == DataSourceConfig::Kind::kFile) out.push_back(source.value);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace postern
