#include "core/http/http1/server_codec.h"

#include <algorithm>
#include <utility>

#include "core/http/http1/field_parser.h"
#include "lib/text/host_port.h"

namespace postern {
namespace {

// Method, version and white space of a start line, and empty lines before it.
constexpr size_t kMaxLineBesidesTarget = 64;

bool IsTargetByte(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u > 0x20 && u < 0x7f && c != '#';
}

// RFC 3986 allows no raw bytes outside this set in a target; '#' would start a fragment, which a
// request never carries (RFC 9112 §3.2).
bool IsTarget(std::string_view target) {
  return !target.empty() && std::all_of(target.begin(), target.end(), IsTargetByte);
}

}  // namespace

Http1ServerCodec::Http1ServerCodec(ByteSink* sink, ServerCodecEvents* events,
                                   const Http1Limits* limits)
    : sink_(sink), events_(events), limits_(limits), chunks_(limits->max_trailer_bytes) {}

bool Http1ServerCodec::ReadWanted() const {
  if (closing_ || peer_closed_) return false;
  switch (phase_) {
    case Phase::kHead:
      return true;
    case Phase::kBody:
    case Phase::kChunked:
    case Phase::kTunnel:
      return unconsumed_ < limits_->body_window;
    case Phase::kReceived:
      return held_.empty();  // one read ahead notices the client's end, more is pipelining
    case Phase::kBroken:
      return false;
  }
  return false;
}

bool Http1ServerCodec::Done() const {
  if (closing_) return receiver_ == nullptr;
  return receiver_ == nullptr && peer_closed_ && phase_ == Phase::kHead;
}

void Http1ServerCodec::OnData(std::string_view data, uint64_t /*now_ms*/) {
  if (in_data_) return;  // an exchange ended inside: the loop below goes on with what is held
  in_data_ = true;
  if (held_.empty()) {
    while (!closing_ && Step(&data)) {
    }
    if (!closing_ && !data.empty()) held_.assign(data);
  } else {
    held_.append(data);
    std::string_view rest = held_;
    while (!closing_ && Step(&rest)) {
    }
    // Bytes of an unfinished head stay where the scanner knows them.
    held_.erase(0, held_.size() - rest.size());
  }
  in_data_ = false;
  if (closing_) {
    held_.clear();
    held_.shrink_to_fit();
  } else if (held_.empty() && held_.capacity() > 64) {
    held_.shrink_to_fit();  // an idle connection holds no buffer
  }
}

bool Http1ServerCodec::Step(std::string_view* data) {
  switch (phase_) {
    case Phase::kHead:
      return !data->empty() && ReadHead(data);
    case Phase::kBody:
      return !data->empty() && ReadBody(data);
    case Phase::kChunked:
      return !data->empty() && ReadChunked(data);
    case Phase::kReceived:
      return false;
    case Phase::kTunnel:
      if (data->empty()) return false;
      Deliver(*data);
      data->remove_prefix(data->size());
      return false;
    case Phase::kBroken:
      data->remove_prefix(data->size());
      return false;
  }
  return false;
}

bool Http1ServerCodec::ReadHead(std::string_view* data) {
  // The start line and the fields have limits of their own, so that each has its own answer.
  // Nothing beyond a limit is looked at, so the answer does not depend on how the bytes were cut.
  HeadScanner::Result result;
  size_t line_end;
  size_t window;
  do {
    line_end = scanner_.start_line_end();
    window = line_end == 0 ? limits_->max_target + kMaxLineBesidesTarget
                           : line_end + limits_->max_head_fields + 2;
    result = scanner_.Scan(data->substr(0, window));
  } while (result == HeadScanner::Result::kIncomplete && line_end != scanner_.start_line_end());
  switch (result) {
    case HeadScanner::Result::kIncomplete:
      if (data->size() < window) return false;
      Reject(line_end == 0 ? 414 : 431, line_end == 0 ? "target_size" : "head_size");
      return false;
    case HeadScanner::Result::kBad:
      Reject(400, scanner_.detail());
      return false;
    case HeadScanner::Result::kComplete:
      break;
  }
  const size_t end = scanner_.end();
  StartRequest(data->substr(scanner_.begin(), end - scanner_.begin()));
  data->remove_prefix(end);
  scanner_.Reset();
  return true;
}

// RFC 9112 §3: method SP request-target SP HTTP-version, single spaces.
std::string_view Http1ServerCodec::ParseRequestLine(std::string_view line, RequestHead* head) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == line.npos || first == last) return "request_line";
  head->method_text = line.substr(0, first);
  const std::string_view version = line.substr(last + 1);
  head->target = line.substr(first + 1, last - first - 1);
  if (!IsToken(head->method_text)) return "method";
  head->method = ParseMethod(head->method_text);
  if (version.size() != 8 || version.substr(0, 5) != "HTTP/" || version[6] != '.' ||
      version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9') {
    return "version";
  }
  if (version[5] != '1') return "version_unsupported";
  // RFC 9110 §2.5: a higher minor version is read as the highest we know.
  head->version = version[7] == '0' ? 10 : 11;
  if (head->target.size() > limits_->max_target) return "target_size";
  if (!IsTarget(head->target)) return "target";
  return {};
}

