#pragma once

#include <nghttp2/nghttp2.h>

namespace postern {

/// The allocator of nghttp2 sessions: small blocks that were freed on a thread wait there to be
/// used again, so that a stream costs nghttp2 no visit to the heap. What may wait is bounded (some
/// 256 KiB a thread), and is freed when the thread ends. The same object for all sessions; each
/// session keeps to one thread. Null, which means the heap, under AddressSanitizer.
nghttp2_mem* SessionMemory();

}  // namespace postern
