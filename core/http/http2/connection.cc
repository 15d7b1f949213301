#include "core/http/http2/connection.h"

#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "core/http/http2/session_memory.h"

namespace postern {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Below this, content is copied behind its frame header in one piece; above, it is handed to the
// sink as it is, which may write it without a copy.
constexpr size_t kCopyLimit = 4096;

bool IsHeadersOf(std::string_view frame, uint32_t stream_id) {
  if (frame.size() < Http2FrameHeader::kSize) return false;
  const Http2FrameHeader header = ReadFrameHeader(frame.data());
  return header.type == Http2FrameType::kHeaders && header.stream_id == stream_id;
}

// Content of one DATA frame at most: with its header it fills one TLS record.
constexpr size_t kMaxContent = 16384 - Http2FrameHeader::kSize;

// Useful frames make room for others, to the extent that sane peers need it: a client that reads 4
// KiB at a time updates two windows for each.
constexpr uint32_t kEarnedBySent = 10;
constexpr uint32_t kEarnedByReceived = 1;

// Streams kept for reuse, while there are others and when there are none.
constexpr size_t kMaxIdleStreams = 32;
constexpr size_t kMinIdleStreams = 4;

constexpr size_t kMaxWindow = 0x7fffffff;

Http2Error ErrorOf(ResetReason reason) {
  switch (reason) {
    case ResetReason::kCancelled:
    case ResetReason::kPeerReset:
    case ResetReason::kConnectionLost:
    case ResetReason::kStaleConnection:
    case ResetReason::kTimeout:
    case ResetReason::kLimit:
      return Http2Error::kCancel;
    case ResetReason::kRefused:
      return Http2Error::kRefusedStream;
    case ResetReason::kProtocolError:
      return Http2Error::kProtocolError;
    case ResetReason::kInternal:
      return Http2Error::kInternalError;
  }
  return Http2Error::kInternalError;
}

}  // namespace

