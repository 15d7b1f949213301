#include "core/http/http2/server_codec.h"

#include <algorithm>
#include <utility>

#include "core/http/http2/field_block.h"

namespace postern {
namespace {

// A useful request makes room for as many idle frames: its priority, its window updates, a ping.
constexpr uint32_t kEarnedByRequest = 8;

// The bodies of the answers that the codec gives itself, as HTTP/1 has them.
std::string_view RejectionBody(uint16_t status) {
  switch (status) {
    case 414:
      return R"({"message":"URI Too Long"})";
    case 417:
      return R"({"message":"Expectation Failed"})";
    default:
      return R"({"message":"Request Header Fields Too Large"})";
  }
}

}  // namespace

class Http2ServerCodec::Stream final : public Http2Stream, public ServerStream {
 public:
  explicit Stream(Http2ServerCodec* codec) : codec_(codec) {}

  void Tie(RequestReceiver* receiver) {
    receiver_ = receiver;
    codec_->SetTied(this, true);
  }

  // ServerStream.
  void SendInformational(uint16_t status, const HeaderMap* headers) override {
    if (head_sent || status == 101 || !codec_->open() || !wired || reset_by_us) return;
    Scope scope(codec_);
    FieldBlock fields;
    if (fields.Make(headers, FieldBlock::kNoLength)) {
      codec_->SendResponse(this, status, fields.bytes(), false);
    }
  }
  void SendHead(const ResponseHead& head, bool end) override { codec_->SendHead(this, head, end); }
  void SendBody(std::string_view data) override { codec_->Http2Connection::SendBody(this, data); }
  void SendEnd(const HeaderMap* trailers) override { codec_->SendEnd(this, trailers); }
  void Reset(ResetReason reason) override { codec_->ResetStream(this, reason); }
  void Consume(size_t size) override { codec_->Http2Connection::Consume(this, size); }
  size_t buffered() const override { return codec_->Http2Connection::buffered(this); }
  uint64_t id() const override { return Http2Stream::id; }

  // Http2Stream.
  void DeliverBody(std::string_view data) override { receiver_->OnBody(data); }
  void DeliverEnd(const HeaderMap* trailers) override { receiver_->OnEnd(trailers); }
  void DeliverWritable() override { receiver_->OnWritable(); }
  void DeliverReset(ResetReason reason) override {
    codec_->SetTied(this, false);
    std::exchange(receiver_, nullptr)->OnReset(reason);
  }
  void Untie() override {
    codec_->SetTied(this, false);
    receiver_ = nullptr;
  }
  Arena* arena() override { return receiver_->request_head()->headers.arena(); }

 private:
  Http2ServerCodec* codec_;
  RequestReceiver* receiver_ = nullptr;
};

Http2ServerCodec::Http2ServerCodec(ByteSink* sink, ServerCodecEvents* events,
                                   const Http2Options& options)
    : Http2Connection(Side::kServer, sink, options),
      events_(events),
      resets_(options.max_resets, options.resets_per_second) {}

bool Http2ServerCodec::Done() const {
  if (!open()) return true;
  return open_streams() == 0 && (peer_closed_ || goaway_received() || drain_step_ == 2);
}

void Http2ServerCodec::Drain() {
  if (!open() || drain_step_ == 2) return;
  Scope scope(this);
  // RFC 9113 §6.8: first a warning that refuses nothing, and later, when what was on its way has
  // arrived, the last stream that will be answered.
  if (++drain_step_ == 1) {
    nghttp2_submit_shutdown_notice(session());
  } else {
    nghttp2_submit_goaway(session(), NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session()), NGHTTP2_NO_ERROR,
                          nullptr, 0);
  }
  Pump();
}

void Http2ServerCodec::OnPeerClosed() {
  if (!open() || peer_closed_) return;
  Scope scope(this);
  peer_closed_ = true;
  // Requests that can never be completed end; the others are answered (RFC 9113 §5.1 knows no FIN).
  for (;;) {
    Http2Stream* stream = streams().Front();
    while (stream != nullptr && (!stream->tied || stream->remote_ended)) {
      stream = streams().Next(stream);
    }
    if (stream == nullptr) break;
    StreamError(stream, Http2Error::kCancel, ResetReason::kPeerReset);
  }
  Pump();
}

void Http2ServerCodec::OnSection(uint32_t id, Http2Stream* stream, bool end) {
  if (stream != nullptr) {
    ReceivedTrailers(stream, end);
  } else {
    StartRequest(id, end);
  }
}

