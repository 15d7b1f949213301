#include "core/upstream/aws_credentials.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "lib/text/ascii.h"

namespace postern {
namespace {

constexpr size_t kMaxFile = 1 << 20;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFile, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return text;
}

std::optional<AwsCredentials> Load() {
  AwsCredentials credentials = {Environment("AWS_ACCESS_KEY_ID"),
                                Environment("AWS_SECRET_ACCESS_KEY"),
                                Environment("AWS_SESSION_TOKEN")};
  if (!credentials.access_key_id.empty() && !credentials.secret_access_key.empty()) {
    return credentials;
  }
  std::string path = Environment("AWS_SHARED_CREDENTIALS_FILE");
  if (path.empty()) path = Environment("HOME") + "/.aws/credentials";
  std::string profile = Environment("AWS_PROFILE");
  if (profile.empty()) profile = "default";
  return ParseSharedCredentials(ReadFile(path), profile);
}

}  // namespace

std::optional<AwsCredentials> ParseSharedCredentials(std::string_view text,
                                                     std::string_view profile) {
  AwsCredentials credentials;
  bool inside = false;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    line = TrimOws(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      const size_t close = line.find(']');
      inside = close != line.npos && TrimOws(line.substr(1, close - 1)) == profile;
      continue;
    }
    const size_t equals = line.find('=');
    if (!inside || equals == line.npos) continue;
    const std::string key = AsciiToLower(TrimOws(line.substr(0, equals)));
    const std::string_view value = TrimOws(line.substr(equals + 1));
    if (key == "aws_access_key_id") credentials.access_key_id = value;
    if (key == "aws_secret_access_key") credentials.secret_access_key = value;
    if (key == "aws_session_token") credentials.session_token = value;
  }
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return std::nullopt;
  }
  return credentials;
}

AwsCredentialsProvider::AwsCredentialsProvider() { Reload(); }

AwsCredentialsProvider::AwsCredentialsProvider(AwsCredentials credentials)
    : credentials_(std::make_shared<const AwsCredentials>(std::move(credentials))) {}

std::shared_ptr<const AwsCredentials> AwsCredentialsProvider::Get() const {
  std::lock_guard lock(mutex_);
  return credentials_;
}

void AwsCredentialsProvider::Reload() {
  std::optional<AwsCredentials> found = Load();
  if (!found.has_value()) return;
  auto credentials = std::make_shared<const AwsCredentials>(*std::move(found));
  std::lock_guard lock(mutex_);
  credentials_ = std::move(credentials);
}

}  // namespace postern
