#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/byte_sink.h"
#include "core/base/intrusive_list.h"
#include "core/http/codec.h"
#include "core/http/http2/field_section.h"
#include "core/http/http2/field_writer.h"
#include "core/http/http2/frame.h"
#include "core/http/http2/frame_guard.h"
#include "core/http/http2/options.h"
#include "core/http/http2/stream.h"
#include "core/http/http2/stream_history.h"

namespace postern {

/// What both sides of HTTP/2 have in common: one nghttp2 session between a FrameGuard and a
/// ByteSink.
///
/// Bytes received are cut into frames and judged by the guard; what passes goes to nghttp2 frame by
/// frame, which keeps HPACK, stream states, flow control and the order of what is sent. nghttp2's
/// callbacks only note what happened: receivers hear of it after nghttp2 has returned, because they
/// send from inside their events and nghttp2 may not be entered twice. Bytes to be sent are
/// serialized at once, while the views they come from are alive; only content that a flow-control
/// window or the socket refuses is copied to wait.
class Http2Connection {
 public:
  Http2Connection(const Http2Connection&) = delete;
  Http2Connection& operator=(const Http2Connection&) = delete;

  // For streams.
  void SendBody(Http2Stream* stream, std::string_view data);
  void SendEnd(Http2Stream* stream, const HeaderMap* trailers);
  void ResetStream(Http2Stream* stream, ResetReason reason);
  void Consume(Http2Stream* stream, size_t size);
  size_t buffered(const Http2Stream* stream) const;

 protected:
  using Side = FrameGuard::Side;

  /// Everything that happens inside of an entry point happens in a Scope; leaving the outermost one
  /// recycles what ended.
  class Scope {
   public:
    explicit Scope(Http2Connection* connection) : connection_(connection) { ++connection_->depth_; }
    ~Scope() {
      if (connection_->depth_ == 1) connection_->Settle();
      --connection_->depth_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Http2Connection* connection_;
  };

  /// Writes the preface of our side. `sink` and `options` outlive the connection.
  Http2Connection(Side side, ByteSink* sink, const Http2Options& options);
  virtual ~Http2Connection();
  void Receive(std::string_view data, uint64_t now_ms);
  void SinkWritable();
  /// Every stream hears OnReset(). Nothing is written any more.
  void Lost();
  /// GOAWAY with `error`; every stream hears OnReset().
  void Terminate(Http2Error error, std::string_view detail);

  // What the sides do about it.

  /// The section of `stream` is complete; null: it opens the stream `id`.
  virtual void OnSection(uint32_t id, Http2Stream* stream, bool end) = 0;
  /// The peer reset, or broke, an exchange that is not over.
  virtual void OnBroken() {}
  /// The exchange is over and `stream` about to be recycled.
  virtual void OnGone(Http2Stream* stream) = 0;
  virtual void OnTerminated(std::string_view detail) = 0;
  /// SETTINGS or GOAWAY have come.
  virtual void OnPeerChanged() {}
  virtual ResetReason LossReason(const Http2Stream* stream) const = 0;
  /// SendEnd() was called: cuts the tie if that ends the exchange, then Retire().
  virtual void OnSent(Http2Stream* stream) = 0;
  /// The outermost Scope is left.
  virtual void OnSettled() {}

  // For the sides.

  /// A recycled stream, or null.
  Http2Stream* TakeIdle() {
    if (idle_count_ > 0) --idle_count_;
    return idle_.PopFront();
  }
  /// Takes ownership of a stream that begins.
  void Link(Http2Stream* stream);
  /// Ties `stream` to nghttp2's stream of its id.
  void Wire(Http2Stream* stream);
  /// RST_STREAM, and the receiver hears OnReset(). Inside of Receive().
  void StreamError(Http2Stream* stream, Http2Error error, ResetReason reason);
  /// RST_STREAM for a stream that has no object.
  void RefuseStream(uint32_t id, Http2Error error);
  /// Serializes HEADERS at once. `stream` is wired.
  void SendHeaders(Http2Stream* stream, const FieldWriter& fields, bool end);
  /// The same for a response: nghttp2 keeps the stream's state and writes the status, behind which
  /// `block`, that is a FieldBlock's, goes out.
  void SendResponse(Http2Stream* stream, uint16_t status, std::string_view block, bool end);
  /// Sends what `stream->view` and the queue hold, as far as the peer takes it.
  void SendPending(Http2Stream* stream);
  void Retire(Http2Stream* stream);
  /// Goes before each cut of a tie.
  void Cut(Http2Stream* stream);
  void Pump();
  /// END_STREAM has come. False: content is missing, and the stream was reset.
  bool ReceivedEnd(Http2Stream* stream);
  void DeliverEnd(Http2Stream* stream, const HeaderMap* trailers);
  /// A trailer section has come; it is in section(). Common to requests and responses.
  void ReceivedTrailers(Http2Stream* stream, bool end);

