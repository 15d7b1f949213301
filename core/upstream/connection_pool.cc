#include "core/upstream/connection_pool.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace postern {
namespace {

// Connections that are passed over because they ended an exchange so little ago.
constexpr int kMostPassedOver = 16;
constexpr uint64_t kJustEndedMs = 2;

}  // namespace

ConnectionPool::ConnectionPool(const SessionSettings* settings, PoolLimits* limits,
                               const Address& address, std::string server_name)
    : settings_(settings),
      limits_(limits),
      address_(address),
      server_name_(std::move(server_name)),
      stream_limit_(std::max(settings->config->http2.max_concurrent_streams, 1u)) {
  const ClusterConfig& config = *settings->config;
  if (config.protocol == UpstreamProtocol::kHttp2) version_ = Version::kHttp2;
  if (config.protocol == UpstreamProtocol::kHttp1 || config.tls.context == nullptr) {
    if (version_ == Version::kUnknown) version_ = Version::kHttp1;
  }
}

ConnectionPool::~ConnectionPool() {
  for (auto& list : lists_) {
    while (ClientSession* session = list.PopFront()) {
      session->Abandon();
      limits_->ConnectionClosed();
      delete session;
    }
  }
  if (idle_count_ != 0) limits_->IdleChanged(-static_cast<int>(idle_count_));
  while (waiters_.PopFront() != nullptr) limits_->PendEnded();
}

ConnectionPool::Result ConnectionPool::Acquire(PoolWaiter* waiter, Wish wish,
                                               ClientSession** session) {
  // Who waits already goes first, unless only those wait who want no old connection.
  if (!personal()) {
    if (ClientSession* found = Find(wish); found != nullptr) {
      *session = found;
      return Result::kReady;
    }
  }
  if (!limits_->TryPend()) return Result::kOverflow;
  waiter->fresh_ = wish.fresh;
  waiter->checked_ = wish.checked;
  waiter->client_ = wish.client;
  waiter->asked_at_ = ready_count_;
  waiters_.PushBack(waiter);
  ++waiting_;
  OpenAsNeeded();
  return Result::kQueued;
}

void ConnectionPool::Cancel(PoolWaiter* waiter) {
  if (!waiter->linked()) return;
  ClientSession* own = waiter->own_;
  Leave(waiter);
  if (own != nullptr) own->Close();
  if (empty()) limits_->PoolEmpty();
}

ClientSession* ConnectionPool::Find(Wish wish) {
  if (wish.fresh) return nullptr;
  // A connection in use is alive.
  if (ClientSession* session = lists_[kPartial].Front(); session != nullptr) return session;
  return FindIdle(wish.checked);
}

ClientSession* ConnectionPool::FindIdle(bool checked) {
  if (!checked) return lists_[kIdle].Front();
  const uint64_t now = settings_->net->dispatcher->NowMs();
  while (ClientSession* session = lists_[kIdle].Front()) {
    for (int i = 0; i < kMostPassedOver && now - session->idle_since_ms < kJustEndedMs; ++i) {
      ClientSession* older = lists_[kIdle].Next(session);
      if (older == nullptr) break;
      session = older;
    }
    if (session->LooksAlive()) return session;
    CloseIdleOne(session);
  }
  return nullptr;
}

// For one that waits, of what has room now.
ClientSession* ConnectionPool::FindFor(const PoolWaiter& waiter) {
  if (!waiter.fresh_) {
    if (ClientSession* session = lists_[kPartial].Front(); session != nullptr) return session;
    return FindIdle(waiter.checked_);
  }
  // The newest stand in front, where they have not been used; HTTP/2 ones may have been meanwhile.
  ClientSession* session = lists_[kIdle].Front();
  if (session != nullptr && session->ready_number > waiter.asked_at_ &&
      (session->http2() || !session->reused())) {
    return session;
  }
  for (session = lists_[kPartial].Front(); session != nullptr;
       session = lists_[kPartial].Next(session)) {
    if (session->ready_number > waiter.asked_at_) return session;
  }
  return nullptr;
}

size_t ConnectionPool::ExpectedRoom() const {
  if (version_ == Version::kHttp1) return 1;
  // Until the first connection has said what it speaks, the others wait for it.
  return stream_limit_;
}

void ConnectionPool::OpenAsNeeded() {
  if (personal()) {
    for (PoolWaiter* waiter = waiters_.Front(); waiter != nullptr && connecting_ < waiting_;
         waiter = waiters_.Next(waiter)) {
      if (waiter->own_ != nullptr) continue;
      ClientSession* session = Open(waiter->client_);
      if (session == nullptr) return;
      session->waiter = waiter;
      waiter->own_ = session;
    }
    return;
  }
  while (waiting_ > connecting_ * ExpectedRoom()) {
    if (version_ == Version::kUnknown && connecting_ > 0) return;
    if (Open({}) == nullptr) return;
  }
}

ClientSession* ConnectionPool::Open(ClientSession::Client client) {
  if (!limits_->TryOpenConnection()) return nullptr;
  auto* session = new ClientSession(settings_, address_, server_name_, this, client);
  session->AssumeLimit(stream_limit_);
  session->list = kConnecting;
  lists_[kConnecting].PushBack(session);
  ++sessions_;
  ++connecting_;
  return session;
}

// Takes `waiter` out of the queue, and away from what was made for it.
void ConnectionPool::Leave(PoolWaiter* waiter) {
  waiter->Unlink();
  --waiting_;
  limits_->PendEnded();
  if (ClientSession* own = std::exchange(waiter->own_, nullptr)) own->waiter = nullptr;
}

