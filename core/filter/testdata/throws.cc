// A module in C++ that does without the SDK and lets an exception out of init.
#include <stdexcept>

#include "api/abi/abi.h"

POSTERN_EXPORT extern const postern_manifest postern_module_manifest = {
    POSTERN_ABI_MAGIC, sizeof(postern_manifest), POSTERN_ABI_MAJOR, 0, 0, "test.throws", "1.0.0"};

POSTERN_EXPORT postern_status postern_module_init(const postern_host*, postern_self*, void**,
                                                  const postern_filter**) {
  throw std::runtime_error("no");
}
