#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "core/event/dispatcher.h"
#include "core/upstream/cluster.h"
#include "core/upstream/upstream_request.h"

namespace postern {

/// One small request to a URL, and its whole answer: for what a process asks of its surroundings
/// now and then, on a connection of its own. Not thread-safe.
class HttpFetch final : public Deferred, private UpstreamEvents {
 public:
  struct Request {
    std::string method = "GET";
    std::string url;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;
    uint32_t timeout_ms = 5000;       ///< of the whole, connecting and retries included
    uint32_t attempt_timeout_ms = 0;  ///< 0: only that
    uint32_t retries = 1;             ///< of what is safe to repeat
    size_t max_answer = 256 * 1024;
    std::shared_ptr<const RequestSigner> signer;  ///< may be null
    std::shared_ptr<TlsClientContext> tls;        ///< for https
  };
  struct Answer {
    int status = 0;
    std::string body;
  };
  /// Once, from the loop. The fetch may then be handed to Dispatcher::DeferDelete(), not destroyed.
  using Callback = absl::AnyInvocable<void(absl::StatusOr<Answer>)>;

  /// Begins. InvalidArgument, and no callback, if the URL cannot be asked. `env` outlives it.
  static absl::StatusOr<std::unique_ptr<HttpFetch>> Start(const UpstreamEnv& env, Request request,
                                                          Callback callback);
  /// Gives up.
  ~HttpFetch() override;

 private:
  HttpFetch(const UpstreamEnv& env, Request request, Callback callback);
  absl::Status Begin();
  void Done(absl::StatusOr<Answer> answer);

  void OnUpstreamHead(ResponseHead* head, bool end) override;
  void OnUpstreamBody(std::string_view data) override;
  void OnUpstreamEnd(const HeaderMap* trailers) override;
  void OnUpstreamFailure(UpstreamFailure failure, std::string_view detail) override;
  void OnUpstreamAborted(ResetReason reason) override;
  void OnUpstreamConsumed(size_t) override {}

  const UpstreamEnv env_;
  const Request asked_;
  Callback callback_;
  std::string target_;
  std::unique_ptr<Cluster> cluster_;
  Arena arena_;
  RequestHead head_;
  std::unique_ptr<UpstreamRequest> request_;
  Answer answer_;
};

}  // namespace postern
