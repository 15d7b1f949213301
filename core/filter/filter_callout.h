#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "api/abi/abi.h"
#include "core/base/arena.h"
#include "core/base/intrusive_list.h"
#include "core/context/arena_sink.h"
#include "core/event/dispatcher.h"
#include "core/event/timer.h"
#include "core/filter/filter_owner.h"
#include "core/upstream/upstream_request.h"

namespace postern {

/// One HTTP exchange of a filter with an upstream of its snapshot, on the worker's own connections.
/// Ends with one event to its owner, from the loop and from nobody's call. Used again.
class FilterCallout final : public ListNode<FilterCallout>,
                            private UpstreamEvents,
                            private EndOfIteration {
 public:
  explicit FilterCallout(FilterWorker* worker);
  ~FilterCallout() override;

  /// Copies `callout`, whose parts have been checked, and sends it. `id` is its number.
  void Start(FilterOwner* owner, const CalloutUpstream& upstream, const postern_callout& callout,
             uint64_t tag, uint64_t id);
  /// No event will come. Not in its owner's list any more.
  void Cancel();
  /// Gives back what it holds. Not from inside one of its events.
  void Recycle();

  uint64_t id() const { return id_; }

 private:
  void OnUpstreamHead(ResponseHead* head, bool end) override;
  void OnUpstreamBody(std::string_view data) override;
  void OnUpstreamEnd(const HeaderMap* trailers) override;
  void OnUpstreamFailure(UpstreamFailure failure, std::string_view detail) override;
  void OnUpstreamAborted(ResetReason reason) override;
  void OnUpstreamConsumed(size_t size) override;
  void OnEndOfIteration() override;
  void Over(uint32_t outcome);

  FilterWorker* const worker_;
  Arena arena_;
  Timer timer_;
  FilterOwner* owner_ = nullptr;
  uint64_t tag_ = 0;
  uint64_t id_ = 0;
  uint64_t started_ms_ = 0;
  size_t max_response_ = 0;
  bool over_ = false;
  uint32_t outcome_ = 0;
  std::optional<RequestHead> head_;
  const ResponseHead* response_ = nullptr;
  std::optional<ArenaSink> body_;
  std::optional<UpstreamRequest> request_;
};

}  // namespace postern