// What nghttp2 calls. None of these may call nghttp2_session_mem_recv() or _mem_send(), nor a
// receiver, which could.
struct Http2Connection::Callbacks {
  static Http2Stream* StreamOf(nghttp2_session* session, int32_t id) {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int OnBeginHeaders(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto* self = static_cast<Http2Connection*>(user);
    const Http2Stream* stream = StreamOf(session, frame->hd.stream_id);
    if (stream != nullptr && stream->head_received) {
      self->section_.Begin(FieldSection::Kind::kTrailers);
    } else {
      self->section_.Begin(self->side_ == Side::kServer ? FieldSection::Kind::kRequest
                                                        : FieldSection::Kind::kResponse);
    }
    return 0;
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf* name,
                      nghttp2_rcbuf* value, uint8_t flags, void* user) {
    auto* self = static_cast<Http2Connection*>(user);
    // Of a section that is too large, nghttp2 decodes the rest without calling back.
    return self->section_.Add(name, value, flags) ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int OnContent(nghttp2_session*, uint8_t, int32_t, const uint8_t* data, size_t size,
                       void* user) {
    static_cast<Http2Connection*>(user)->noted_.content = {reinterpret_cast<const char*>(data),
                                                           size};
    return 0;
  }

  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto* self = static_cast<Http2Connection*>(user);
    self->noted_.complete = true;
    switch (frame->hd.type) {
      case NGHTTP2_DATA:
      case NGHTTP2_HEADERS:
        self->noted_.end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        break;
      case NGHTTP2_RST_STREAM:
        if (Http2Stream* stream = StreamOf(session, frame->hd.stream_id)) {
          stream->peer_reset = true;
        }
        break;
      case NGHTTP2_GOAWAY:
        self->goaway_received_ = true;
        break;
      default:
        break;
    }
    return 0;
  }

  static int OnStreamClose(nghttp2_session* session, int32_t id, uint32_t error, void* user) {
    auto* self = static_cast<Http2Connection*>(user);
    Http2Stream* stream = StreamOf(session, id);
    if (stream == nullptr) return 0;
    stream->wired = false;
    stream->data_submitted = false;
    stream->close_code = error;
    self->history_.Set(stream->id, stream->reset_by_us  ? StreamHistory::End::kByUs
                                   : stream->peer_reset ? StreamHistory::End::kByPeer
                                                        : StreamHistory::End::kByEndStream);
    self->closed_.PushBack(stream);
    return 0;
  }

  static int OnFrameSent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto* self = static_cast<Http2Connection*>(user);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS: {
        Http2Stream* stream = StreamOf(session, frame->hd.stream_id);
        if (stream == nullptr) break;
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
          self->LocalEnded(stream);
        } else if (!stream->opened) {
          stream->opened = true;
          // Content came while the request had to wait for its turn.
          if (stream->pending() > 0 || stream->finishing) self->SubmitData(stream);
        }
        break;
      }
      case NGHTTP2_DATA:
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
          if (Http2Stream* stream = StreamOf(session, frame->hd.stream_id)) {
            self->LocalEnded(stream);
          }
        }
        break;
      case NGHTTP2_RST_STREAM:
        if (Http2Stream* stream = StreamOf(session, frame->hd.stream_id)) {
          stream->reset_by_us = true;
        }
        break;
      case NGHTTP2_GOAWAY:
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR) self->error_sent_ = true;
        break;
      default:
        break;
    }
    return 0;
  }

  static int OnFrameNotSent(nghttp2_session* session, const nghttp2_frame* frame, int error,
                            void* user) {
    auto* self = static_cast<Http2Connection*>(user);
    if (frame->hd.type != NGHTTP2_HEADERS || error != NGHTTP2_ERR_FRAME_SIZE_ERROR) return 0;
    // A head larger than nghttp2 sends. A request is closed by nghttp2, a response by us.
    Http2Stream* stream = StreamOf(session, frame->hd.stream_id);
    if (stream == nullptr) return 0;
    stream->broken_off = true;
    if (self->side_ == Side::kServer && !stream->reset_by_us) {
      stream->reset_by_us = true;
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                NGHTTP2_INTERNAL_ERROR);
    }
    return 0;
  }

  static ssize_t ReadData(nghttp2_session*, int32_t, uint8_t*, size_t size, uint32_t* flags,
                          nghttp2_data_source* source, void* user) {
    auto* self = static_cast<Http2Connection*>(user);
    auto* stream = static_cast<Http2Stream*>(source->ptr);
    // The socket is full: what follows waits in its stream, where its source can be stopped.
    if (self->sink_->buffered() > 0) return NGHTTP2_ERR_PAUSE;
    const size_t pending = stream->pending();
    const size_t take = std::min({size, pending, kMaxContent});
    if (take > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (take == pending) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      stream->data_submitted = false;
      if (!stream->finishing) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      if (stream->trailers != nullptr) {
        FieldWriter fields;
        fields.Trailers(stream->trailers->fields);
        fields.CopyBytes();
        if (fields.size() > 0) {
          *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
          nghttp2_submit_trailer(self->session_, static_cast<int32_t>(stream->id), fields.data(),
                                 fields.size());
        }
        stream->trailers.reset();
      }
    }
    return static_cast<ssize_t>(take);
  }

  static int SendData(nghttp2_session*, nghttp2_frame*, const uint8_t* header, size_t size,
                      nghttp2_data_source* source, void* user) {
    auto* self = static_cast<Http2Connection*>(user);
    auto* stream = static_cast<Http2Stream*>(source->ptr);
    constexpr size_t kHeader = Http2FrameHeader::kSize;
    ByteSink* sink = self->sink_;
    if (stream->view.empty()) {
      char* at = sink->Reserve(kHeader + size);
      std::memcpy(at, header, kHeader);
      at += kHeader;
      for (size_t left = size; left > 0;) {
        const std::string_view run = stream->queue->Front().substr(0, left);
        std::memcpy(at, run.data(), run.size());
        at += run.size();
        left -= run.size();
        stream->queue->Drain(run.size());
      }
      sink->Commit(kHeader + size);
    } else if (size <= kCopyLimit) {
      char* at = sink->Reserve(kHeader + size);
      std::memcpy(at, header, kHeader);
      std::memcpy(at + kHeader, stream->view.data(), size);
      sink->Commit(kHeader + size);
      stream->view.remove_prefix(size);
    } else {
      sink->Write({reinterpret_cast<const char*>(header), kHeader});
      sink->Write(stream->view.substr(0, size));
      stream->view.remove_prefix(size);
    }
    if (!stream->view_is_static) self->guard_.EarnIdle(kEarnedBySent);
    if (stream->blocked && stream->pending() == 0) {
      (sink->buffered() == 0 ? self->writable_ : self->sink_blocked_).PushBack(stream);
    }
    return 0;
  }

  // One table for all sessions; it is read only.
  static const nghttp2_session_callbacks* Get() {
    static const nghttp2_session_callbacks* table = [] {
      nghttp2_session_callbacks* made = nullptr;
      nghttp2_session_callbacks_new(&made);
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, OnBeginHeaders);
      nghttp2_session_callbacks_set_on_header_callback2(made, OnHeader);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, OnContent);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, OnFrame);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, OnStreamClose);
      nghttp2_session_callbacks_set_on_frame_send_callback(made, OnFrameSent);
      nghttp2_session_callbacks_set_on_frame_not_send_callback(made, OnFrameNotSent);
      nghttp2_session_callbacks_set_send_data_callback(made, SendData);
      return made;
    }();
    return table;
  }
};

