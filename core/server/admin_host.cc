#include "core/server/admin_host.h"

namespace postern {

AdminStream::AdminStream(AdminHost* host, ServerSession* session, ServerStream* stream)
    : host_(host),
      session_(session),
      stream_(stream),
      arena_(&host->env_->net->blocks),
      request_(&arena_) {}

void AdminStream::OnHead(bool end) {
  if (end) {
    Answer();
  } else if (request_.expect_continue) {
    stream_->SendInformational(100, nullptr);
  }
}

void AdminStream::OnEnd(const HeaderMap* /*trailers*/) { Answer(); }

void AdminStream::OnReset(ResetReason /*reason*/) { Finish(); }

void AdminStream::Answer() {
  AdminReply reply =
      host_->service_->Handle(request_, static_cast<int64_t>(host_->env_->dispatcher->NowMs()));
  ResponseHead head(&arena_);
  head.status = reply.status;
  head.headers.Add(HeaderId::kContentType, "Content-Type", reply.content_type);
  head.headers.Add(HeaderId::kCacheControl, "Cache-Control", "no-store");
  if (!reply.allow.empty()) head.headers.Add("Allow", reply.allow);
  if (reply.large != nullptr) {
    head.body = BodyKind::kUnknown;
    const bool end = request_.method == Method::kHead;
    stream_->SendHead(head, end);
    if (end) {
      Finish();
      return;
    }
    large_ = std::move(reply.large);
    SendMore();
    return;
  }
  head.body = reply.body.empty() ? BodyKind::kNone : BodyKind::kLength;
  head.has_content_length = true;
  head.content_length = reply.body.size();
  stream_->SendHead(head, reply.body.empty());
  if (!reply.body.empty()) {
    stream_->SendBody(reply.body);
    stream_->SendEnd(nullptr);
  }
  Finish();
}

void AdminStream::OnWritable() {
  if (large_ != nullptr) SendMore();
}

// As long as the client takes it.
void AdminStream::SendMore() {
  bool more = true;
  while (more && stream_->buffered() == 0) {
    std::string piece;
    more = large_->Next(&piece);
    stream_->SendBody(piece);
  }
  if (more) return;
  large_.reset();
  stream_->SendEnd(nullptr);
  Finish();
}

void AdminStream::Finish() {
  session_->StreamEnded();
  host_->Finished(this);
}

AdminHost::~AdminHost() { OnEndOfIteration(); }

RequestReceiver* AdminHost::NewStream(ServerSession* session, ServerStream* stream) {
  return new AdminStream(this, session, stream);
}

void AdminHost::Finished(AdminStream* stream) {
  finished_.PushBack(stream);
  env_->dispatcher->AtEndOfIteration(this);
}

void AdminHost::OnEndOfIteration() {
  while (AdminStream* stream = finished_.PopFront()) delete stream;
}

}  // namespace postern
