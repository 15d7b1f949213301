#include "core/http/http1/client_codec.h"

#include <algorithm>
#include <utility>

#include "core/http/http1/field_parser.h"

namespace postern {

Http1ClientCodec::Http1ClientCodec(ByteSink* sink, ClientCodecEvents* events,
                                   const Http1Limits* limits)
    : sink_(sink), events_(events), limits_(limits), chunks_(limits->max_trailer_bytes) {}

ClientStream* Http1ClientCodec::NewStream(ResponseReceiver* receiver) {
  if (capacity() == 0) return nullptr;
  receiver_ = receiver;
  phase_ = Phase::kHead;
  request_done_ = false;
  keep_alive_ = true;
  answered_ = false;
  interim_ = 0;
  unconsumed_ = 0;
  surplus_ = false;
  scanner_.Reset();
  return this;
}

void Http1ClientCodec::OnData(std::string_view data, uint64_t /*now_ms*/) {
  if (closing_) return;
  if (phase_ == Phase::kIdle || phase_ == Phase::kReceived) {
    // Nothing was asked: whatever this is, it must not answer the next request.
    if (!data.empty()) {
      closing_ = true;
      if (receiver_ != nullptr) Fail(ResetReason::kProtocolError);
    }
    return;
  }
  answered_ = answered_ || !data.empty();
  if (held_.empty()) {
    while (!closing_ && Step(&data)) {
    }
    if (!closing_ && !data.empty()) held_.assign(data);
  } else {
    std::string bytes = std::exchange(held_, {});
    bytes.append(data);
    std::string_view rest = bytes;
    while (!closing_ && Step(&rest)) {
    }
    if (!closing_ && !rest.empty()) {
      bytes.erase(0, bytes.size() - rest.size());
      held_ = std::move(bytes);
    }
  }
}

bool Http1ClientCodec::Step(std::string_view* data) {
  if (data->empty()) return false;
  switch (phase_) {
    case Phase::kHead:
      return ReadHead(data);
    case Phase::kBody: {
      const size_t take = static_cast<size_t>(std::min<uint64_t>(response_left_, data->size()));
      const std::string_view content = data->substr(0, take);
      data->remove_prefix(take);
      response_left_ -= take;
      const bool last = response_left_ == 0;
      surplus_ = !data->empty();
      Deliver(content);
      // The receiver may have cut the exchange while it had the content in hand.
      if (last && receiver_ != nullptr) ResponseComplete(nullptr);
      return true;
    }
    case Phase::kChunked:
      switch (chunks_.Decode(data)) {
        case ChunkedDecoder::Result::kMore:
          return false;
        case ChunkedDecoder::Result::kData:
          Deliver(chunks_.data());
          return true;
        case ChunkedDecoder::Result::kError:
          Fail(ResetReason::kProtocolError);
          return false;
        case ChunkedDecoder::Result::kDone:
          break;
      }
      surplus_ = !data->empty();
      if (!chunks_.trailer_block().empty()) {
        Arena* arena = receiver_->response_head()->headers.arena();
        HeaderMap trailers(arena);
        FramingFields framing;
        if (!ParseFields(arena->Copy(chunks_.trailer_block()), FieldKind::kTrailers,
                         limits_->max_field_count, &trailers, &framing)
                 .empty()) {
          Fail(ResetReason::kProtocolError);
          return false;
        }
        ResponseComplete(trailers.empty() ? nullptr : &trailers);
      } else {
        ResponseComplete(nullptr);
      }
      return true;
    case Phase::kUntilEnd:
    case Phase::kTunnel: {
      const std::string_view content = *data;
      data->remove_prefix(data->size());
      Deliver(content);
      return false;
    }
    case Phase::kIdle:
    case Phase::kReceived:
      // More than one answer to one request (RFC 9112 §9.2).
      closing_ = true;
      if (receiver_ != nullptr) Fail(ResetReason::kProtocolError);
      return false;
  }
  return false;
}

bool Http1ClientCodec::ReadHead(std::string_view* data) {
  const size_t window = limits_->max_target + limits_->max_head_fields;
  const HeadScanner::Result result = scanner_.Scan(data->substr(0, window));
  if (result == HeadScanner::Result::kIncomplete && data->size() < window) return false;
  if (result != HeadScanner::Result::kComplete || scanner_.begin() != 0) {
    Fail(ResetReason::kProtocolError);
    return false;
  }
  const size_t end = scanner_.end();
  scanner_.Reset();
  const std::string_view head = data->substr(0, end);
  data->remove_prefix(end);
  surplus_ = !data->empty();
  return StartResponse(head);
}

// RFC 9112 §4: HTTP-version SP status-code SP [ reason-phrase ]. The second space is often left out
// with the phrase, and that cannot be misread.
std::string_view Http1ClientCodec::ParseStatusLine(std::string_view line, ResponseHead* head) {
  if (line.size() < 12 || line.substr(0, 7) != "HTTP/1." || line[7] < '0' || line[7] > '9' ||
      line[8] != ' ') {
    return "status_line";
  }
  head->version = line[7] == '0' ? 10 : 11;
  uint16_t status = 0;
  for (char c : line.substr(9, 3)) {
    if (c < '0' || c > '9') return "status_line";
    status = static_cast<uint16_t>(status * 10 + (c - '0'));
  }
  if (status < 100 || status > 599) return "status";
  if (line.size() > 12 && line[12] != ' ') return "status_line";
  head->status = status;
  head->reason = line.size() > 13 ? line.substr(13) : std::string_view{};
  return {};
}

bool Http1ClientCodec::StartResponse(std::string_view head_bytes) {
  ResponseHead* head = receiver_->response_head();
  Arena* arena = head->headers.arena();
  const std::string_view bytes = arena->Copy(head_bytes);
  const size_t line_end = bytes.find("\r\n");
  FramingFields framing;
  head->headers.Clear();
  if (!ParseStatusLine(bytes.substr(0, line_end), head).empty() ||
      !ParseFields(bytes.substr(line_end + 2), FieldKind::kResponse, limits_->max_field_count,
                   &head->headers, &framing)
           .empty()) {
    Fail(ResetReason::kProtocolError);
    return false;
  }
  if (head->status < 200 && head->status != 101) {
    // Interim: another head follows (RFC 9110 §15.2). It has no content, so it has no framing.
    if (++interim_ > limits_->max_interim_responses || framing.chunked ||
        framing.content_length > 0) {
      Fail(ResetReason::kProtocolError);
      return false;
    }
    if (head->status != 100) receiver_->OnInformational(head->status, head->headers);
    head->headers.Clear();
    return receiver_ != nullptr;
  }
  if (framing.unknown_coding || (head->version < 11 && framing.chunked) ||
      // RFC 9110 §15.2.2: a protocol is only switched to when asked for.
      (head->status == 101 && !(framing.connection_upgrade && upgrade_asked_)) ||
      (head->status == 204 && (framing.chunked || framing.content_length > 0))) {
    Fail(ResetReason::kProtocolError);
    return false;
  }
  keep_alive_ = head->version >= 11 ? !framing.connection_close
                                    : framing.connection_keep_alive && !framing.connection_close;
  head->connection = framing.connection;
  head->has_content_length = framing.has_content_length;
  head->content_length = framing.content_length;
  head->body = BodyKind::kNone;
  if (head->status == 101) {
    head->upgrade = framing.upgrade;
    keep_alive_ = false;
    phase_ = Phase::kTunnel;
    head->body = BodyKind::kUnknown;
    receiver_->OnHead(false);
    return true;
  }
  if (ResponseHasNoBody(method_, head->status)) {
    // A HEAD response may announce a length, or that there would be chunks.
    if (framing.chunked) head->body = BodyKind::kUnknown;
    phase_ = Phase::kReceived;
  } else if (framing.chunked) {
    head->body = BodyKind::kUnknown;
    phase_ = Phase::kChunked;
    chunks_.Reset();
  } else if (framing.has_content_length) {
    phase_ = Phase::kReceived;
    if (framing.content_length > 0) {
      head->body = BodyKind::kLength;
      phase_ = Phase::kBody;
      response_left_ = framing.content_length;
    }
  } else {
    head->body = BodyKind::kUnknown;
    phase_ = Phase::kUntilEnd;
    keep_alive_ = false;
  }
  if (phase_ != Phase::kReceived) {
    receiver_->OnHead(false);
    return true;
  }
  ResponseReceiver* receiver = receiver_;
  if (request_done_) ExchangeComplete();
  receiver->OnHead(true);
  return true;
}

void Http1ClientCodec::Deliver(std::string_view content) {
  if (receiver_ == nullptr || content.empty()) return;
  unconsumed_ += content.size();
  receiver_->OnBody(content);
}

void Http1ClientCodec::ResponseComplete(const HeaderMap* trailers) {
  ResponseReceiver* receiver = receiver_;
  phase_ = Phase::kReceived;
  if (request_done_) ExchangeComplete();
  receiver->OnEnd(trailers);
}

// Both directions have ended: the connection may be lent again before the receiver even hears of
// it.
void Http1ClientCodec::ExchangeComplete() {
  receiver_ = nullptr;
  phase_ = Phase::kIdle;
  reused_ = true;
  unconsumed_ = 0;
  // Bytes behind the answer were not asked for and must not become the next one (RFC 9112 §9.2).
  if (!keep_alive_ || surplus_) closing_ = true;
  events_->OnCapacityChanged();
}

void Http1ClientCodec::Fail(ResetReason reason) {
  closing_ = true;
  held_.clear();
  ResponseReceiver* receiver = std::exchange(receiver_, nullptr);
  events_->OnCapacityChanged();
  if (receiver != nullptr) receiver->OnReset(reason);
}

void Http1ClientCodec::OnPeerClosed() {
  if (phase_ == Phase::kUntilEnd || phase_ == Phase::kTunnel) {
    closing_ = true;
    if (receiver_ != nullptr) {
      request_done_ = true;
      ResponseComplete(nullptr);
    }
    return;
  }
  OnConnectionLost();
}

void Http1ClientCodec::OnConnectionLost() {
  closing_ = true;
  if (receiver_ == nullptr) return;
  // No byte of an answer on a connection that worked before: most likely it was closed while it lay
  // idle, which says nothing about the request.
  if (phase_ != Phase::kHead) {
    Fail(ResetReason::kPeerReset);
  } else if (answered_) {
    Fail(ResetReason::kProtocolError);  // a head that ends in its middle is a malformed one
  } else {
    Fail(reused_ ? ResetReason::kStaleConnection : ResetReason::kConnectionLost);
  }
}

void Http1ClientCodec::OnSinkWritable() {
  if (receiver_ != nullptr) receiver_->OnWritable();
}

void Http1ClientCodec::SendHead(const RequestHead& head, bool end) {
  method_ = head.method;
  upgrade_asked_ = !head.upgrade.empty();
  Framing framing = Framing::kChunked;
  uint64_t length = 0;
  if (end) {
    // A method that has a meaning for content says that there is none (RFC 9110 §8.6).
    const bool announce = head.method == Method::kPost || head.method == Method::kPut ||
                          head.method == Method::kPatch || head.has_content_length;
    framing = announce ? Framing::kLength : Framing::kNone;
  } else if (head.body == BodyKind::kLength) {
    framing = Framing::kLength;
    length = head.content_length;
  }
  WriteRequestHead(sink_, head, framing, length);
  request_content_.Begin(framing, length);
  request_done_ = end;
}

void Http1ClientCodec::SendBody(std::string_view data) {
  if (receiver_ == nullptr || request_done_ || data.empty()) return;
  if (phase_ == Phase::kTunnel) {
    sink_->Write(data);
    return;
  }
  if (!request_content_.Write(sink_, data)) Reset(ResetReason::kInternal);
}

void Http1ClientCodec::SendEnd(const HeaderMap* trailers) {
  if (receiver_ == nullptr || request_done_) return;
  if (phase_ != Phase::kTunnel && !request_content_.End(sink_, trailers)) {
    Reset(ResetReason::kInternal);
    return;
  }
  request_done_ = true;
  if (phase_ == Phase::kTunnel) return;
  if (phase_ == Phase::kReceived) ExchangeComplete();
}

void Http1ClientCodec::Reset(ResetReason /*reason*/) {
  if (receiver_ == nullptr) return;
  receiver_ = nullptr;
  closing_ = true;
  held_.clear();
  events_->OnCapacityChanged();
}

void Http1ClientCodec::Consume(size_t size) {
  unconsumed_ -= std::min<uint64_t>(size, unconsumed_);
}

}  // namespace postern