namespace {

// What is the guard's, the sections' or the streams' is switched off in nghttp2: its rate limits,
// its view of HTTP, its automatic windows.
const nghttp2_option* SessionOptions() {
  static const nghttp2_option* options = [] {
    nghttp2_option* made = nullptr;
    nghttp2_option_new(&made);
    nghttp2_option_set_no_auto_window_update(made, 1);
    nghttp2_option_set_no_recv_client_magic(made, 1);
    nghttp2_option_set_no_http_messaging(made, 1);
    nghttp2_option_set_no_closed_streams(made, 1);
    nghttp2_option_set_max_continuations(made, 1 << 20);
    nghttp2_option_set_stream_reset_rate_limit(made, uint64_t{1} << 62, 0);
    nghttp2_option_set_max_send_header_block_length(made, 256 * 1024);
    return made;
  }();
  return options;
}

}  // namespace

Http2Connection::Http2Connection(Side side, ByteSink* sink, const Http2Options& options)
    : side_(side), sink_(sink), options_(options), guard_(side, options), section_(options) {
  const auto create =
      side == Side::kServer ? nghttp2_session_server_new3 : nghttp2_session_client_new3;
  if (create(&session_, Callbacks::Get(), this, SessionOptions(), SessionMemory()) != 0) {
    std::abort();  // no memory
  }
  nghttp2_settings_entry settings[4];
  size_t count = 0;
  if (side == Side::kServer) {
    settings[count++] = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams};
  } else {
    settings[count++] = {NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
  }
  settings[count++] = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.initial_stream_window};
  // The most that could ever be accepted, as RFC 9113 §6.5.2 counts.
  settings[count++] = {
      NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
      static_cast<uint32_t>(std::min<size_t>(
          options.max_head_fields + options.max_target + 32 * (options.max_field_count + 4),
          UINT32_MAX))};
  // RFC 9218 §2.1: without the dependency tree of RFC 7540.
  settings[count++] = {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, count);
  // RFC 9113 §6.9.2: it cannot be made smaller than it begins.
  const uint32_t window =
      std::max<uint32_t>(options.connection_window, NGHTTP2_INITIAL_CONNECTION_WINDOW_SIZE);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(window));
  Pump();
}

Http2Connection::~Http2Connection() {
  nghttp2_session_del(session_);
  for (auto* list : {&streams_, &retired_, &idle_}) {
    while (Http2Stream* stream = list->PopFront()) delete stream;
  }
}

// Receiving.

void Http2Connection::Receive(std::string_view data, uint64_t now_ms) {
  if (!open_) return;
  Scope scope(this);
  now_ms_ = now_ms;
  bytes_received_ += data.size();
  receiving_ = true;
  // After GOAWAY in either direction and the last stream, nothing that comes matters.
  while (!data.empty() && open_ && !error_sent_ && nghttp2_session_want_read(session_) != 0) {
    if (side_ == Side::kServer && preface_at_ < kPrefaceSize) {
      ReceivePreface(&data);
    } else {
      ReceiveFrame(&data);
    }
    ProcessClosed();
  }
  receiving_ = false;
  Pump();
  ProcessClosed();
  ProcessWritable();
}

void Http2Connection::ReceivePreface(std::string_view* data) {
  const size_t take = std::min(data->size(), kPrefaceSize - preface_at_);
  if (data->substr(0, take) != kPreface.substr(preface_at_, take)) {
    Terminate(Http2Error::kProtocolError, "preface");
    return;
  }
  preface_at_ = static_cast<uint8_t>(preface_at_ + take);
  data->remove_prefix(take);
}

// Consumes at most one frame, or what there is of it.
void Http2Connection::ReceiveFrame(std::string_view* data) {
  constexpr size_t kHeader = Http2FrameHeader::kSize;
  if (gathering_) {
    GatherFrame(data);
    return;
  }
  if (payload_left_ > 0) {
    const size_t take = std::min<size_t>(payload_left_, data->size());
    const std::string_view piece = data->substr(0, take);
    payload_left_ -= static_cast<uint32_t>(take);
    data->remove_prefix(take);
    if (!skipping_) Feed(piece.data(), piece.size());
    return;
  }
  if (small_size_ == 0 && data->size() >= kHeader) {
    const char* frame = data->data();
    BeginFrame(frame);
    if (!open_) return;
    if (gathering_) {
      std::memcpy(small_, frame, kHeader);
      small_size_ = kHeader;
      data->remove_prefix(kHeader);
      GatherFrame(data);
      return;
    }
    // Usually the whole frame is at hand, and goes on in one piece.
    const size_t take = std::min<size_t>(payload_left_, data->size() - kHeader);
    payload_left_ -= static_cast<uint32_t>(take);
    data->remove_prefix(kHeader + take);
    if (!skipping_) Feed(frame, kHeader + take);
    return;
  }
  const size_t take = std::min(data->size(), kHeader - small_size_);
  std::memcpy(small_ + small_size_, data->data(), take);
  small_size_ += static_cast<uint32_t>(take);
  data->remove_prefix(take);
  if (small_size_ < kHeader) return;
  BeginFrame(small_);
  if (!open_) return;
  if (gathering_) {
    GatherFrame(data);
    return;
  }
  small_size_ = 0;
  if (!skipping_) Feed(small_, kHeader);
}

