#pragma once

#include <cstddef>
#include <string>

#include "core/base/arena.h"
#include "core/event/dispatcher.h"
#include "core/http/codec.h"
#include "core/observe/admin.h"

namespace postern {

/// One admin request on a server codec: answers as soon as the head is there, for no admin request
/// has content that matters, and sends no faster than the client reads. Whoever accepts admin
/// connections makes one for each exchange and hands it to Dispatcher::DeferDelete() when it has
/// ended. Knows no socket.
class AdminStream final : public Deferred, public RequestReceiver {
 public:
  class Owner {
   public:
    /// The exchange is over. Called once, from inside one of the stream's own events.
    virtual void OnAdminStreamEnded(AdminStream* stream) = 0;

   protected:
    ~Owner() = default;
  };

  /// Everything outlives the stream; `stream` until the exchange is over.
  AdminStream(AdminService* service, Dispatcher* dispatcher, BlockPool* pool, ServerStream* stream,
              Owner* owner);
  /// Cuts the exchange if it is not over.
  ~AdminStream() override;

  // RequestReceiver.
  RequestHead* request_head() override { return &head_; }
  void OnHead(bool end) override;
  void OnBody(std::string_view data) override;
  void OnEnd(const HeaderMap* trailers) override;
  void OnReset(ResetReason reason) override;
  void OnWritable() override;

 private:
  static constexpr size_t kPart = 32 * 1024;

  void SendMore();
  void End();

  AdminService* service_;
  Dispatcher* dispatcher_;
  ServerStream* stream_;  // null once the exchange is over
  Owner* owner_;
  Arena arena_;
  RequestHead head_;
  std::string body_;
  size_t sent_ = 0;
  bool sending_ = false;
};

}  // namespace postern
