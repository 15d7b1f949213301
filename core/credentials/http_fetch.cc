#include "core/credentials/http_fetch.h"

#include "core/net/tls_context.h"
#include "core/upstream/cluster_shared.h"
#include "core/upstream/request_signer.h"
#include "lib/text/concat.h"
#include "lib/text/uri.h"

namespace postern {

absl::StatusOr<std::unique_ptr<HttpFetch>> HttpFetch::Start(const UpstreamEnv& env, Request request,
                                                            Callback callback) {
  std::unique_ptr<HttpFetch> fetch(new HttpFetch(env, std::move(request), std::move(callback)));
  if (absl::Status status = fetch->Begin(); !status.ok()) return status;
  return fetch;
}

HttpFetch::HttpFetch(const UpstreamEnv& env, Request request, Callback callback)
    : env_(env),
      asked_(std::move(request)),
      callback_(std::move(callback)),
      arena_(&env.net->blocks),
      head_(&arena_) {}

HttpFetch::~HttpFetch() { request_.reset(); }

absl::Status HttpFetch::Begin() {
  const absl::StatusOr<HttpUri> uri = ParseHttpUri(asked_.url);
  if (!uri.ok()) return uri.status();
  if (uri->port == 0 || uri->host_kind == HostKind::kIpFuture) {
    return absl::InvalidArgumentError(Concat(asked_.url, ": cannot be connected to"));
  }
  if (uri->https && asked_.tls == nullptr) {
    return absl::InvalidArgumentError(Concat(asked_.url, ": there is no TLS here"));
  }
  auto config = std::make_shared<ClusterConfig>();
  config->name = Concat(uri->https ? "https://" : "http://", uri->authority);
  EndpointConfig endpoint;
  endpoint.host = uri->host;
  endpoint.port = uri->port;
  config->endpoints.push_back(std::move(endpoint));
  if (uri->https) config->tls.context = asked_.tls;
  config->idle_timeout_ms = 0;
  config->retry.max_retries = asked_.retries;
  config->retry.per_try_timeout_ms = asked_.attempt_timeout_ms;
  if (asked_.attempt_timeout_ms != 0) config->connect_timeout_ms = asked_.attempt_timeout_ms;
  config->retry.backoff_base_ms = 50;
  config->signing.signer = asked_.signer;
  auto shared = std::make_shared<ClusterShared>(config->name, env_.worker + 1);
  cluster_ = std::make_unique<Cluster>(env_, std::move(config), std::move(shared));

  target_ = Concat(uri->path.empty() ? std::string_view("/") : uri->path,
                   uri->query.has_value() ? "?" : "", uri->query.value_or(""));
  head_.method = ParseMethod(asked_.method);
  head_.method_text = asked_.method;
  head_.scheme = uri->https ? "https" : "http";
  head_.authority = uri->authority;
  head_.target = target_;
  for (const auto& [name, value] : asked_.fields) head_.headers.Add(name, value);
  head_.headers.Add("Accept", "*/*");
  head_.body = asked_.body.empty() ? BodyKind::kNone : BodyKind::kLength;
  head_.content_length = asked_.body.size();
  head_.has_content_length = asked_.method != "GET";
  UpstreamRequestOptions options;
  options.timeout_ms = asked_.timeout_ms;
  options.idle_timeout_ms = asked_.timeout_ms;
  options.has_content = !asked_.body.empty();
  options.content = asked_.body;
  UpstreamEvents* const events = this;
  request_ = std::make_unique<UpstreamRequest>(cluster_.get(), events, &arena_);
  request_->Start(&head_, asked_.body.empty(), options);
  return absl::OkStatus();
}

void HttpFetch::Done(absl::StatusOr<Answer> answer) {
  if (callback_ != nullptr) std::exchange(callback_, nullptr)(std::move(answer));
}

void HttpFetch::OnUpstreamHead(ResponseHead* head, bool end) {
  answer_.status = head->status;
  if (end) Done(std::move(answer_));
}

void HttpFetch::OnUpstreamBody(std::string_view data) {
  if (callback_ == nullptr) return;
  if (data.size() > asked_.max_answer - answer_.body.size()) {
    request_->Cancel();
    Done(absl::ResourceExhaustedError(Concat(asked_.url, ": answers with too much")));
    return;
  }
  answer_.body += data;
  request_->Consume(data.size());
}

void HttpFetch::OnUpstreamEnd(const HeaderMap*) { Done(std::move(answer_)); }

void HttpFetch::OnUpstreamFailure(UpstreamFailure failure, std::string_view detail) {
  Done(absl::UnavailableError(Concat(cluster_->config().name, ": ", UpstreamFailureName(failure),
                                     detail.empty() ? "" : " (", detail,
                                     detail.empty() ? "" : ")")));
}

void HttpFetch::OnUpstreamAborted(ResetReason reason) {
  Done(absl::UnavailableError(
      Concat(cluster_->config().name, ": its answer broke off (", ResetReasonName(reason), ")")));
}

}  // namespace postern