void Http2Connection::BeginFrame(const char* header) {
  frame_ = ReadFrameHeader(header);
  frame_content_ = false;
  if (guard_.NeedsPhase(frame_)) {
    frame_phase_ = PhaseOf(frame_.stream_id, &frame_stream_);
  } else if (!guard_.in_field_block()) {
    frame_phase_ = StreamPhase::kIdle;
    frame_stream_ = nullptr;
  }  // else a CONTINUATION goes on with its HEADERS' stream
  payload_left_ = frame_.length;
  skipping_ = false;
  gathering_ = false;
  if (!Act(guard_.OnHeader(frame_, frame_phase_, now_ms_))) return;
  if (frame_.type == Http2FrameType::kHeaders && frame_phase_ == StreamPhase::kIdle) {
    history_.Open(frame_.stream_id);
  }
  if (frame_.type == Http2FrameType::kData && frame_stream_ != nullptr &&
      !frame_stream_->reset_by_us) {
    // RFC 9113 §6.9.1. nghttp2 would pass the excess on.
    const int32_t window = nghttp2_session_get_stream_local_window_size(
        session_, static_cast<int32_t>(frame_.stream_id));
    if (static_cast<int64_t>(frame_.length) > window) {
      StreamError(frame_stream_, Http2Error::kFlowControlError, ResetReason::kProtocolError);
      OnBroken();
      if (!open_) return;
    }
  }
  gathering_ = !skipping_ && FrameGuard::WantsPayload(frame_);
}

void Http2Connection::GatherFrame(std::string_view* data) {
  constexpr size_t kHeader = Http2FrameHeader::kSize;
  const size_t take = std::min<size_t>(payload_left_, data->size());
  std::memcpy(small_ + small_size_, data->data(), take);
  small_size_ += static_cast<uint32_t>(take);
  payload_left_ -= static_cast<uint32_t>(take);
  data->remove_prefix(take);
  if (payload_left_ > 0) return;
  gathering_ = false;
  const size_t size = small_size_;
  small_size_ = 0;
  const std::string_view payload(small_ + kHeader, size - kHeader);
  if (!Act(guard_.OnPayload(frame_, frame_phase_, payload))) return;
  if (frame_.type == Http2FrameType::kSettings && SettingsOverflowWindows(payload)) {
    Terminate(Http2Error::kFlowControlError, "settings_window");
    return;
  }
  if (!skipping_) Feed(small_, size);
}

// False: the connection is over.
bool Http2Connection::Act(const FrameVerdict& verdict) {
  using Action = FrameVerdict::Action;
  switch (verdict.action) {
    case Action::kPass:
      return true;
    case Action::kSkip:
      skipping_ = true;
      return true;
    case Action::kConnectionError:
      Terminate(verdict.error, verdict.detail);
      return false;
    case Action::kStreamError:
    case Action::kStreamErrorSkip:
      skipping_ = verdict.action == Action::kStreamErrorSkip;
      if (frame_stream_ != nullptr) {
        StreamError(frame_stream_, verdict.error, ResetReason::kProtocolError);
        OnBroken();
      } else {
        RefuseStream(frame_.stream_id, verdict.error);
      }
      return open_;
  }
  return true;
}

StreamPhase Http2Connection::PhaseOf(uint32_t id, Http2Stream** stream) {
  *stream = Callbacks::StreamOf(session_, static_cast<int32_t>(id));
  if (*stream != nullptr) {
    if ((*stream)->reset_by_us) return StreamPhase::kClosedByUs;
    return (*stream)->remote_ended ? StreamPhase::kHalfClosedRemote : StreamPhase::kOpen;
  }
  if (id % 2 == 0 || id > history_.last()) return StreamPhase::kIdle;
  switch (history_.Get(id)) {
    case StreamHistory::End::kSkipped:
      return StreamPhase::kSkipped;
    case StreamHistory::End::kByUs:
      return StreamPhase::kClosedByUs;
    case StreamHistory::End::kByEndStream:
      return StreamPhase::kClosedByEndStream;
    case StreamHistory::End::kByPeer:
      return StreamPhase::kClosedByPeer;
  }
  return StreamPhase::kIdle;
}

// RFC 9113 §6.9.2: a change that makes any window too large ends the connection; nghttp2 would end
// the stream.
bool Http2Connection::SettingsOverflowWindows(std::string_view payload) {
  int64_t initial =
      nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
  int64_t change = 0;
  int64_t worst = 0;
  for (; payload.size() >= 6; payload.remove_prefix(6)) {
    const uint32_t id = ReadUint32(payload.data()) >> 16;
    if (id != NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) continue;
    const int64_t value = ReadUint32(payload.data() + 2);
    if (value > static_cast<int64_t>(kMaxWindow)) return true;
    change += value - initial;
    initial = value;
    worst = std::max(worst, change);
  }
  if (worst <= 0) return false;
  for (const Http2Stream* stream = streams_.Front(); stream != nullptr;
       stream = streams_.Next(stream)) {
    if (!stream->wired) continue;
    const int64_t window =
        nghttp2_session_get_stream_remote_window_size(session_, static_cast<int32_t>(stream->id));
    if (window + worst > static_cast<int64_t>(kMaxWindow)) return true;
  }
  return false;
}