void Http2ServerCodec::StartRequest(uint32_t id, bool end) {
  if (const FieldSection::Problem problem = section()->Check(end)) {
    Reject(id, end, problem);
    return;
  }
  // A client that has just reset many streams may have the fewer under way, so that no mixture of
  // the two makes us begin more requests than streams are allowed at a time (RFC 9113 §10.5).
  const uint32_t resets = resets_.Used(now_ms());
  const size_t limit = std::max(options().max_resets, options().max_concurrent_streams);
  if (resets > options().max_resets / 5 && open_streams() + resets >= limit) {
    Refuse(id);
    return;
  }
  Stream* stream = MakeStream(id, end);
  RequestReceiver* receiver = events_->OnNewStream(stream);
  if (receiver == nullptr) {
    Refuse(id);
    Retire(stream);
    return;
  }
  stream->Tie(receiver);
  Wire(stream);
  RequestHead* head = receiver->request_head();
  section()->Write(end, head);
  stream->method = head->method;
  stream->receive_limited = head->has_content_length;
  stream->receive_left = head->content_length;
  guard()->EarnIdle(kEarnedByRequest);
  receiver->OnHead(end);
  Retire(stream);
}

Http2ServerCodec::Stream* Http2ServerCodec::MakeStream(uint32_t id, bool end) {
  auto* stream = static_cast<Stream*>(TakeIdle());
  if (stream == nullptr) stream = new Stream(this);
  stream->Http2Stream::id = id;
  stream->head_received = true;
  stream->remote_ended = end;
  stream->receive_done = end;
  Link(stream);
  return stream;
}

void Http2ServerCodec::Refuse(uint32_t id) {
  RefuseStream(id, Http2Error::kRefusedStream);
  if (!guard()->SpendIdle(now_ms())) {
    Terminate(Http2Error::kEnhanceYourCalm, "refused_stream_flood");
  }
}

// What is malformed is reset (RFC 9113 §8.1.1); what passes a limit is answered.
void Http2ServerCodec::Reject(uint32_t id, bool end, const FieldSection::Problem& problem) {
  events_->OnRejected(problem.status, problem.detail);
  if (problem.status == 0) {
    RefuseStream(id, Http2Error::kProtocolError);
  } else {
    Stream* stream = MakeStream(id, end);
    Wire(stream);
    stream->head_sent = true;
    stream->send_done = true;
    const std::string_view body = RejectionBody(problem.status);
    const bool head_only = section()->is_head_request();
    FieldBlock fields;
    fields.Make(HeaderId::kContentType, "application/json", body.size());
    SendResponse(stream, problem.status, fields.bytes(), head_only);
    if (!head_only && stream->wired) {
      stream->view = body;
      stream->view_is_static = true;
      stream->finishing = true;
      SendPending(stream);
    }
    Retire(stream);
  }
  if (!guard()->SpendIdle(now_ms())) {
    Terminate(Http2Error::kEnhanceYourCalm, "bad_request_flood");
  }
}

void Http2ServerCodec::SendHead(Stream* stream, const ResponseHead& head, bool end) {
  if (stream->head_sent) return;
  Scope scope(this);
  stream->head_sent = true;
  stream->send_done = end;
  if (!open() || !stream->wired || stream->reset_by_us) {
    OnSent(stream);
    return;
  }
  if (head.status < 200 || head.status > 999) {
    // RFC 9113 §8.6: HTTP/2 has no 101; what else is below 200 is not a final status.
    ResetStream(stream, ResetReason::kInternal);
    return;
  }
  uint64_t length = FieldBlock::kNoLength;
  stream->no_content = ResponseHasNoBody(stream->method, head.status);
  if (stream->no_content) {
    // A HEAD response announces what GET would send; 304 may, 204 must not (RFC 9110 §8.6).
    if (stream->method == Method::kHead && head.status != 204 && head.status != 304 &&
        (head.has_content_length || head.body != BodyKind::kUnknown)) {
      length = head.content_length;
    }
  } else if (stream->method == Method::kConnect && head.status < 300) {
    // RFC 9110 §9.3.6: a tunnel has no length.
  } else if (end) {
    length = 0;
  } else if (head.body == BodyKind::kLength) {
    length = head.content_length;
    stream->send_limited = true;
    stream->send_left = length;
  }
  const bool last = end || stream->no_content || length == 0;
  FieldBlock fields;
  if (!fields.Make(&head.headers, length)) {
    ResetStream(stream, ResetReason::kInternal);
    return;
  }
  SendResponse(stream, head.status, fields.bytes(), last);
  OnSent(stream);
}

void Http2ServerCodec::OnSent(Http2Stream* stream) {
  if (stream->send_done && stream->tied) {
    Cut(stream);
    stream->Untie();
  }
  Retire(stream);
}

void Http2ServerCodec::OnGone(Http2Stream* stream) {
  if (stream->local_ended) resets_.Earn(1);
}

void Http2ServerCodec::OnBroken() {
  if (open() && !resets_.Spend(now_ms())) {
    Terminate(Http2Error::kEnhanceYourCalm, "reset_flood");
  }
}

}  // namespace postern