// RFC 9112 §3.2: origin, absolute, authority and asterisk form; RFC 9112 §3.3 for what they mean.
std::string_view Http1ServerCodec::ParseTarget(std::string_view target, std::string_view host,
                                               RequestHead* head) {
  head->scheme = "http";
  head->authority = host;
  if (head->method == Method::kConnect) {
    if (!ParseHostPort(target) || target.find(':') == target.npos) return "target";
    if (!EqualsIgnoreCase(target, host)) return "host_disagrees";
    head->target = {};
    return {};
  }
  if (target.front() == '/') return {};
  if (target == "*") return head->method == Method::kOptions ? std::string_view{} : "target";
  size_t skip = 0;
  if (target.size() > 7 && EqualsIgnoreCase(target.substr(0, 7), "http://")) {
    skip = 7;
  } else if (target.size() > 8 && EqualsIgnoreCase(target.substr(0, 8), "https://")) {
    skip = 8;
    head->scheme = "https";
  } else {
    return "target";
  }
  const std::string_view rest = target.substr(skip);
  const size_t path = std::min(rest.find('/'), rest.find('?'));
  const std::string_view authority = rest.substr(0, path);
  if (!ParseHostPort(authority)) return "target";
  // Two names for one request invite two readings of it; RFC 9112 §3.2.2 lets the target win, we
  // refuse unless they agree.
  if (!host.empty() && !EqualsIgnoreCase(authority, host)) return "host_disagrees";
  head->authority = authority;
  if (path == rest.npos) {
    head->target = head->method == Method::kOptions ? "*" : "/";
  } else if (rest[path] == '?') {
    head->target = head->headers.arena()->Concat("/", rest.substr(path));
  } else {
    head->target = rest.substr(path);
  }
  return {};
}

void Http1ServerCodec::StartRequest(std::string_view head_bytes) {
  ++stream_id_;
  response_ = Response::kNone;
  unconsumed_ = 0;
  discarded_ = 0;
  keep_alive_ = false;
  method_ = Method::kGet;
  version_ = 11;
  RequestReceiver* receiver = events_->OnNewStream(this);
  if (receiver == nullptr) {
    Reject(503, "refused");
    return;
  }
  receiver_ = receiver;
  RequestHead* head = receiver->request_head();
  const std::string_view bytes = head->headers.arena()->Copy(head_bytes);
  const size_t line_end = bytes.find("\r\n");

  std::string_view error = ParseRequestLine(bytes.substr(0, line_end), head);
  if (!error.empty()) {
    const uint16_t status = error == "version_unsupported" ? 505
                            : error == "target_size"       ? 414
                                                           : 400;
    Reject(status, error);
    return;
  }
  version_ = head->version;
  method_ = head->method;
  FramingFields framing;
  error = ParseFields(bytes.substr(line_end + 2), FieldKind::kRequest, limits_->max_field_count,
                      &head->headers, &framing);
  if (!error.empty()) {
    Reject(error == "field_count" ? 431 : 400, error);
    return;
  }
  // RFC 9112 §3.2: exactly one valid Host; HTTP/1.0 may leave it out.
  if (framing.hosts > 1) error = "host_repeated";
  if (framing.hosts == 0 && version_ >= 11) error = "host_missing";
  if (framing.hosts == 1 && !ParseHostPort(framing.host)) error = "host";
  if (error.empty()) error = ParseTarget(head->target, framing.host, head);
  if (error.empty() && head->authority.empty() && version_ >= 11) error = "host";
  // A transfer coding from an HTTP/1.0 client may have been added or left by somebody who does not
  // know it (RFC 9112 §6.1).
  if (error.empty() && version_ < 11 && (framing.chunked || framing.unknown_coding)) {
    error = "coding_in_http10";
  }
  if (!error.empty()) {
    Reject(400, error);
    return;
  }
  if (framing.unknown_coding) {
    Reject(501, "transfer_coding");
    return;
  }
  if (framing.expect_unknown) {
    Reject(417, "expectation");
    return;
  }
  if (head->method == Method::kConnect && (framing.chunked || framing.has_content_length)) {
    Reject(400, "connect_content");
    return;
  }

  keep_alive_ = version_ >= 11 ? !framing.connection_close
                               : framing.connection_keep_alive && !framing.connection_close;
  te_trailers_ = framing.te_trailers;
  head->te_trailers = framing.te_trailers;
  head->connection = framing.connection;
  head->has_content_length = framing.has_content_length;
  head->content_length = framing.content_length;
  if (framing.connection_upgrade && version_ >= 11) head->upgrade = framing.upgrade;
  if (framing.chunked) {
    head->body = BodyKind::kUnknown;
    phase_ = Phase::kChunked;
    chunks_.Reset();
  } else if (framing.content_length > 0) {
    head->body = BodyKind::kLength;
    phase_ = Phase::kBody;
    request_left_ = framing.content_length;
  } else {
    head->body = BodyKind::kNone;
    phase_ = Phase::kReceived;
  }
  expect_continue_ = framing.expect_continue && version_ >= 11 && head->body != BodyKind::kNone;
  head->expect_continue = expect_continue_;
  receiver_->OnHead(phase_ == Phase::kReceived);
}

