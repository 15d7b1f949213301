#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/arena.h"
#include "core/context/id_generator.h"
#include "core/context/request_context.h"

namespace postern {

/// The parts of an X-Amzn-Trace-Id value (rest-api.md §13.9). Views the text that was parsed; a
/// part that is not there is empty. Every part begins where its value does.
struct TraceHeader {
  std::string_view root;
  std::string_view parent;
  std::string_view sampled;
  std::string_view self;
};

/// Splits `key=value` pairs at ';'. Unknown pairs are skipped, white space around pairs is not part
/// of them. Never fails.
TraceHeader ParseTraceHeader(std::string_view value);

/// Longest value of a client that is kept; a longer one counts as none.
inline constexpr size_t kMaxTraceHeader = 1024;

/// Sets RequestContext::trace_id: what backends and events get as X-Amzn-Trace-Id
/// (rest-api.md §9.8, §13.9). With no usable header from the client a new `Root=1-{hex8}-{hex24}`;
/// else the client's own pairs in their order, with a new `Self=1-…;` before them in place of an
/// older one, and a Parent and Sampled where they are missing. `from_client` is the value of the
/// last X-Amzn-Trace-Id field, or empty.
void SetTraceId(std::string_view from_client, int64_t epoch_seconds, IdGenerator* ids, Arena* arena,
                RequestContext* context);

/// Lets RequestContext::trace_id say that this gateway has decided about the trace itself: `sampled`,
/// and where it is `parent` for the segment that is the parent of what backends do (16 hexadecimal
/// digits). Everything else in it stays.
void SetSampled(bool sampled, std::string_view parent, Arena* arena, RequestContext* context);

/// What the client gets to see as X-Amzn-Trace-Id (rest-api.md §4.5): `Root=…;Parent=…;Sampled=…`,
/// without Self. A Parent that nobody gave is made from the request id, so that asking twice gives
/// the same.
std::string_view ResponseTraceId(const RequestContext& context, Arena* arena);

/// Value of Root alone, `1-…-…`; empty when there is no trace id.
std::string_view TraceRoot(const RequestContext& context);

}  // namespace postern