// Hands bytes of the frame under way, header included, to nghttp2.
void Http2Connection::Feed(const char* bytes, size_t size) {
  noted_ = {};
  const ssize_t used =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes), size);
  if (used < 0) {
    Terminate(
        used == NGHTTP2_ERR_FLOODED ? Http2Error::kEnhanceYourCalm : Http2Error::kInternalError,
        "session");
    return;
  }
  OnFed();
  // A frame that nghttp2 has not taken may have ended the connection: what follows is not for us.
  if (!noted_.complete && payload_left_ == 0) Pump();
}

void Http2Connection::OnFed() {
  switch (frame_.type) {
    case Http2FrameType::kData:
      if (frame_stream_ != nullptr && !frame_stream_->head_received &&
          (!noted_.content.empty() || noted_.end)) {
        // RFC 9113 §8.1: interim responses have no content.
        nghttp2_session_consume_connection(session_, noted_.content.size());
        StreamError(frame_stream_, Http2Error::kProtocolError, ResetReason::kProtocolError);
        break;
      }
      // Known before the content is delivered: what the receiver then sends may close the stream.
      if (noted_.complete && noted_.end && frame_stream_ != nullptr) {
        frame_stream_->remote_ended = true;
      }
      if (!noted_.content.empty()) {
        frame_content_ = true;
        guard_.EarnIdle(kEarnedByReceived);
        if (frame_stream_ != nullptr) OnContent(frame_stream_, noted_.content);
      }
      if (noted_.complete && noted_.end && frame_stream_ != nullptr) {
        Http2Stream* stream = frame_stream_;
        if (ReceivedEnd(stream)) DeliverEnd(stream, nullptr);
        Retire(stream);
      }
      // RFC 9113 §10.5: empty frames that end nothing cost the sender next to nothing.
      if (open_ && noted_.complete && !noted_.end && !frame_content_ &&
          !guard_.SpendIdle(now_ms_)) {
        Terminate(Http2Error::kEnhanceYourCalm, "empty_data_flood");
      }
      break;
    case Http2FrameType::kHeaders:
    case Http2FrameType::kContinuation:
      if (section_.bomb()) {
        section_.Clear();
        Terminate(Http2Error::kEnhanceYourCalm, "head_bomb");
        break;
      }
      if (noted_.complete) {
        OnSection(frame_.stream_id, frame_stream_, noted_.end);
        section_.Clear();
      }
      break;
    case Http2FrameType::kSettings:
    case Http2FrameType::kGoaway:
      if (noted_.complete) OnPeerChanged();
      break;
    default:
      break;
  }
}

void Http2Connection::OnContent(Http2Stream* stream, std::string_view content) {
  if (!stream->tied || stream->reset_by_us) {
    // Nobody is there to read it; the other streams get the room (RFC 9113 §6.9).
    nghttp2_session_consume_connection(session_, content.size());
    return;
  }
  if (stream->receive_limited) {
    // RFC 9113 §8.1.1: more than content-length says.
    if (content.size() > stream->receive_left) {
      nghttp2_session_consume_connection(session_, content.size());
      StreamError(stream, Http2Error::kProtocolError, ResetReason::kProtocolError);
      OnBroken();
      return;
    }
    stream->receive_left -= content.size();
  }
  stream->unconsumed += content.size();
  stream->DeliverBody(content);
}

void Http2Connection::DeliverEnd(Http2Stream* stream, const HeaderMap* trailers) {
  if (!stream->tied) return;
  stream->receive_done = true;
  stream->DeliverEnd(trailers);
}

bool Http2Connection::ReceivedEnd(Http2Stream* stream) {
  stream->remote_ended = true;
  if (!stream->receive_limited || stream->receive_left == 0 || !stream->tied) return true;
  // RFC 9113 §8.1.1: less than content-length says.
  StreamError(stream, Http2Error::kProtocolError, ResetReason::kProtocolError);
  OnBroken();
  return false;
}

void Http2Connection::ReceivedTrailers(Http2Stream* stream, bool end) {
  if (!stream->tied) return;
  // RFC 9113 §8.1: trailers end the stream; §8.5: a tunnel has none.
  if (!end || stream->method == Method::kConnect) {
    StreamError(stream, Http2Error::kProtocolError, ResetReason::kProtocolError);
    OnBroken();
    return;
  }
  if (!ReceivedEnd(stream)) return;
  HeaderMap trailers(stream->arena());
  if (const FieldSection::Problem problem = section_.Finish(&trailers)) {
    const bool limit = problem.status != 0;
    StreamError(stream, limit ? Http2Error::kEnhanceYourCalm : Http2Error::kProtocolError,
                limit ? ResetReason::kLimit : ResetReason::kProtocolError);
    OnBroken();
    return;
  }
  DeliverEnd(stream, trailers.empty() ? nullptr : &trailers);
  Retire(stream);
}