void Http1ServerCodec::Deliver(std::string_view content) {
  if (receiver_ == nullptr) {
    discarded_ += content.size();
    if (discarded_ > limits_->max_unread_body) closing_ = true;
    return;
  }
  expect_continue_ = false;  // the client did not wait
  unconsumed_ += content.size();
  receiver_->OnBody(content);
}

bool Http1ServerCodec::ReadBody(std::string_view* data) {
  const size_t take = static_cast<size_t>(std::min<uint64_t>(request_left_, data->size()));
  const std::string_view content = data->substr(0, take);
  data->remove_prefix(take);
  request_left_ -= take;
  const bool last = request_left_ == 0;
  Deliver(content);
  if (last && !closing_) RequestComplete(nullptr);
  return !data->empty();
}

bool Http1ServerCodec::ReadChunked(std::string_view* data) {
  switch (chunks_.Decode(data)) {
    case ChunkedDecoder::Result::kMore:
      return false;
    case ChunkedDecoder::Result::kData:
      Deliver(chunks_.data());
      return true;
    case ChunkedDecoder::Result::kError:
      Reject(400, chunks_.detail());
      return false;
    case ChunkedDecoder::Result::kDone:
      break;
  }
  if (receiver_ == nullptr || chunks_.trailer_block().empty()) {
    RequestComplete(nullptr);
    return true;
  }
  Arena* arena = receiver_->request_head()->headers.arena();
  HeaderMap trailers(arena);
  FramingFields framing;
  const std::string_view error =
      ParseFields(arena->Copy(chunks_.trailer_block()), FieldKind::kTrailers,
                  limits_->max_field_count, &trailers, &framing);
  if (!error.empty()) {
    Reject(400, error);
    return false;
  }
  RequestComplete(trailers.empty() ? nullptr : &trailers);
  return true;
}

void Http1ServerCodec::RequestComplete(const HeaderMap* trailers) {
  if (receiver_ == nullptr) {
    // What was left of an answered request has been read: the next one may come.
    phase_ = Phase::kHead;
    return;
  }
  phase_ = Phase::kReceived;
  receiver_->OnEnd(trailers);
}

void Http1ServerCodec::OnPeerClosed() {
  peer_closed_ = true;
  if (phase_ == Phase::kTunnel) {
    if (receiver_ != nullptr) receiver_->OnEnd(nullptr);
    return;
  }
  if (phase_ != Phase::kBody && phase_ != Phase::kChunked) return;
  // The request can never be completed (RFC 9112 §8).
  closing_ = true;
  phase_ = Phase::kBroken;
  if (receiver_ != nullptr) std::exchange(receiver_, nullptr)->OnReset(ResetReason::kPeerReset);
}

void Http1ServerCodec::OnConnectionLost() {
  closing_ = true;
  phase_ = Phase::kBroken;
  if (receiver_ != nullptr) {
    std::exchange(receiver_, nullptr)->OnReset(ResetReason::kConnectionLost);
  }
}

void Http1ServerCodec::OnSinkWritable() {
  if (receiver_ != nullptr) receiver_->OnWritable();
}

void Http1ServerCodec::SendInformational(uint16_t status, const HeaderMap* headers) {
  if (version_ < 11 || response_ != Response::kNone || closing_) return;
  if (status == 100) expect_continue_ = false;
  Arena* arena = receiver_->request_head()->headers.arena();
  ResponseHead head(arena);
  head.status = status;
  if (headers != nullptr) {
    for (const HeaderField& field : *headers) head.headers.Add(field.id, field.name, field.value);
  }
  WriteResponseHead(sink_, head, Framing::kNone, 0, ConnectionOption::kNone);
}

