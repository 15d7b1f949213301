#include "core/http/http2/client_codec.h"

#include <algorithm>
#include <utility>

namespace postern {

class Http2ClientCodec::Stream final : public Http2Stream, public ClientStream {
 public:
  explicit Stream(Http2ClientCodec* codec) : codec_(codec) {}

  void Tie(ResponseReceiver* receiver) {
    receiver_ = receiver;
    codec_->SetTied(this, true);
    interim = 0;
    counted = false;
    reused = false;
    received_before = 0;
  }
  ResponseReceiver* receiver() const { return receiver_; }
  // Cuts the tie if the exchange is over but for what the receiver is yet to be told, which may
  // begin the next one in its place.
  ResponseReceiver* ReceiverAtEnd() {
    ResponseReceiver* receiver = receiver_;
    if (send_done) {
      codec_->Cut(this);
      Untie();
      codec_->Retire(this);
    }
    return receiver;
  }

  // ClientStream.
  void SendHead(const RequestHead& head, bool end) override { codec_->SendHead(this, head, end); }
  void SendBody(std::string_view data) override { codec_->Http2Connection::SendBody(this, data); }
  void SendEnd(const HeaderMap* trailers) override { codec_->SendEnd(this, trailers); }
  void Reset(ResetReason reason) override { codec_->ResetStream(this, reason); }
  void Consume(size_t size) override { codec_->Http2Connection::Consume(this, size); }
  size_t buffered() const override { return codec_->Http2Connection::buffered(this); }

  // Http2Stream.
  void DeliverBody(std::string_view data) override { receiver_->OnBody(data); }
  void DeliverEnd(const HeaderMap* trailers) override { ReceiverAtEnd()->OnEnd(trailers); }
  void DeliverWritable() override { receiver_->OnWritable(); }
  void DeliverReset(ResetReason reason) override {
    codec_->SetTied(this, false);
    std::exchange(receiver_, nullptr)->OnReset(reason);
  }
  void Untie() override {
    codec_->SetTied(this, false);
    receiver_ = nullptr;
  }
  Arena* arena() override { return receiver_->response_head()->headers.arena(); }

  size_t interim = 0;            // 1xx received
  bool counted = false;          // in wired_streams_
  bool reused = false;           // the connection had served others when this request was sent
  uint64_t received_before = 0;  // bytes the connection had received by then