bool Http2Connection::SectionPending() const {
  if (!open_) return false;
  const bool section =
      frame_.type == Http2FrameType::kHeaders || frame_.type == Http2FrameType::kContinuation;
  return !guard_.settings_seen() || guard_.in_field_block() || (section && payload_left_ > 0);
}

// Streams.

void Http2Connection::Link(Http2Stream* stream) {
  streams_.PushBack(stream);
  ++open_streams_;
  stream->window = options_.initial_stream_window;
}

void Http2Connection::Wire(Http2Stream* stream) {
  stream->wired = true;
  stream->opened = true;
  nghttp2_session_set_stream_user_data(session_, static_cast<int32_t>(stream->id), stream);
}

void Http2Connection::Retire(Http2Stream* stream) {
  if (stream->tied || stream->wired || stream->retired) return;
  stream->retired = true;
  if (frame_stream_ == stream) frame_stream_ = nullptr;
  static_cast<ListNode<StreamClosedTag>*>(stream)->Unlink();
  static_cast<ListNode<StreamWritableTag>*>(stream)->Unlink();
  retired_.PushBack(stream);
  --open_streams_;
  OnGone(stream);
}

// Gives back the credit of content that the receiver will not consume any more.
void Http2Connection::Cut(Http2Stream* stream) {
  if (open_ && stream->unconsumed > 0) {
    nghttp2_session_consume_connection(session_, stream->unconsumed);
  }
  stream->unconsumed = 0;
}

void Http2Connection::StreamError(Http2Stream* stream, Http2Error error, ResetReason reason) {
  if (stream->wired && !stream->reset_by_us) {
    stream->reset_by_us = true;
    RefuseStream(stream->id, error);
  }
  if (stream->tied) {
    Cut(stream);
    stream->DeliverReset(reason);
  }
  Retire(stream);
}

// Written at once: until then the stream counts as open, and nghttp2 takes frames for it as such.
void Http2Connection::RefuseStream(uint32_t id, Http2Error error) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, static_cast<int32_t>(id),
                            static_cast<uint32_t>(error));
  Pump();
}

void Http2Connection::ResetStream(Http2Stream* stream, ResetReason reason) {
  if (!stream->tied) return;
  Scope scope(this);
  Cut(stream);
  stream->Untie();
  // A response that has gone out whole needs no reset.
  if (open_ && stream->wired && !stream->reset_by_us &&
      !(side_ == Side::kServer && stream->local_ended)) {
    stream->reset_by_us = true;
    RefuseStream(stream->id, ErrorOf(reason));
  }
  Retire(stream);
}

void Http2Connection::Consume(Http2Stream* stream, size_t size) {
  size = static_cast<size_t>(std::min<uint64_t>(size, stream->unconsumed));
  stream->unconsumed -= size;
  if (!open_ || size == 0) return;
  Scope scope(this);
  if (!stream->wired || stream->remote_ended || stream->reset_by_us) {
    nghttp2_session_consume_connection(session_, size);
  } else {
    const auto id = static_cast<int32_t>(stream->id);
    nghttp2_session_consume(session_, id, size);
    stream->window_used += size;
    // The reader has kept up with a whole window: it may have a larger one. Not before the peer has
    // the first one in force, which is applied as a difference.
    if (stream->window < options_.max_stream_window && stream->unconsumed == 0 &&
        stream->window_used >= stream->window &&
        nghttp2_session_get_local_settings(session_, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) ==
            options_.initial_stream_window) {
      stream->window = std::min<uint64_t>(stream->window * 2, options_.max_stream_window);
      stream->window_used = 0;
      nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, id,
                                            static_cast<int32_t>(stream->window));
    }
  }
  if (!receiving_) Pump();
}

// Sending.

void Http2Connection::SendHeaders(Http2Stream* stream, const FieldWriter& fields, bool end) {
  nghttp2_submit_headers(session_, end ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE,
                         static_cast<int32_t>(stream->id), nullptr, fields.data(), fields.size(),
                         nullptr);
  Pump();
}

void Http2Connection::SendResponse(Http2Stream* stream, uint16_t status, std::string_view block,
                                   bool end) {
  char digits[3] = {static_cast<char>('0' + status / 100 % 10),
                    static_cast<char>('0' + status / 10 % 10),
                    static_cast<char>('0' + status % 10)};
  FieldWriter fields;
  fields.Add(":status", {digits, 3});
  const ResponseBlock response{stream->id, block};
  response_ = &response;
  SendHeaders(stream, fields, end);
  response_ = nullptr;
}