void Http1ServerCodec::SendHead(const ResponseHead& head, bool end) {
  if (response_ != Response::kNone || receiver_ == nullptr) return;
  response_ = Response::kHeadSent;
  if (head.status == 101) {
    // RFC 9110 §7.8: from here on the connection carries another protocol.
    WriteResponseHead(sink_, head, Framing::kNone, 0, ConnectionOption::kUpgrade);
    response_content_.Begin(Framing::kClose, 0);
    phase_ = Phase::kTunnel;
    keep_alive_ = false;
    return;
  }
  const bool no_body = ResponseHasNoBody(method_, head.status);
  Framing framing = Framing::kNone;
  uint64_t length = 0;
  if (no_body) {
    // A HEAD response announces what GET would send; 304 may, 204 and 1xx must not (RFC 9110 §8.6).
    const bool announce =
        method_ == Method::kHead && head.status >= 200 && head.status != 204 && head.status != 304;
    if (announce && (head.has_content_length || head.body != BodyKind::kUnknown)) {
      framing = Framing::kLength;
      length = head.content_length;
    }
  } else if (end) {
    framing = Framing::kLength;
  } else if (head.body == BodyKind::kLength) {
    framing = Framing::kLength;
    length = head.content_length;
  } else if (version_ >= 11) {
    framing = Framing::kChunked;
  } else {
    framing = Framing::kClose;
  }
  // A client that still waits to send its content may send it or not: only a new connection is
  // sure.
  const bool request_open = phase_ == Phase::kBody || phase_ == Phase::kChunked;
  if (draining_ || framing == Framing::kClose || (request_open && expect_continue_) ||
      (phase_ == Phase::kBody && request_left_ > limits_->max_unread_body && end)) {
    keep_alive_ = false;
  }
  WriteResponseHead(sink_, head, framing, length,
                    keep_alive_ ? ConnectionOption::kKeepAlive : ConnectionOption::kClose);
  response_content_.Begin(no_body ? Framing::kNone : framing, length);
  if (end) FinishResponse();
}

void Http1ServerCodec::SendBody(std::string_view data) {
  if (response_ != Response::kHeadSent || data.empty()) return;
  if (!response_content_.Write(sink_, data)) Reset(ResetReason::kInternal);
}

void Http1ServerCodec::SendEnd(const HeaderMap* trailers) {
  if (response_ != Response::kHeadSent) return;
  if (!response_content_.End(sink_, te_trailers_ ? trailers : nullptr)) {
    Reset(ResetReason::kInternal);  // a short answer must not look complete
    return;
  }
  FinishResponse();
}

void Http1ServerCodec::FinishResponse() {
  response_ = Response::kEnded;
  receiver_ = nullptr;
  if (!keep_alive_) {
    closing_ = true;
    return;
  }
  switch (phase_) {
    case Phase::kReceived:
      phase_ = Phase::kHead;
      return;
    case Phase::kBody:
      // Little enough is read past; more costs the client its connection.
      if (expect_continue_ || request_left_ > limits_->max_unread_body) closing_ = true;
      return;
    case Phase::kChunked:
      if (expect_continue_) closing_ = true;
      return;
    default:
      closing_ = true;
      return;
  }
}

void Http1ServerCodec::Reset(ResetReason /*reason*/) {
  if (receiver_ == nullptr) return;
  receiver_ = nullptr;
  closing_ = true;
  aborted_ = true;
  phase_ = Phase::kBroken;
}

void Http1ServerCodec::Consume(size_t size) {
  unconsumed_ -= std::min<uint64_t>(size, unconsumed_);
}

void Http1ServerCodec::Reject(uint16_t status, std::string_view detail) {
  RequestReceiver* receiver = std::exchange(receiver_, nullptr);
  const bool can_answer =
      phase_ == Phase::kHead || (receiver != nullptr && response_ == Response::kNone);
  if (phase_ == Phase::kHead && receiver == nullptr) method_ = Method::kGet;  // not known yet
  closing_ = true;
  phase_ = Phase::kBroken;
  keep_alive_ = false;
  if (can_answer) {
    BlockPool pool;
    Arena arena(&pool);
    ResponseHead head(&arena);
    head.status = status;
    head.headers.Add(HeaderId::kContentType, "Content-Type", "application/json");
    const std::string_view body = arena.Concat("{\"message\":\"", ReasonPhrase(status), "\"}");
    WriteResponseHead(sink_, head, Framing::kLength, body.size(), ConnectionOption::kClose);
    if (method_ != Method::kHead) sink_->Write(body);
  } else {
    aborted_ = receiver != nullptr;  // else an answer was complete before the rest went wrong
  }
  events_->OnRejected(can_answer ? status : 0, detail);
  if (receiver != nullptr) receiver->OnReset(ResetReason::kProtocolError);
}

}  // namespace postern