ConnectionPool::List ConnectionPool::ListFor(const ClientSession* session) const {
  if (session->room() == 0) return kFull;
  return session->active() == 0 ? kIdle : kPartial;
}

void ConnectionPool::Move(ClientSession* session, List to) {
  const auto from = static_cast<List>(session->list);
  if (from == to) return;
  if (from == kConnecting) --connecting_;
  if (from == kIdle) {
    --idle_count_;
    limits_->IdleChanged(-1);
  }
  session->list = to;
  lists_[to].PushFront(session);
  if (to == kIdle) {
    session->idle_since_ms = settings_->net->dispatcher->NowMs();
    ++idle_count_;
    limits_->IdleChanged(1);
  }
}

void ConnectionPool::OnSessionReady(ClientSession* session) {
  version_ = session->http2() ? Version::kHttp2 : Version::kHttp1;
  limits_->Connected(session->connect_ms());
  session->ready_number = ++ready_count_;
  Move(session, ListFor(session));
  if (personal()) {
    ServeOwn(session);
    return;
  }
  Serve();
  OpenAsNeeded();
  if (draining_ && waiting_ == 0) session->Retire();
}

void ConnectionPool::ServeOwn(ClientSession* session) {
  PoolWaiter* waiter = session->waiter;
  if (waiter == nullptr) {
    session->Close();
    return;
  }
  Leave(waiter);
  waiter->OnSession(session);
  // One that was not taken is nobody else's.
  if (session->active() == 0) session->Retire();
}

void ConnectionPool::OnSessionChanged(ClientSession* session) {
  // A session that has ended before it was ready is accounted for when it has closed.
  if (session->list == kConnecting) return;
  if (session->http2() && session->settled()) {
    // A peer that allows none for now will say so on the next connection as well.
    stream_limit_ = std::max<size_t>(session->stream_limit(), 1);
  }
  Move(session, ListFor(session));
  if (session->list == kFull || personal()) return;
  Serve();
  OpenAsNeeded();
  if (draining_ && waiting_ == 0 && session->list == kIdle) session->Retire();
}

void ConnectionPool::Serve() {
  // Beginning an exchange changes its session, which comes back here.
  if (serving_) return;
  serving_ = true;
  // In turn, but those who want a new connection do not stand in the way of those who do not.
  PoolWaiter* waiter = waiters_.Front();
  while (waiter != nullptr && !(lists_[kPartial].empty() && lists_[kIdle].empty())) {
    PoolWaiter* next = waiters_.Next(waiter);
    if (ClientSession* session = FindFor(*waiter); session != nullptr) {
      Leave(waiter);
      waiter->OnSession(session);
      if (session->list != kFull && session->list != kConnecting) Move(session, ListFor(session));
    }
    waiter = next;
  }
  serving_ = false;
}

void ConnectionPool::OnSessionClosed(ClientSession* session, UpstreamFailure why,
                                     std::string_view detail) {
  const bool failed = session->list == kConnecting;
  if (failed) {
    --connecting_;
    // What it would have spoken is unknown again where ALPN decides.
  } else if (session->list == kIdle) {
    --idle_count_;
    limits_->IdleChanged(-1);
  }
  session->list = kListCount;
  session->ListNode<ClientSession>::Unlink();
  --sessions_;
  limits_->ConnectionClosed();
  settings_->net->dispatcher->DeferDelete(std::unique_ptr<Deferred>(session));
  if (failed) {
    limits_->ConnectFailed(why);
    // As many as it was to carry; they may come back at once, behind the others.
    IntrusiveList<PoolWaiter> victims;
    const auto give_up = [&](PoolWaiter* waiter) {
      Leave(waiter);
      victims.PushBack(waiter);
    };
    if (personal()) {
      if (session->waiter != nullptr) give_up(session->waiter);
    } else {
      const size_t count = std::min(waiting_, ExpectedRoom());
      for (size_t i = 0; i < count; ++i) give_up(waiters_.Front());
    }
    while (PoolWaiter* waiter = victims.PopFront()) waiter->OnNoSession(why, detail);
  }
  OpenAsNeeded();
  if (empty()) limits_->PoolEmpty();
}

void ConnectionPool::Drain() {
  draining_ = true;
  CloseIdle();
  for (List list : {kPartial, kFull}) {
    ClientSession* session = lists_[list].Front();
    while (session != nullptr) {
      ClientSession* next = lists_[list].Next(session);
      if (waiting_ == 0) session->Retire();
      session = next;
    }
  }
  while (waiting_ == 0 && !lists_[kConnecting].empty()) lists_[kConnecting].Front()->Close();
  if (empty()) limits_->PoolEmpty();
}

void ConnectionPool::CloseIdle() {
  while (ClientSession* session = lists_[kIdle].Front()) CloseIdleOne(session);
}

void ConnectionPool::CloseIdleOne(ClientSession* session) {
  Move(session, kFull);
  session->Close();
}

uint64_t ConnectionPool::CloseIdleSince(uint64_t before_ms) {
  while (ClientSession* session = lists_[kIdle].Back()) {
    if (session->idle_since_ms > before_ms) return session->idle_since_ms;
    CloseIdleOne(session);
  }
  return UINT64_MAX;
}

bool ConnectionPool::EvictIdle() {
  ClientSession* session = lists_[kIdle].Back();
  if (session == nullptr) return false;
  CloseIdleOne(session);
  return true;
}

}  // namespace postern
