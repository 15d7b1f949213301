#include "core/server/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

namespace postern {
namespace {

// "max 100000" or "150000 100000": quota and period in microseconds (cgroup v2, cpu.max).
double QuotaV2(const std::string& path) {
  std::ifstream in(path);
  std::string quota;
  double period = 0;
  if (!(in >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::strtod(quota.c_str(), nullptr) / period;
}

double QuotaV1(const std::string& folder) {
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us");
  std::ifstream period_file(folder + "/cpu.cfs_period_us");
  double quota = 0;
  double period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return 0;
  return quota / period;
}

// The smallest quota from the process's own cgroup up to the root; 0 when there is none.
double CgroupQuota() {
  double least = 0;
  const auto consider = [&least](double quota) {
    if (quota > 0) least = least == 0 ? quota : std::min(least, quota);
  };
  std::ifstream in("/proc/self/cgroup");
  std::string line;
  while (std::getline(in, line)) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    for (;;) {
      if (controllers.empty()) {
        consider(QuotaV2("/sys/fs/cgroup" + path + "/cpu.max"));
      } else if (("," + controllers + ",").find(",cpu,") != std::string::npos) {
        consider(QuotaV1("/sys/fs/cgroup/cpu" + path));
        consider(QuotaV1("/sys/fs/cgroup/cpu,cpuacct" + path));
      }
      if (path.empty() || path == "/") break;
      path.resize(path.rfind('/'));
    }
  }
  return least;
}

}  // namespace

size_t CpuCount() {
  cpu_set_t set;
  CPU_ZERO(&set);
  size_t allowed = 1;
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
    allowed = std::max<size_t>(1, static_cast<size_t>(CPU_COUNT(&set)));
  }
  const double quota = CgroupQuota();
  if (quota <= 0) return allowed;
  return std::clamp<size_t>(static_cast<size_t>(std::ceil(quota)), 1, allowed);
}

}  // namespace postern
