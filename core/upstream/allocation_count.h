#pragma once

#include <cstdint>

namespace postern {

/// How often this thread has called operator new since it began. For tests; linking this library
/// replaces operator new.
uint64_t ThreadAllocations();

}  // namespace postern