 private:
  Http2ClientCodec* codec_;
  ResponseReceiver* receiver_ = nullptr;
};

Http2ClientCodec::Http2ClientCodec(ByteSink* sink, ClientCodecEvents* events,
                                   const Http2Options& options)
    : Http2Connection(Side::kClient, sink, options), events_(events) {}

bool Http2ClientCodec::RequestsAllowed() const {
  return open() && nghttp2_session_check_request_allowed(session()) != 0;
}

uint32_t Http2ClientCodec::PeerLimit() const {
  return nghttp2_session_get_remote_settings(session(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

size_t Http2ClientCodec::capacity() const {
  if (!RequestsAllowed()) return 0;
  const size_t limit = std::min(PeerLimit(), options().max_concurrent_streams);
  return limit - std::min(limit, open_streams());
}

void Http2ClientCodec::Ping() {
  if (!open()) return;
  Scope scope(this);
  nghttp2_submit_ping(session(), NGHTTP2_FLAG_NONE, nullptr);
  Pump();
}

ClientStream* Http2ClientCodec::NewStream(ResponseReceiver* receiver) {
  if (capacity() == 0) return nullptr;
  auto* stream = static_cast<Stream*>(TakeIdle());
  if (stream == nullptr) stream = new Stream(this);
  Link(stream);
  stream->Tie(receiver);
  return stream;
}

void Http2ClientCodec::SendHead(Stream* stream, const RequestHead& head, bool end) {
  if (stream->head_sent) return;
  Scope scope(this);
  if (!RequestsAllowed()) {
    // GOAWAY has come since NewStream().
    StreamError(stream, Http2Error::kCancel, ResetReason::kRefused);
    return;
  }
  stream->head_sent = true;
  stream->send_done = end;
  stream->method = head.method;
  uint64_t length = FieldWriter::kNoLength;
  if (end) {
    // A method that has a meaning for content says that there is none (RFC 9110 §8.6).
    if (head.method == Method::kPost || head.method == Method::kPut ||
        head.method == Method::kPatch || head.has_content_length) {
      length = 0;
    }
  } else if (head.body == BodyKind::kLength) {
    length = head.content_length;
    stream->send_limited = true;
    stream->send_left = length;
  }
  FieldWriter fields;
  fields.Request(head, length);
  // Where the peer has lowered its limit meanwhile, nghttp2 holds the request back.
  if (wired_streams_ >= PeerLimit()) fields.CopyBytes();
  const int32_t id = nghttp2_submit_headers(
      session(), end ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE, -1, nullptr, fields.data(),
      fields.size(), static_cast<Http2Stream*>(stream));
  if (id < 0) {
    StreamError(stream, Http2Error::kCancel, ResetReason::kRefused);
    return;
  }
  stream->id = static_cast<uint32_t>(id);
  stream->wired = true;
  stream->counted = true;
  stream->reused = reused_;
  stream->received_before = bytes_received();
  ++wired_streams_;
  history()->Open(stream->id);
  Pump();
}

void Http2ClientCodec::OnSection(uint32_t /*id*/, Http2Stream* stream, bool end) {
  if (stream == nullptr || !stream->tied) return;
  if (stream->head_received) {
    ReceivedTrailers(stream, end);
  } else {
    ReceivedHead(static_cast<Stream*>(stream), end);
  }
}

void Http2ClientCodec::ReceivedHead(Stream* stream, bool end) {
  ResponseHead* head = stream->receiver()->response_head();
  const auto malformed = [&] {
    StreamError(stream, Http2Error::kProtocolError, ResetReason::kProtocolError);
  };
  head->headers.Clear();
  if (const FieldSection::Problem problem = section()->Finish(head)) {
    if (problem.status == 0) {
      malformed();
    } else {
      StreamError(stream, Http2Error::kCancel, ResetReason::kLimit);
    }
    return;
  }
  if (head->status < 200) {
    // Interim: another head follows (RFC 9110 §15.2, RFC 9113 §8.1).
    if (end || head->content_length > 0 || ++stream->interim > options().max_interim_responses) {
      malformed();
      return;
    }
    if (head->status != 100) stream->receiver()->OnInformational(head->status, head->headers);
    if (stream->tied) head->headers.Clear();
    return;
  }
  guard()->EarnIdle(1);
  if (ResponseHasNoBody(stream->method, head->status)) {
    // The length is that of another response; none comes (RFC 9113 §8.1.1).
    if (head->status == 204 && head->content_length > 0) {
      malformed();
      return;
    }
    head->body =
        head->has_content_length || head->status == 204 ? BodyKind::kNone : BodyKind::kUnknown;
    stream->receive_limited = true;
    stream->receive_left = 0;
  } else if (end) {
    if (head->content_length > 0) {
      malformed();
      return;
    }
    head->body = BodyKind::kNone;
  } else {
    head->body = !head->has_content_length  ? BodyKind::kUnknown
                 : head->content_length > 0 ? BodyKind::kLength
                                            : BodyKind::kNone;
    stream->receive_limited = head->has_content_length;
    stream->receive_left = head->content_length;
  }
  stream->head_received = true;
  if (!end) {
    stream->receiver()->OnHead(false);
    return;
  }
  stream->remote_ended = true;
  stream->receive_done = true;
  stream->ReceiverAtEnd()->OnHead(true);
}

void Http2ClientCodec::OnSent(Http2Stream* stream) {
  if (stream->send_done && stream->receive_done && stream->tied) {
    Cut(stream);
    stream->Untie();
  }
  Retire(stream);
}

void Http2ClientCodec::OnGone(Http2Stream* stream) {
  auto* own = static_cast<Stream*>(stream);
  if (own->counted) --wired_streams_;
  if (own->receive_done) reused_ = true;
  capacity_changed_ = true;
}

void Http2ClientCodec::OnSettled() {
  if (std::exchange(capacity_changed_, false)) events_->OnCapacityChanged();
}

// No byte since the request was sent, on a connection that worked before: most likely it was closed
// while it lay idle, which says nothing about the request.
ResetReason Http2ClientCodec::LossReason(const Http2Stream* stream) const {
  const auto* own = static_cast<const Stream*>(stream);
  const bool silent = own->reused && own->received_before == bytes_received();
  return silent ? ResetReason::kStaleConnection : ResetReason::kConnectionLost;
}

}  // namespace postern
