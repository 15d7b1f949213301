#include "core/observe/admin_stream.h"

#include <utility>

namespace postern {

AdminStream::AdminStream(AdminService* service, Dispatcher* dispatcher, BlockPool* pool,
                         ServerStream* stream, Owner* owner)
    : service_(service),
      dispatcher_(dispatcher),
      stream_(stream),
      owner_(owner),
      arena_(pool),
      head_(&arena_) {}

AdminStream::~AdminStream() {
  if (stream_ != nullptr) stream_->Reset(ResetReason::kCancelled);
}

void AdminStream::OnHead(bool /*end*/) {
  AdminReply reply = service_->Handle(head_, static_cast<int64_t>(dispatcher_->NowMs()));
  body_ = std::move(reply.body);
  ResponseHead response(&arena_);
  response.status = reply.status;
  response.headers.Add("content-type", reply.content_type);
  // What was true a moment ago is no answer to the next question.
  response.headers.Add("cache-control", "no-store");
  if (!reply.allow.empty()) response.headers.Add("allow", reply.allow);
  response.has_content_length = true;
  response.content_length = body_.size();
  if (head_.method == Method::kHead || body_.empty()) {
    stream_->SendHead(response, true);
    End();
    return;
  }
  response.body = BodyKind::kLength;
  stream_->SendHead(response, false);
  SendMore();
}

void AdminStream::OnBody(std::string_view data) {
  if (stream_ != nullptr) stream_->Consume(data.size());
}

void AdminStream::OnEnd(const HeaderMap* /*trailers*/) {}

void AdminStream::OnReset(ResetReason /*reason*/) { End(); }

void AdminStream::OnWritable() { SendMore(); }

void AdminStream::SendMore() {
  if (sending_ || stream_ == nullptr) return;
  sending_ = true;
  while (stream_ != nullptr && sent_ < body_.size() && stream_->buffered() == 0) {
    const std::string_view part = std::string_view(body_).substr(sent_, kPart);
    sent_ += part.size();
    stream_->SendBody(part);
  }
  sending_ = false;
  if (stream_ == nullptr || sent_ < body_.size()) return;
  stream_->SendEnd(nullptr);
  End();
}

void AdminStream::End() {
  if (std::exchange(stream_, nullptr) != nullptr) owner_->OnAdminStreamEnded(this);
}

}  // namespace postern
