#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/arena.h"
#include "core/base/intrusive_list.h"
#include "core/context/id_generator.h"
#include "core/event/dispatcher.h"
#include "core/event/timer.h"
#include "core/http/codec.h"
#include "core/integration/integration.h"
#include "core/route/router.h"
#include "core/session/filtered_exchange.h"
#include "core/session/server_session.h"
#include "core/session/worker_snapshot.h"
#include "lib/text/time_format.h"

namespace postern {

class GatewayHost;

/// One exchange of API traffic, from the request's head to its access-log line: routes it once,
/// runs its integration, and carries the answer back. The filters of a route stand between this and
/// the integration (FilteredExchange), on the two interfaces they meet by: ResponseSink, Exchange.
/// Recycled by its host.
class GatewayStream final : public ListNode<GatewayStream>,
                            public RequestReceiver,
                            private ResponseSink,
                            private FilteredExchange::Client {
 public:
  explicit GatewayStream(GatewayHost* host);
  ~GatewayStream();

  /// Takes up a new exchange with the snapshot in force.
  void Begin(ServerSession* session, ServerStream* stream);

  /// Gives back all it holds. Only when finished, and not from inside one of its events.
  void Recycle();

 private:
  friend class GatewayHost;

  // RequestReceiver.
  RequestHead* request_head() override { return request_; }
  void OnHead(bool end) override;
  void OnBody(std::string_view data) override;
  void OnEnd(const HeaderMap* trailers) override;
  void OnReset(ResetReason reason) override;
  void OnWritable() override;
  // ResponseSink.
  void OnResponseHead(ResponseHead* head, bool end) override;
  void OnResponseBody(std::string_view data) override;
  void OnResponseEnd(const HeaderMap* trailers) override;
  void OnResponseFailure(ResponseType type, uint16_t status) override;
  void OnResponseAborted() override;
  void OnRequestConsumed(size_t size) override;
  // FilteredExchange::Client.
  void OnRequestWanted() override;

  void FillContext();
  void FillForwarded();
  void Reply(ResponseType type, uint16_t status);
  void SendHead(ResponseHead* head, bool end);
  void BeginTrace();
  void Observe();
  void StartExchange(bool end, const ChainPlan* chain, ResponseType refusal);
  void Refuse(ResponseType type, uint16_t status);
  void BodyTimeout();
  void WriteTimeout();
  void Cut(ResetReason reason);
  void Finish();

  GatewayHost* host_;
  Arena arena_;
  ServerSession* session_ = nullptr;
  ServerStream* stream_ = nullptr;  // null once the exchange is over on the client's side
  WorkerSnapshot* snapshot_ = nullptr;
  RequestHead* request_ = nullptr;
  RequestContext* context_ = nullptr;
  RouteMatch match_;
  Exchange* exchange_ = nullptr;
  FilteredExchange* filtered_ = nullptr;  // is exchange_, where the route has filters
  bool request_done_ = false;
  bool head_sent_ = false;
  bool finished_ = false;
  bool refused_ = false;
  size_t unconsumed_ = 0;  // request content the integration has not given back
  size_t owed_ = 0;        // response content the client has not taken
  size_t stalled_at_ = 0;
  Timer body_timer_;
  Timer write_timer_;
};

/// Makes and recycles the GatewayStreams of one worker, and knows the snapshot in force there.
class GatewayHost final : public StreamHost, private EndOfIteration {
 public:
  explicit GatewayHost(const SessionEnv* env);
  ~GatewayHost();

  RequestReceiver* NewStream(ServerSession* session, ServerStream* stream) override;

  /// From here on new exchanges use `snapshot`. Those under way keep theirs.
  void SetSnapshot(std::unique_ptr<WorkerSnapshot> snapshot);
  /// The snapshot in force; null before the first.
  const WorkerSnapshot* snapshot() const { return current_.get(); }

  /// Exchanges under way.
  size_t active() const { return active_; }
  const SessionEnv& env() const { return *env_; }

 private:
  friend class GatewayStream;

  void OnEndOfIteration() override;
  void Finished(GatewayStream* stream);
  void Release(WorkerSnapshot* snapshot);
  /// The value of the Date field, renewed once a second.
  std::string_view Date();

  const SessionEnv* env_;
  IdGenerator ids_;
  std::unique_ptr<WorkerSnapshot> current_;
  std::vector<std::unique_ptr<WorkerSnapshot>> retired_;  // still used by exchanges
  IntrusiveList<GatewayStream> finished_;
  std::vector<std::unique_ptr<GatewayStream>> idle_;
  size_t active_ = 0;
  int64_t date_second_ = -1;
  char date_[kHttpDateSize];
};

}  // namespace postern
