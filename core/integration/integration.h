#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/arena.h"
#include "core/context/request_context.h"
#include "core/event/dispatcher.h"
#include "core/http/message.h"
#include "core/upstream/client_session.h"

namespace postern {

class ClusterManager;

/// Hears of the answer of one integration. Implemented by the filter chain, or by the stream itself
/// where the route has no filters.
class ResponseSink {
 public:
  /// The response's head. `head` lives in the exchange's arena and may be changed by who receives
  /// it.
  virtual void OnResponseHead(ResponseHead* head, bool end) = 0;
  /// Borrowed until return. The receiver gives credit back by Exchange::ConsumeResponse().
  virtual void OnResponseBody(std::string_view data) = 0;
  virtual void OnResponseEnd(const HeaderMap* trailers) = 0;
  /// No head was delivered: answer with this gateway response. The integration has set
  /// RequestContext::error_* where it differs from the type's defaults. `status` 0 leaves the
  /// status to the type; AWS_PROXY failures name theirs (rest-api.md §4.3).
  virtual void OnResponseFailure(ResponseType type, uint16_t status) = 0;
  /// A head was delivered and the rest will not come: the client must not take it for complete.
  virtual void OnResponseAborted() = 0;
  /// `size` bytes of request content are done with.
  virtual void OnRequestConsumed(size_t size) = 0;

 protected:
  ~ResponseSink() = default;
};

/// What an exchange works with. Lives as long as the exchange.
struct ExchangeEnv {
  Arena* arena;
  Dispatcher* dispatcher;
  ClusterManager* clusters;  ///< of this worker
  RequestHead* request;      ///< may be changed before Start(), and by the exchange
  RequestContext* context;
  ResponseSink* sink;
  ClientSession::Client client = {};  ///< the client's connection; lives as long as the exchange
};

/// One request under way at an integration. Made in the arena by Integration::NewExchange(); its
/// owner calls the destructor, which cancels whatever is still under way and makes no further call.
/// Never destroyed from inside one of its own calls to the sink.
class Exchange {
 public:
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// The request's head is final. With `end` there is no content. The sink may be called from
  /// inside.
  virtual void Start(bool end) = 0;
  /// Borrowed until return. Not called after the sink has heard a failure or the response's end.
  virtual void OnRequestBody(std::string_view data) = 0;
  virtual void OnRequestEnd(const HeaderMap* trailers) = 0;
  /// `size` bytes of response content are done with.
  virtual void ConsumeResponse(size_t size) = 0;

 protected:
  Exchange() = default;
};

/// What stands at the end of a route's chain: immutable, shared by all workers, made when the
/// snapshot is built.
class Integration {
 public:
  virtual ~Integration() = default;

  /// Makes the exchange in `env.arena`. Never null.
  virtual Exchange* NewExchange(const ExchangeEnv& env) const = 0;

  /// For $context, logs and metrics: "MOCK", "HTTP_PROXY", "AWS_PROXY", …
  virtual std::string_view type_name() const = 0;
};

}  // namespace postern