  nghttp2_session* session() const { return session_; }
  FieldSection* section() { return &section_; }
  FrameGuard* guard() { return &guard_; }
  StreamHistory* history() { return &history_; }
  const Http2Options& options() const { return options_; }
  ByteSink* sink() const { return sink_; }
  const IntrusiveList<Http2Stream, StreamListTag>& streams() const { return streams_; }
  /// Streams that are tied, or known to nghttp2, or both.
  size_t open_streams() const { return open_streams_; }
  size_t tied_streams() const { return tied_streams_; }
  void SetTied(Http2Stream* stream, bool tied) {
    if (stream->tied == tied) return;
    stream->tied = tied;
    tied_streams_ += tied ? 1 : -1;
  }
  uint64_t now_ms() const { return now_ms_; }
  uint64_t bytes_received() const { return bytes_received_; }
  bool receiving() const { return receiving_; }
  bool goaway_received() const { return goaway_received_; }
  /// False after Terminate() and Lost().
  bool open() const { return open_; }
  bool ReadWantedNow() const { return open_ && sink_->buffered() <= options_.max_unread_output; }
  /// The peer's preface is not complete, or a field section has begun and not ended.
  bool SectionPending() const;

 private:
  struct Callbacks;
  friend struct Callbacks;

  // What nghttp2's callbacks have noted about the frame that was just fed.
  struct Noted {
    bool complete = false;     // on_frame_recv
    bool end = false;          // with END_STREAM
    std::string_view content;  // of DATA, padding left out
  };

  // How a stream that nghttp2 has closed ended, as its receiver sees it.
  enum class Ending : uint8_t { kComplete, kRefused, kPeerReset, kPeerFault, kOurFault };

  static constexpr size_t kPrefaceSize = 24;
  static constexpr size_t kSmallSize = Http2FrameHeader::kSize + FrameGuard::kMaxSettings;

  void ReceivePreface(std::string_view* data);
  void ReceiveFrame(std::string_view* data);
  void BeginFrame(const char* header);
  void GatherFrame(std::string_view* data);
  bool Act(const FrameVerdict& verdict);
  void Feed(const char* bytes, size_t size);
  void OnFed();
  void OnContent(Http2Stream* stream, std::string_view content);
  bool SettingsOverflowWindows(std::string_view payload);
  StreamPhase PhaseOf(uint32_t id, Http2Stream** stream);

  void SubmitData(Http2Stream* stream);
  void SubmitTrailers(Http2Stream* stream, const HeaderMap& trailers);
  void Enqueue(Http2Stream* stream, std::string_view data);
  void BreakOff(Http2Stream* stream);
  void NoteBlocked(Http2Stream* stream);
  void LocalEnded(Http2Stream* stream);
  Ending EndingOf(const Http2Stream* stream) const;
  void ProcessClosed();
  void ProcessWritable();
  void FailAll(ResetReason reason);
  void Settle();

  // A response's head under way: what follows its status.
  struct ResponseBlock {
    uint32_t stream_id;
    std::string_view fields;
  };
  void WriteResponse(std::string_view head, std::string_view block);

  Side side_;
  bool open_ = true;
  bool silent_ = false;  // nothing more is written
  bool receiving_ = false;
  bool pumping_ = false;
  bool error_sent_ = false;  // a GOAWAY with an error has been written
  bool goaway_received_ = false;
  bool gathering_ = false;  // the frame's payload goes to small_
  bool skipping_ = false;   // the frame's payload is dropped
  uint8_t preface_at_ = 0;  // bytes of the client's preface seen (server)
  uint32_t depth_ = 0;
  uint32_t payload_left_ = 0;  // of the frame under way
  uint32_t small_size_ = 0;
  Http2FrameHeader frame_;
  StreamPhase frame_phase_ = StreamPhase::kIdle;
  bool frame_content_ = false;  // DATA: some came
  Http2Stream* frame_stream_ = nullptr;
  Noted noted_;
  uint64_t now_ms_ = 0;
  uint64_t bytes_received_ = 0;
  size_t open_streams_ = 0;
  size_t tied_streams_ = 0;
  ByteSink* sink_;
  const Http2Options& options_;
  nghttp2_session* session_ = nullptr;
  const ResponseBlock* response_ = nullptr;  // what SendResponse() sends
  FrameGuard guard_;
  StreamHistory history_;
  FieldSection section_;
  IntrusiveList<Http2Stream, StreamListTag> streams_;  // tied or wired
  IntrusiveList<Http2Stream, StreamListTag> retired_;
  IntrusiveList<Http2Stream, StreamListTag> idle_;
  size_t idle_count_ = 0;
  IntrusiveList<Http2Stream, StreamClosedTag> closed_;          // nghttp2 has closed them
  IntrusiveList<Http2Stream, StreamWritableTag> writable_;      // OnWritable() is due
  IntrusiveList<Http2Stream, StreamWritableTag> sink_blocked_;  // wait for the socket alone
  char small_[kSmallSize];  // a frame header, or a whole small frame, that came in pieces
};

}  // namespace postern
