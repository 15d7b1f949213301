#include "core/session/gateway_stream.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/context/trace_id.h"
#include "core/filter/filter_instance.h"
#include "core/filter/filter_module.h"
#include "core/reply/api_replies.h"
#include "core/reply/standard_headers.h"
#include "lib/text/ascii.h"
#include "lib/text/id.h"
#include "lib/text/ip_address.h"
#include "lib/text/media_type.h"
#include "lib/text/time_format.h"

namespace postern {
namespace {

constexpr size_t kMaxIdleStreams = 256;

// The element that the outermost of `hops` trusted proxies wrote into X-Forwarded-For: the hops-th
// from the right over all lines of the field, or the leftmost one there is.
std::string_view ForwardedFor(const HeaderMap& headers, uint8_t hops) {
  std::string_view found;
  uint32_t left = hops;
  for (size_t i = headers.size(); i > 0 && left > 0; --i) {
    const HeaderField& field = *(headers.begin() + i - 1);
    if (field.id != HeaderId::kXForwardedFor) continue;
    std::string_view list = field.value;
    while (left > 0) {
      const size_t comma = list.rfind(',');
      found = TrimOws(comma == list.npos ? list : list.substr(comma + 1));
      --left;
      if (comma == list.npos) break;
      list = list.substr(0, comma);
    }
  }
  return found;
}

}  // namespace

GatewayStream::GatewayStream(GatewayHost* host)
    : host_(host),
      arena_(&host->env().net->blocks),
      body_timer_(
          host->env().dispatcher->timers(),
          [](void* arg) { static_cast<GatewayStream*>(arg)->BodyTimeout(); }, this),
      write_timer_(
          host->env().dispatcher->timers(),
          [](void* arg) { static_cast<GatewayStream*>(arg)->WriteTimeout(); }, this) {}

GatewayStream::~GatewayStream() { Recycle(); }

void GatewayStream::Begin(ServerSession* session, ServerStream* stream) {
  session_ = session;
  stream_ = stream;
  snapshot_ = host_->current_.get();
  ++snapshot_->streams;
  request_ = arena_.New<RequestHead>(&arena_);
  context_ = arena_.New<RequestContext>();
  context_->request = request_;
  match_ = {};
  request_done_ = head_sent_ = finished_ = refused_ = false;
  unconsumed_ = owed_ = stalled_at_ = 0;
}

void GatewayStream::FillForwarded() {
  const ServerSessionSettings& settings = session_->settings();
  context_->peer_ip = session_->peer_ip();
  context_->source_ip = context_->peer_ip;
  context_->local_port = session_->connection().local().port();
  context_->tls = session_->connection().tls() != nullptr;
  context_->forwarded_proto = context_->tls ? "https" : "http";
  if (settings.trusted_hops > 0) {
    if (const std::string_view address = ForwardedFor(request_->headers, settings.trusted_hops);
        ParseIpv4(address) || ParseIpv6(address)) {
      context_->source_ip = address;
    }
    if (const HeaderField* proto = request_->headers.Find(HeaderId::kXForwardedProto)) {
      if (proto->value == "http" || proto->value == "https")
        context_->forwarded_proto = proto->value;
    }
    if (const HeaderField* port = request_->headers.Find(HeaderId::kXForwardedPort)) {
      uint16_t number = 0;
      const char* end = port->value.data() + port->value.size();
      const auto [at, error] = std::from_chars(port->value.data(), end, number);
      if (error == std::errc() && at == end) context_->forwarded_port = port->value;
    }
  }
  if (context_->forwarded_port.empty()) {
    char* digits = arena_.Allocate(5, 1);
    const char* end = std::to_chars(digits, digits + 5, context_->local_port).ptr;
    context_->forwarded_port = {digits, static_cast<size_t>(end - digits)};
  }
}

void GatewayStream::FillContext() {
  const SessionEnv& env = host_->env();
  context_->request_time_ms = env.dispatcher->WallMs();
  context_->start_ms = env.dispatcher->NowMs();
  // A client may choose the request id, if it is a UUID (rest-api.md §4.5).
  const HeaderField* chosen = request_->headers.FindLast(HeaderId::kXAmznRequestId);
  context_->request_id = chosen != nullptr && IsUuid(chosen->value)
                             ? chosen->value
                             : host_->ids_.NewRequestId(&arena_);
  context_->extended_request_id = host_->ids_.NewExtendedRequestId(&arena_);
  const HeaderField* trace = request_->headers.FindLast(HeaderId::kXAmznTraceId);
  SetTraceId(trace != nullptr ? trace->value : std::string_view{}, context_->request_time_ms / 1000,
             &host_->ids_, &arena_, context_);
  FillForwarded();
  if (const HeaderField* agent = request_->headers.FindLast(HeaderId::kUserAgent)) {
    context_->user_agent = agent->value;
  }
  if (const TlsChannel* tls = session_->connection().tls()) {
    context_->tls_version = tls->version();
    context_->cipher_suite = tls->cipher();
    request_->scheme = "https";
  }
  if (const PeerCertificate* certificate = session_->client_certificate()) {
    auto* views = arena_.New<ClientCertificate>();
    *views = {.pem = certificate->pem,
              .subject_dn = certificate->subject_dn,
              .issuer_dn = certificate->issuer_dn,
              .serial_number = certificate->serial_number,
              .not_before = certificate->not_before,
              .not_after = certificate->not_after};
    context_->client_certificate = views;
  }
  context_->vpc_id = session_->settings().vpc_id;
  context_->vpce_id = session_->vpce_id();
}

void GatewayStream::OnHead(bool end) {
  request_done_ = end;
  WorkerMetrics* metrics = host_->env().metrics;
  (request_->version >= 20   ? metrics->requests_http2
   : request_->version == 10 ? metrics->requests_http10
                             : metrics->requests_http11)
      .Add();
  FillContext();
  const ServerSessionSettings& settings = session_->settings();
  match_ = snapshot_->router->Match(
      *request_,
      {.random = host_->ids_.Next32(),
       .private_endpoint = settings.private_endpoint,
       .vpce_id = context_->vpce_id,
       .client_certificate_verified = session_->client_certificate() != nullptr},
      context_, &arena_);
  const ChainPlan* chain = nullptr;
  ResponseType refusal = ResponseType::kNone;
  if (match_.route != nullptr) {
    chain = match_.route->chain;
    if (match_.route->logging != ExecutionLevel::kOff || match_.route->tracing) Observe();
    if (settings.max_body_bytes != 0 && request_->content_length > settings.max_body_bytes) {
      refusal = ResponseType::kRequestTooLarge;
    }
  } else {
    if (match_.variant != nullptr) chain = match_.variant->unrouted_chain;
    refusal = match_.refusal;
  }
  if (chain == nullptr && refusal != ResponseType::kNone) {
    Reply(refusal, 0);
    return;
  }
  StartExchange(end, chain, refusal);
}

// Somebody wants to hear of the exchange.
void GatewayStream::Observe() {
  const Route& route = *match_.route;
  if (route.tracing) BeginTrace();
  if (route.logging == ExecutionLevel::kOff && context_->segment == nullptr) return;
  context_->execution = arena_.New<ExecutionTrace>(
      &arena_, route.logging, route.data_trace && route.logging != ExecutionLevel::kOff);
  context_->execution->SetMethodRequest(*request_);
  if (route.chain == nullptr || route.logging == ExecutionLevel::kOff) return;
  for (const FilterBinding& filter : route.chain->filters()) {
    if (filter.instance->module->name() != "postern.validate") continue;
    const HeaderField* type = request_->headers.FindLast(HeaderId::kContentType);
    const auto media = type != nullptr ? ParseMediaType(type->value) : std::optional<MediaType>();
    context_->execution->AddNote(
        arena_.Concat("Request validation succeeded for content type ",
                      media.has_value() ? media->essence : std::string_view("application/json")));
    return;
  }
}

// Follows the decision that came with the request, else takes one (rest-api.md §13.9).
void GatewayStream::BeginTrace() {
  constexpr size_t kIdSize = 16;
  const TraceHeader sent =
      context_->trace_id_from_client ? ParseTraceHeader(context_->trace_id) : TraceHeader{};
  const HeaderField* field = request_->headers.FindLast(HeaderId::kXAmznTraceId);
  const TraceHeader own = field != nullptr ? ParseTraceHeader(field->value) : TraceHeader{};
  const bool decided = !sent.root.empty() && (own.sampled == "0" || own.sampled == "1");
  const bool sampled = decided ? own.sampled == "1"
                               : snapshot_->tracer->Sample(context_->request_time_ms,
                                                           host_->ids_.Next32());
  char* ids = arena_.Allocate(2 * kIdSize, 1);
  host_->ids_.WriteHex(2 * kIdSize, ids);
  SetSampled(sampled, {ids + kIdSize, kIdSize}, &arena_, context_);
  if (!sampled) return;
  auto* segment = arena_.New<TraceSegment>();
  *segment = {.id = {ids, kIdSize},
              .call_id = {ids + kIdSize, kIdSize},
              .parent_id = sent.root.empty() ? std::string_view{} : own.parent};
  context_->segment = segment;
}

void GatewayStream::StartExchange(bool end, const ChainPlan* chain, ResponseType refusal) {
  const ExchangeEnv env = {
      .arena = &arena_,
      .dispatcher = host_->env().dispatcher,
      .clusters = snapshot_->clusters,
      .request = request_,
      .context = context_,
      .sink = this,
      .client = {&session_->connection().peer(), &session_->connection().local()}};
  if (chain != nullptr) {
    filtered_ = FilteredExchange::New(
        env,
        {.chain = chain,
         .filters = snapshot_->filters.get(),
         .replies = &match_.replies(),
         .integration = refusal == ResponseType::kNone ? match_.route->integration : nullptr,
         .refusal = refusal},
        this, host_->env().metrics);
    exchange_ = filtered_;
  } else {
    exchange_ = match_.route->integration->NewExchange(env);
    if (!end) OnRequestWanted();
  }
  exchange_->Start(end);
}

void GatewayStream::OnRequestWanted() {
  if (stream_ == nullptr || request_done_) return;
  if (std::exchange(request_->expect_continue, false)) stream_->SendInformational(100, nullptr);
  if (!body_timer_.armed()) body_timer_.Start(session_->settings().body_timeout_ms);
}

void GatewayStream::OnBody(std::string_view data) {
  context_->request_bytes += data.size();
  const uint64_t limit = session_->settings().max_body_bytes;
  if (limit != 0 && context_->request_bytes > limit) {
    if (refused_) {
      stream_->Consume(data.size());
    } else if (head_sent_) {
      Cut(ResetReason::kLimit);
    } else {
      Refuse(ResponseType::kRequestTooLarge, 0);
    }
    return;
  }
  unconsumed_ += data.size();
  if (context_->execution != nullptr) context_->execution->AddMethodRequestBody(data);
  body_timer_.Start(session_->settings().body_timeout_ms);
  exchange_->OnRequestBody(data);
}

void GatewayStream::OnEnd(const HeaderMap* trailers) {
  request_done_ = true;
  body_timer_.Cancel();
  exchange_->OnRequestEnd(trailers);
}

void GatewayStream::OnRequestConsumed(size_t size) {
  unconsumed_ -= std::min(size, unconsumed_);
  if (stream_ == nullptr) return;
  stream_->Consume(size);
  if (!session_->connection().reading()) session_->Touch();
}

void GatewayStream::OnReset(ResetReason reason) {
  host_->env().metrics->resets.Add(ResetReasonName(reason));
  stream_ = nullptr;
  Finish();
}

void GatewayStream::SendHead(ResponseHead* head, bool end) {
  head_sent_ = true;
  context_->status = head->status;
  // The log shows what came of the integration, not what every response carries.
  if (context_->execution != nullptr) context_->execution->SetMethodResponse(*head);
  AddStandardHeaders(head, *context_, host_->Date());
  stream_->SendHead(*head, end);
}

void GatewayStream::OnResponseHead(ResponseHead* head, bool end) {
  if (stream_ == nullptr || head_sent_) return;
  SendHead(head, end);
  if (end) {
    stream_ = nullptr;
    Finish();
  }
}

void GatewayStream::OnResponseBody(std::string_view data) {
  if (stream_ == nullptr) return;
  context_->response_bytes += data.size();
  if (context_->execution != nullptr) context_->execution->AddMethodResponseBody(data);
  stream_->SendBody(data);
  if (stream_->buffered() == 0) {
    exchange_->ConsumeResponse(data.size());
    return;
  }
  owed_ += data.size();
  if (!write_timer_.armed()) {
    stalled_at_ = stream_->buffered();
    write_timer_.Start(session_->settings().write_timeout_ms);
  }
}

void GatewayStream::OnWritable() {
  write_timer_.Cancel();
  if (owed_ > 0 && exchange_ != nullptr) exchange_->ConsumeResponse(std::exchange(owed_, 0));
}

void GatewayStream::OnResponseEnd(const HeaderMap* trailers) {
  if (stream_ == nullptr) return;
  std::exchange(stream_, nullptr)->SendEnd(trailers);
  Finish();
}

void GatewayStream::OnResponseFailure(ResponseType type, uint16_t status) {
  if (stream_ == nullptr || head_sent_) return;
  Reply(type, status);
}

void GatewayStream::Reply(ResponseType type, uint16_t status) {
  host_->env().metrics->local_replies.Add();
  const postern::Reply reply = match_.replies().Render(type, status, context_, &arena_);
  SendHead(reply.head, reply.body.empty());
  if (!reply.body.empty()) {
    context_->response_bytes = reply.body.size();
    stream_->SendBody(reply.body);
    stream_->SendEnd(nullptr);
  }
  stream_ = nullptr;
  Finish();
}

void GatewayStream::OnResponseAborted() {
  if (stream_ != nullptr) Cut(ResetReason::kInternal);
}

void GatewayStream::Cut(ResetReason reason) {
  host_->env().metrics->resets.Add(ResetReasonName(reason));
  std::exchange(stream_, nullptr)->Reset(reason);
  Finish();
}

void GatewayStream::BodyTimeout() {
  if (stream_ == nullptr || request_done_) return;
  if (unconsumed_ > 0) {
    // It is the integration that takes its time; its own limit ends that.
    body_timer_.Start(session_->settings().body_timeout_ms);
    return;
  }
  host_->env().metrics->timeouts.Add("body");
  if (head_sent_) {
    Cut(ResetReason::kTimeout);
    return;
  }
  context_->error_message = "Request Timeout";
  Refuse(ResponseType::kDefault4xx, 408);
}

// The request is not taken further. Filters that have seen it hear of the answer.
void GatewayStream::Refuse(ResponseType type, uint16_t status) {
  if (refused_) return;
  refused_ = true;
  if (filtered_ != nullptr && filtered_->Refuse(type, status)) return;
  Reply(type, status);
}

void GatewayStream::WriteTimeout() {
  if (stream_ == nullptr) return;
  const size_t waiting = stream_->buffered();
  if (waiting < stalled_at_) {
    stalled_at_ = waiting;
    write_timer_.Start(session_->settings().write_timeout_ms);
    return;
  }
  host_->env().metrics->timeouts.Add("write");
  Cut(ResetReason::kTimeout);
}

void GatewayStream::Finish() {
  if (finished_) return;
  finished_ = true;
  body_timer_.Cancel();
  write_timer_.Cancel();
  // Filters may still set variables, which the log shows.
  if (filtered_ != nullptr) filtered_->End();
  if (context_->start_ms != 0) {
    context_->response_latency_ms =
        static_cast<int64_t>(host_->env().dispatcher->NowMs() - context_->start_ms);
    if (match_.route != nullptr) {
      snapshot_->route_cells[match_.route->id]->Record(*context_);
    } else if (match_.variant != nullptr) {
      snapshot_->stage_cells[match_.variant->stage->id]->Record(*context_);
    }
    if (match_.variant != nullptr) {
      if (const AccessLogTarget* log = snapshot_->access_logs[match_.variant->stage->id]) {
        host_->env().access_log->Log(*log, *context_);
      }
      if (context_->segment != nullptr) snapshot_->tracer->Send(*context_);
      if (context_->execution != nullptr && match_.route->logging != ExecutionLevel::kOff) {
        LogExecution(*snapshot_->execution_logs[match_.variant->stage->id], *context_,
                     host_->env().access_log);
      }
    }
  }
  session_->StreamEnded();
  session_ = nullptr;
  host_->Finished(this);
}

void GatewayStream::Recycle() {
  filtered_ = nullptr;
  if (exchange_ != nullptr) std::exchange(exchange_, nullptr)->~Exchange();
  if (snapshot_ != nullptr) host_->Release(std::exchange(snapshot_, nullptr));
  request_ = nullptr;
  context_ = nullptr;
  arena_.Reset();
}

GatewayHost::GatewayHost(const SessionEnv* env) : env_(env) {}

GatewayHost::~GatewayHost() {
  OnEndOfIteration();
  idle_.clear();
}

RequestReceiver* GatewayHost::NewStream(ServerSession* session, ServerStream* stream) {
  if (current_ == nullptr) return nullptr;
  GatewayStream* gateway_stream;
  if (idle_.empty()) {
    gateway_stream = new GatewayStream(this);
  } else {
    gateway_stream = idle_.back().release();
    idle_.pop_back();
  }
  ++active_;
  gateway_stream->Begin(session, stream);
  return gateway_stream;
}

void GatewayHost::Finished(GatewayStream* stream) {
  --active_;
  finished_.PushBack(stream);
  env_->dispatcher->AtEndOfIteration(this);
}

void GatewayHost::OnEndOfIteration() {
  while (GatewayStream* stream = finished_.PopFront()) {
    std::unique_ptr<GatewayStream> owned(stream);
    owned->Recycle();
    if (idle_.size() < kMaxIdleStreams) idle_.push_back(std::move(owned));
  }
}

void GatewayHost::SetSnapshot(std::unique_ptr<WorkerSnapshot> snapshot) {
  if (current_ != nullptr && current_->streams > 0) retired_.push_back(std::move(current_));
  current_ = std::move(snapshot);
}

void GatewayHost::Release(WorkerSnapshot* snapshot) {
  if (--snapshot->streams > 0 || snapshot == current_.get()) return;
  std::erase_if(retired_, [snapshot](const auto& held) { return held.get() == snapshot; });
}

std::string_view GatewayHost::Date() {
  const int64_t second = env_->dispatcher->WallMs() / 1000;
  if (second != date_second_) {
    date_second_ = second;
    FormatHttpDate(second * 1000, date_);
  }
  return {date_, sizeof(date_)};
}

}  // namespace postern
