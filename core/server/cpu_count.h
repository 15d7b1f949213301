#pragma once

#include <cstddef>

namespace postern {

/// CPUs that this process may use: the cgroup's quota (v1 or v2), rounded up, but at most the CPUs
/// it may run on and at least one.
size_t CpuCount();

}  // namespace postern
