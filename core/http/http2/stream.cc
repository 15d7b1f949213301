#include "core/http/http2/stream.h"

namespace postern {

HeldTrailers::HeldTrailers(BlockPool* pool, const HeaderMap& trailers)
    : arena(pool), fields(&arena) {
  for (const HeaderField& field : trailers) {
    fields.Add({arena.Copy(field.name), arena.Copy(field.value), field.id, field.never_indexed});
  }
}

void Http2Stream::Recycle() {
  id = 0;
  tied = wired = retired = false;
  head_received = remote_ended = receive_done = peer_reset = receive_limited = false;
  receive_left = unconsumed = window = window_used = 0;
  method = Method::kGet;
  opened = head_sent = send_done = finishing = local_ended = reset_by_us = broken_off = false;
  send_limited = no_content = data_submitted = view_is_static = blocked = false;
  close_code = 0;
  send_left = 0;
  view = {};
  queue.reset();
  trailers.reset();
}

}  // namespace postern
