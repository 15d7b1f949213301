#include "core/observe/process_stats.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace postern {
namespace {

// A small file of /proc, cut at the size of the buffer; empty if it cannot be read.
std::string ReadSmall(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char buffer[4096];
  const ssize_t size = read(fd, buffer, sizeof(buffer));
  close(fd);
  return size > 0 ? std::string(buffer, static_cast<size_t>(size)) : std::string();
}

// Wall-clock time at which the process started, from field 22 of /proc/self/stat (clock ticks since
// boot) and the clocks of now: unlike /proc/stat's btime these are right inside time namespaces
// too.
double StartTime() {
  const std::string stat = ReadSmall("/proc/self/stat");
  // Field 2, the program's name, may contain spaces and parentheses; what follows its end does not.
  const size_t end = stat.rfind(')');
  if (end == stat.npos) return 0;
  const char* at = stat.c_str() + end + 1;
  for (int field = 3; field < 22; ++field) {
    at = std::strchr(at + 1, ' ');
    if (at == nullptr) return 0;
  }
  const double since_boot = static_cast<double>(std::strtoull(at, nullptr, 10)) /
                            static_cast<double>(sysconf(_SC_CLK_TCK));
  timespec wall{};
  timespec boot{};
  if (clock_gettime(CLOCK_REALTIME, &wall) != 0 || clock_gettime(CLOCK_BOOTTIME, &boot) != 0) {
    return 0;
  }
  const double age =
      static_cast<double>(boot.tv_sec) + static_cast<double>(boot.tv_nsec) * 1e-9 - since_boot;
  return static_cast<double>(wall.tv_sec) + static_cast<double>(wall.tv_nsec) * 1e-9 - age;
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

ProcessStats::ProcessStats()
    : statm_fd_(open("/proc/self/statm", O_RDONLY | O_CLOEXEC)),
      fd_dir_(opendir("/proc/self/fd")),
      start_time_seconds_(StartTime()) {}

ProcessStats::~ProcessStats() {
  if (statm_fd_ >= 0) close(statm_fd_);
  if (fd_dir_ != nullptr) closedir(static_cast<DIR*>(fd_dir_));
}

uint64_t ProcessStats::ResidentBytes() const {
  char buffer[256];
  const ssize_t size = pread(statm_fd_, buffer, sizeof(buffer) - 1, 0);
  if (size <= 0) return 0;
  buffer[size] = '\0';
  unsigned long long total = 0;
  unsigned long long resident = 0;
  if (std::sscanf(buffer, "%llu %llu", &total, &resident) != 2) return 0;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

int64_t ProcessStats::OpenFds() {
  auto* dir = static_cast<DIR*>(fd_dir_);
  if (dir == nullptr) return -1;
  // Since Linux 6.2 the folder's size is the number of descriptors.
  struct stat about {};
  if (fstat(dirfd(dir), &about) == 0 && about.st_size > 0) return about.st_size;
  rewinddir(dir);
  int64_t count = 0;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') ++count;
  }
  return count;
}

void ProcessStats::Collect(MetricsSink* sink) {
  if (const uint64_t resident = ResidentBytes(); resident != 0) {
    sink->Gauge({"process_resident_memory_bytes", "Resident memory size.", "bytes"}, {},
                static_cast<double>(resident));
  }
  if (const int64_t open = OpenFds(); open >= 0) {
    sink->Gauge({"process_open_fds", "Descriptors open."}, {}, static_cast<double>(open));
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    sink->Gauge({"process_max_fds", "Descriptors that may be open."}, {},
                static_cast<double>(limit.rlim_cur));
  }
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    sink->Counter({"process_cpu_seconds", "Processor time used, user and system.", "seconds"}, {},
                  Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
  }
  if (start_time_seconds_ > 0) {
    sink->Gauge({"process_start_time_seconds", "When the process started, in seconds since 1970.",
                 "seconds"},
                {}, start_time_seconds_);
  }
}

}  // namespace postern