// `head` is the HEADERS frame of the status, with changes of the table's size before it if there
// are any; it goes out with the block behind it, in CONTINUATIONs if need be.
void Http2Connection::WriteResponse(std::string_view head, std::string_view block) {
  constexpr size_t kHeader = Http2FrameHeader::kSize;
  constexpr size_t kMostPayload = 16384;  // RFC 9113 §4.2: what every peer takes
  Http2FrameHeader header = ReadFrameHeader(head.data());
  head.remove_prefix(kHeader);
  const uint8_t flags = header.flags;
  header.flags = flags & kFlagEndStream;
  do {
    const size_t taken = std::min(block.size(), kMostPayload - head.size());
    header.length = static_cast<uint32_t>(head.size() + taken);
    if (taken == block.size()) header.flags |= flags & kFlagEndHeaders;
    char* at = sink_->Reserve(kHeader + header.length);
    WriteFrameHeader(header, at);
    at = std::copy(head.begin(), head.end(), at + kHeader);
    std::copy_n(block.begin(), taken, at);
    sink_->Commit(kHeader + header.length);
    block.remove_prefix(taken);
    head = {};
    header.type = Http2FrameType::kContinuation;
    header.flags = 0;
  } while (!block.empty());
}

size_t Http2Connection::buffered(const Http2Stream* stream) const {
  const size_t pending = stream->pending();
  return pending > 0 || !stream->blocked ? pending : sink_->buffered();
}

void Http2Connection::SendBody(Http2Stream* stream, std::string_view data) {
  if (data.empty() || !open_ || !stream->head_sent || stream->send_done || !stream->wired ||
      stream->reset_by_us || stream->no_content) {
    return;
  }
  Scope scope(this);
  if (stream->send_limited) {
    if (data.size() > stream->send_left) {
      BreakOff(stream);
      return;
    }
    stream->send_left -= data.size();
    stream->finishing = stream->send_left == 0;
  }
  if (stream->pending() > 0 || !stream->opened || pumping_) {
    Enqueue(stream, data);
    if (stream->opened) SubmitData(stream);
  } else {
    stream->view = data;
    SendPending(stream);
  }
  NoteBlocked(stream);
}

void Http2Connection::SendPending(Http2Stream* stream) {
  SubmitData(stream);
  Pump();
  if (stream->view.empty() || stream->view_is_static) return;
  const std::string_view rest = stream->view;
  stream->view = {};
  if (stream->wired && !stream->reset_by_us) Enqueue(stream, rest);
}

void Http2Connection::SendEnd(Http2Stream* stream, const HeaderMap* trailers) {
  if (!stream->head_sent || stream->send_done) return;
  Scope scope(this);
  stream->send_done = true;
  if (open_ && stream->wired && !stream->reset_by_us && !stream->finishing &&
      !stream->local_ended) {
    if (stream->send_limited && stream->send_left > 0) {
      BreakOff(stream);  // a short message must not look complete
    } else if (trailers != nullptr && !trailers->empty()) {
      if (stream->pending() == 0 && stream->opened) {
        SubmitTrailers(stream, *trailers);
      } else {
        stream->trailers = std::make_unique<HeldTrailers>(stream->arena()->pool(), *trailers);
        stream->finishing = true;
      }
    } else {
      stream->finishing = true;
      if (stream->opened) SubmitData(stream);
    }
    Pump();
  }
  OnSent(stream);
}

void Http2Connection::SubmitData(Http2Stream* stream) {
  if (stream->data_submitted) return;
  stream->data_submitted = true;
  nghttp2_data_provider provider;
  provider.source.ptr = stream;
  provider.read_callback = Callbacks::ReadData;
  nghttp2_submit_data(session_, NGHTTP2_FLAG_END_STREAM, static_cast<int32_t>(stream->id),
                      &provider);
}

void Http2Connection::SubmitTrailers(Http2Stream* stream, const HeaderMap& trailers) {
  FieldWriter fields;
  fields.Trailers(trailers);
  if (fields.size() == 0) {
    stream->finishing = true;
    SubmitData(stream);
    return;
  }
  nghttp2_submit_trailer(session_, static_cast<int32_t>(stream->id), fields.data(), fields.size());
  Pump();  // while the fields are alive
}

void Http2Connection::Enqueue(Http2Stream* stream, std::string_view data) {
  if (!stream->queue) stream->queue.emplace(stream->arena()->pool());
  stream->queue->Append(data);
}

void Http2Connection::NoteBlocked(Http2Stream* stream) {
  if (stream->pending() > 0) {
    stream->blocked = true;
    static_cast<ListNode<StreamWritableTag>*>(stream)->Unlink();
  } else if (sink_->buffered() > 0 && !stream->finishing) {
    stream->blocked = true;
    sink_blocked_.PushBack(stream);
  }
}

// We have sent what cannot be completed, or cannot be complete.
void Http2Connection::BreakOff(Http2Stream* stream) {
  stream->broken_off = true;
  stream->reset_by_us = true;
  stream->view = {};
  stream->queue.reset();
  RefuseStream(stream->id, Http2Error::kInternalError);
}

