#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/arena.h"
#include "core/base/intrusive_list.h"
#include "core/event/dispatcher.h"
#include "core/observe/admin.h"
#include "core/session/server_session.h"

namespace postern {

class AdminHost;

/// One request to the admin endpoint. Collects what little content there may be, asks the service,
/// answers. Made and ended by AdminHost.
class AdminStream final : public ListNode<AdminStream>, public RequestReceiver {
 public:
  AdminStream(AdminHost* host, ServerSession* session, ServerStream* stream);

 private:
  RequestHead* request_head() override { return &request_; }
  void OnHead(bool end) override;
  void OnBody(std::string_view data) override { stream_->Consume(data.size()); }
  void OnEnd(const HeaderMap* trailers) override;
  void OnReset(ResetReason reason) override;
  void OnWritable() override;
  void Answer();
  void SendMore();
  void Finish();

  AdminHost* host_;
  ServerSession* session_;
  ServerStream* stream_;
  Arena arena_;
  RequestHead request_;
  std::unique_ptr<AdminBody> large_;  // what is still to be sent
};

/// Serves the admin endpoint on the main thread's loop, through the same sessions and codecs as API
/// traffic.
class AdminHost final : public StreamHost, private EndOfIteration {
 public:
  AdminHost(const SessionEnv* env, AdminService* service) : env_(env), service_(service) {}
  ~AdminHost() override;

  RequestReceiver* NewStream(ServerSession* session, ServerStream* stream) override;

 private:
  friend class AdminStream;
  void Finished(AdminStream* stream);
  void OnEndOfIteration() override;

  const SessionEnv* env_;
  AdminService* service_;
  IntrusiveList<AdminStream> finished_;
};

}  // namespace postern
