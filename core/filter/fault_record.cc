#include "core/filter/fault_record.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "lib/text/concat.h"

namespace postern {
namespace {

constexpr size_t kMaxFile = 64 * 1024;

// Of the process, for the fault handler; -1: none.
int record_fd = -1;

// A line is "TIME MODULE VERSION DIGEST HOOK"; "-" stands for nothing.
bool ReadLine(std::string_view line, ModuleFault* out) {
  std::string_view words[5];
  for (std::string_view& word : words) {
    const size_t space = std::min(line.find(' '), line.size());
    word = line.substr(0, space);
    line.remove_prefix(std::min(space + 1, line.size()));
    if (word.empty()) return false;
  }
  const char* end = words[0].data() + words[0].size();
  const auto [at, error] = std::from_chars(words[0].data(), end, out->time_s);
  if (error != std::errc() || at != end || !line.empty()) return false;
  out->module = words[1];
  out->version = words[2];
  out->digest = words[3] == "-" ? std::string_view() : words[3];
  out->hook = words[4];
  return true;
}

std::string ToLine(const ModuleFault& fault) {
  return Concat(fault.time_s, " ", fault.module, " ", fault.version, " ",
                fault.digest.empty() ? std::string_view("-") : std::string_view(fault.digest), " ",
                fault.hook, "\n");
}

absl::Status Failed(const std::string& path) {
  return absl::UnavailableError(Concat(path, ": ", std::string_view(std::strerror(errno))));
}

}  // namespace

absl::Status FaultRecord::Open(const std::string& path, int64_t now_s,
                               std::vector<ModuleFault>* out) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return Failed(path);
  std::string text(kMaxFile, '\0');
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  if (size < 0) {
    const absl::Status failed = Failed(path);
    ::close(fd);
    return failed;
  }
  text.resize(static_cast<size_t>(size));
  std::string kept;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    ModuleFault fault;
    if (ReadLine(rest.substr(0, end), &fault) && fault.time_s <= now_s &&
        now_s - fault.time_s <= kWindowS) {
      kept += ToLine(fault);
      out->push_back(std::move(fault));
    }
    if (end == rest.npos) break;
    rest.remove_prefix(end + 1);
  }
  if (kept != text && (::ftruncate(fd, 0) != 0 || ::write(fd, kept.data(), kept.size()) !=
                                                      static_cast<ssize_t>(kept.size()))) {
    const absl::Status failed = Failed(path);
    ::close(fd);
    return failed;
  }
  record_fd = fd;
  return absl::OkStatus();
}

void FaultRecord::Note(const FilterModule& module, HookName hook) {
  if (record_fd < 0) return;
  // No memory, no locks: this may be a broken process.
  char line[512];
  size_t size = 0;
  const auto put = [&](std::string_view text) {
    if (text.empty()) text = "-";
    for (const char c : text) {
      if (size < sizeof(line) - 1) line[size++] = c == ' ' || c == '\n' ? '_' : c;
    }
    if (size < sizeof(line) - 1) line[size++] = ' ';
  };
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  char digits[20];
  const auto [end, error] =
      std::to_chars(digits, digits + sizeof(digits), static_cast<int64_t>(now.tv_sec));
  put({digits, static_cast<size_t>(end - digits)});
  put(module.name());
  put(module.version());
  put(module.digest());
  put(HookNameText(hook));
  line[size - 1] = '\n';
  if (::write(record_fd, line, size) < 0) return;
}

size_t CountFaults(const std::vector<ModuleFault>& faults, std::string_view module,
                   std::string_view digest) {
  return static_cast<size_t>(std::count_if(faults.begin(), faults.end(), [&](const auto& fault) {
    return fault.module == module && fault.digest == digest;
  }));
}

}  // namespace postern