// END_STREAM has been written.
void Http2Connection::LocalEnded(Http2Stream* stream) {
  stream->local_ended = true;
  stream->finishing = true;
  if (side_ != Side::kServer || stream->remote_ended || stream->reset_by_us) return;
  // RFC 9113 §8.1: the rest of the request is not needed.
  stream->reset_by_us = true;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, static_cast<int32_t>(stream->id),
                            NGHTTP2_NO_ERROR);
}

void Http2Connection::Pump() {
  if (pumping_ || silent_) return;
  pumping_ = true;
  const uint8_t* bytes = nullptr;
  ssize_t size;
  while ((size = nghttp2_session_mem_send(session_, &bytes)) > 0) {
    const std::string_view frame(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
    if (response_ != nullptr && IsHeadersOf(frame, response_->stream_id)) {
      WriteResponse(frame, std::exchange(response_, nullptr)->fields);
    } else {
      sink_->Write(frame);
    }
  }
  pumping_ = false;
  if (size < 0) {
    silent_ = true;
    error_sent_ = true;  // no memory: the connection just ends
  }
}

void Http2Connection::SinkWritable() {
  if (!open_) return;
  Scope scope(this);
  Pump();
  if (sink_->buffered() == 0) writable_.TakeAll(&sink_blocked_);
  ProcessClosed();
  ProcessWritable();
}

// Endings.

// Tells receivers of streams that nghttp2 has closed.
void Http2Connection::ProcessClosed() {
  while (Http2Stream* stream = closed_.PopFront()) {
    stream->view = {};
    stream->queue.reset();
    bool broken = false;
    if (stream->tied) {
      switch (EndingOf(stream)) {
        case Ending::kComplete:
          // The receiver may go on; nothing of it is sent.
          if (stream->blocked) writable_.PushBack(stream);
          break;
        case Ending::kRefused:
          Cut(stream);
          stream->DeliverReset(ResetReason::kRefused);
          break;
        case Ending::kPeerReset:
          broken = true;
          Cut(stream);
          stream->DeliverReset(ResetReason::kPeerReset);
          break;
        case Ending::kPeerFault:
          broken = true;
          Cut(stream);
          stream->DeliverReset(ResetReason::kProtocolError);
          break;
        case Ending::kOurFault:
          Cut(stream);
          stream->DeliverReset(ResetReason::kInternal);
          break;
      }
    }
    Retire(stream);
    if (broken) OnBroken();
  }
}

Http2Connection::Ending Http2Connection::EndingOf(const Http2Stream* stream) const {
  if (side_ == Side::kServer) {
    if (stream->local_ended || stream->broken_off) return Ending::kComplete;
    return stream->peer_reset ? Ending::kPeerReset : Ending::kPeerFault;
  }
  if (stream->receive_done) return Ending::kComplete;
  if (stream->broken_off) return Ending::kOurFault;
  // By RST_STREAM, or because GOAWAY names a lower stream (RFC 9113 §6.8, §8.7).
  if (stream->close_code == NGHTTP2_REFUSED_STREAM) return Ending::kRefused;
  return stream->peer_reset ? Ending::kPeerReset : Ending::kPeerFault;
}

void Http2Connection::ProcessWritable() {
  while (Http2Stream* stream = writable_.PopFront()) {
    stream->blocked = false;
    if (stream->tied) stream->DeliverWritable();
  }
}

void Http2Connection::Terminate(Http2Error error, std::string_view detail) {
  if (!open_) return;
  open_ = false;
  nghttp2_session_terminate_session(session_, static_cast<uint32_t>(error));
  Pump();
  silent_ = true;
  OnTerminated(detail);
  FailAll(error == Http2Error::kEnhanceYourCalm ? ResetReason::kLimit
                                                : ResetReason::kProtocolError);
}

void Http2Connection::Lost() {
  if (!open_) return;
  Scope scope(this);
  open_ = false;
  silent_ = true;
  FailAll(ResetReason::kConnectionLost);
}

void Http2Connection::FailAll(ResetReason reason) {
  // nghttp2 still points to the streams, but is never entered again.
  while (Http2Stream* stream = streams_.Front()) {
    stream->wired = false;
    const ResetReason why = reason == ResetReason::kConnectionLost ? LossReason(stream) : reason;
    if (stream->tied) stream->DeliverReset(why);
    Retire(stream);
  }
}

void Http2Connection::Settle() {
  ProcessClosed();
  if (error_sent_ && open_) {
    // nghttp2 has found an error of its own, in HPACK or in the order of things.
    open_ = false;
    silent_ = true;
    OnTerminated("session");
    FailAll(ResetReason::kProtocolError);
  }
  while (Http2Stream* stream = retired_.PopFront()) {
    if (idle_count_ >= kMaxIdleStreams) {
      delete stream;
      continue;
    }
    stream->Recycle();
    idle_.PushFront(stream);
    ++idle_count_;
  }
  if (open_streams_ == 0) {
    for (; idle_count_ > kMinIdleStreams; --idle_count_) delete idle_.PopFront();
  }
  OnSettled();
}

}  // namespace postern
