#include "core/config/snapshot_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "core/base/file_descriptor.h"
#include "lib/crypto/digest.h"
#include "lib/text/concat.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {
namespace {

// The first byte is no text, the last two tell when line ends were changed on the way.
constexpr std::string_view kMagic("\x93POSTERN SNAPSHOT\r\n", 19);
constexpr uint32_t kFormat = 1;
constexpr size_t kDigestSize = 32;
constexpr size_t kHeaderSize = kMagic.size() + 4 + 8 + kDigestSize;

void PutNumber(uint64_t number, size_t bytes, std::string* out) {
  for (size_t i = bytes; i > 0; --i) out->push_back(static_cast<char>(number >> (8 * (i - 1))));
}

uint64_t GetNumber(std::string_view bytes) {
  uint64_t number = 0;
  for (char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

std::string_view View(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

absl::Status SystemError(std::string_view what, std::string_view path) {
  const int error = errno;
  const std::string text = Concat(path, ": ", what, ": ", std::strerror(error));
  return error == ENOENT ? absl::NotFoundError(text) : absl::UnavailableError(text);
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

std::string EncodeSnapshotFile(const snapshot::v1::Snapshot& snapshot) {
  const std::string content = snapshot.SerializeAsString();
  std::string out;
  out.reserve(kHeaderSize + content.size());
  out += kMagic;
  PutNumber(kFormat, 4, &out);
  PutNumber(content.size(), 8, &out);
  out += View(Sha256(content));
  out += content;
  return out;
}

absl::Status DecodeSnapshotFile(std::string_view content, snapshot::v1::Snapshot* snapshot) {
  if (!content.starts_with(kMagic)) {
    return absl::InvalidArgumentError("is no snapshot of Postern");
  }
  if (content.size() < kHeaderSize) return absl::DataLossError("ends within its header");
  std::string_view rest = content.substr(kMagic.size());
  const uint64_t format = GetNumber(rest.substr(0, 4));
  if (format != kFormat) {
    return absl::InvalidArgumentError(
        Concat("has format ", format, "; this gateway reads format ", kFormat));
  }
  const uint64_t size = GetNumber(rest.substr(4, 8));
  const std::string_view digest = rest.substr(12, kDigestSize);
  rest.remove_prefix(12 + kDigestSize);
  if (rest.size() != size) {
    return absl::DataLossError(
        Concat("is damaged: ", rest.size(), " bytes follow the header where it says ", size));
  }
  if (View(Sha256(rest)) != digest) {
    return absl::DataLossError("is damaged: its digest does not match its content");
  }
  if (rest.size() > static_cast<size_t>(std::numeric_limits<int>::max()) ||
      !snapshot->ParseFromArray(rest.data(), static_cast<int>(rest.size()))) {
    return absl::DataLossError("holds no snapshot that can be parsed");
  }
  return absl::OkStatus();
}

absl::Status SaveSnapshotFile(const std::string& path, const snapshot::v1::Snapshot& snapshot) {
  const std::string content = EncodeSnapshotFile(snapshot);
  const std::string aside = Concat(path, ".new");
  {
    const FileDescriptor file(
        ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (file.get() < 0) return SystemError("cannot be written", aside);
    if (!WriteAll(file.get(), content) || ::fsync(file.get()) != 0) {
      absl::Status status = SystemError("cannot be written", aside);
      ::unlink(aside.c_str());
      return status;
    }
  }
  if (::rename(aside.c_str(), path.c_str()) != 0) {
    absl::Status status = SystemError("cannot be replaced", path);
    ::unlink(aside.c_str());
    return status;
  }
  const size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) {
    return SystemError("cannot be written", folder);
  }
  return absl::OkStatus();
}

absl::Status LoadSnapshotFile(const std::string& path, snapshot::v1::Snapshot* snapshot) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return SystemError("cannot be read", path);
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return SystemError("cannot be read", path);
  if (!S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(Concat(path, ": is no regular file"));
  }
  if (static_cast<uint64_t>(status.st_size) > kMaxSnapshotFile) {
    return absl::InvalidArgumentError(Concat(path, ": has more than ", kMaxSnapshotFile, " bytes"));
  }
  std::string content(static_cast<size_t>(status.st_size), '\0');
  size_t have = 0;
  while (have < content.size()) {
    const ssize_t got = ::read(file.get(), content.data() + have, content.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("cannot be read", path);
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  content.resize(have);
  absl::Status decoded = DecodeSnapshotFile(content, snapshot);
  if (decoded.ok()) return decoded;
  return absl::Status(decoded.code(), Concat(path, ": ", std::string(decoded.message())));
}

}  // namespace postern
