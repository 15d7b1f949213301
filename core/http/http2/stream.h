#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "core/base/arena.h"
#include "core/base/byte_queue.h"
#include "core/base/intrusive_list.h"
#include "core/http/codec.h"

namespace postern {

struct StreamListTag {};
struct StreamClosedTag {};
struct StreamWritableTag {};

/// Trailers that wait behind content which the peer does not take yet.
struct HeldTrailers {
  HeldTrailers(BlockPool* pool, const HeaderMap& trailers);

  Arena arena;
  HeaderMap fields;
};

/// What both sides' streams have in common: one HTTP/2 stream and its tie to a receiver. Belongs to
/// an Http2Connection, which alone reads and writes the state; recycled by it once the tie is cut
/// and nghttp2 has forgotten the stream.
class Http2Stream : public ListNode<StreamListTag>,
                    public ListNode<StreamClosedTag>,
                    public ListNode<StreamWritableTag> {
 public:
  virtual ~Http2Stream() = default;

  // What the receiver hears; only while tied.
  virtual void DeliverBody(std::string_view data) = 0;
  /// Cuts the tie before, if both directions have ended.
  virtual void DeliverEnd(const HeaderMap* trailers) = 0;
  virtual void DeliverWritable() = 0;
  /// Cuts the tie before the receiver hears of it.
  virtual void DeliverReset(ResetReason reason) = 0;
  /// Cuts the tie in silence.
  virtual void Untie() = 0;
  /// Arena of the received head; only while tied.
  virtual Arena* arena() = 0;

  /// Ready for another stream.
  void Recycle();

  bool queue_empty() const { return !queue || queue->empty(); }
  /// Content that waits to be sent.
  size_t pending() const { return view.size() + (queue ? queue->size() : 0); }

  uint32_t id = 0;  ///< 0: not opened yet (client)

  // Lifetime.
  bool tied = false;     ///< the receiver and the stream may still call each other
  bool wired = false;    ///< nghttp2 knows the stream and points here
  bool retired = false;  ///< neither: waits to be recycled

  // Receiving.
  bool head_received = false;    ///< the final one: what follows are trailers
  bool remote_ended = false;     ///< END_STREAM has come
  bool receive_done = false;     ///< the receiver has heard of it
  bool peer_reset = false;       ///< RST_STREAM has come
  bool receive_limited = false;  ///< content_length is known
  uint64_t receive_left = 0;     ///< content still to come, if receive_limited
  uint64_t unconsumed = 0;       ///< content delivered and not yet given back
  uint64_t window = 0;           ///< size of the receive window
  uint64_t window_used = 0;      ///< content consumed since the window was last changed

  // Sending.
  Method method = Method::kGet;  ///< of the request
  bool opened = false;           ///< the HEADERS that open it are written: DATA may follow
  bool head_sent = false;        ///< SendHead() was called
  bool send_done = false;        ///< SendEnd() was called, or SendHead() with `end`
  bool finishing = false;        ///< END_STREAM goes with the last of the pending content
  bool local_ended = false;      ///< END_STREAM was written
  bool reset_by_us = false;      ///< RST_STREAM is written or about to be
  bool broken_off = false;       ///< by us, with the receiver still sending: it is not heard
  bool send_limited = false;     ///< content_length is known
  bool no_content = false;       ///< HEAD, 204, 304: what is sent is dropped
  bool data_submitted = false;   ///< nghttp2 has a DATA item for it
  bool view_is_static = false;   ///< `view` lives for ever
  bool blocked = false;          ///< OnWritable() is owed
  uint32_t close_code = 0;
  uint64_t send_left = 0;
  std::string_view view;           ///< content at hand, valid until the sending call returns
  std::optional<ByteQueue> queue;  ///< content the peer has refused so far
  std::unique_ptr<HeldTrailers> trailers;
};

}  // namespace postern
