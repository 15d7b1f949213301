#include "core/config/control_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "core/config/snapshot_assembler.h"
#include "lib/text/concat.h"
#include "proto/control/push.grpc.pb.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {
namespace {

namespace v1 = control::v1;

constexpr uint32_t kSnapshotFormat = 1;
constexpr auto kEndLimit = std::chrono::seconds(1);
constexpr size_t kMaxProblemPath = 1024;
constexpr size_t kMaxProblemText = 4096;

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// At most `size` bytes of `text`, without half a character at the end: the field must be UTF-8.
std::string Cut(std::string_view text, size_t size) {
  if (text.size() > size) {
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
    text = text.substr(0, size);
  }
  return std::string(text);
}

v1::SidecarMessage MakeAnswer(uint64_t nonce, const std::vector<SnapshotProblem>& problems) {
  v1::SidecarMessage message;
  v1::Answer& answer = *message.mutable_answer();
  answer.set_nonce(nonce);
  answer.set_accepted(problems.empty());
  for (const SnapshotProblem& problem : problems) {
    if (answer.problems_size() == static_cast<int>(RuntimeSnapshot::kMaxProblems)) break;
    v1::Problem& out = *answer.add_problems();
    out.set_path(Cut(problem.path, kMaxProblemPath));
    out.set_message(Cut(problem.text, kMaxProblemText));
  }
  return message;
}

}  // namespace

struct ControlClient::Impl {
  Impl(Options o, Events e) : options(std::move(o)), events(std::move(e)) {}

  class Stream;

  void Run();
  void OnMessage(Stream* stream, const v1::ControlMessage& message);

  const Options options;
  const Events events;
  Stats stats;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::PushService::Stub> stub;

  std::mutex mutex;
  std::condition_variable changed;
  SnapshotAssembler assembler;     // guarded by mutex
  std::shared_ptr<Stream> stream;  // the one that is open
  uint64_t streams = 0;
  bool confirmed = false;  // by the control plane on this stream
  bool stopping = false;
  std::thread thread;
};

// One stream. Its messages are sent one after the other; there is never more than an answer to
// send, since there is one push at a time.
class ControlClient::Impl::Stream final
    : public grpc::ClientBidiReactor<v1::SidecarMessage, v1::ControlMessage> {
 public:
  Stream(Impl* impl, uint64_t number) : impl_(*impl), number_(number) {}

  void Begin(v1::SidecarMessage hello) {
    impl_.stub->async()->Sync(&context_, this);
    // Answers come from other threads, so gRPC is told to expect them until End().
    AddHold();
    Send(std::move(hello));
    StartRead(&in_);
    StartCall();
  }

  // Any thread, until OnDone().
  void Send(v1::SidecarMessage message) {
    std::lock_guard lock(mutex_);
    if (ended_) return;
    if (writing_) {
      next_ = std::move(message);
      has_next_ = true;
      return;
    }
    out_ = std::move(message);
    writing_ = true;
    StartWrite(&out_);
  }

  // `cancel`: the other side does not know yet.
  void End(bool cancel) {
    {
      std::lock_guard lock(mutex_);
      if (std::exchange(ended_, true)) return;
    }
    if (cancel) context_.TryCancel();
    RemoveHold();
  }

  // The other side may not know that there is nothing more to say.
  void Cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      End(/*cancel=*/false);
      std::lock_guard lock(impl_.mutex);
      read_all_ = true;
      impl_.changed.notify_all();
      return;
    }
    impl_.OnMessage(this, in_);
    StartRead(&in_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      End(/*cancel=*/false);
      return;
    }
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (!has_next_ || ended_) return;
    has_next_ = false;
    writing_ = true;
    out_ = std::move(next_);
    StartWrite(&out_);
  }

  void OnDone(const grpc::Status& status) override {
    std::lock_guard lock(impl_.mutex);
    done_ = true;
    if (why_.empty()) {
      why_ = status.ok() ? "the control plane ended the stream" : status.error_message();
    }
    impl_.changed.notify_all();
  }

  // Guarded by the client's lock.
  bool done_ = false;
  bool read_all_ = false;  // nothing more comes: its end, or a frame that is no message
  std::string why_;

  uint64_t number() const { return number_; }

 private:
  Impl& impl_;
  const uint64_t number_;
  grpc::ClientContext context_;
  v1::ControlMessage in_;
  std::mutex mutex_;
  v1::SidecarMessage out_;
  v1::SidecarMessage next_;
  bool has_next_ = false;
  bool writing_ = false;
  bool ended_ = false;
};

void ControlClient::Impl::OnMessage(Stream* from, const v1::ControlMessage& message) {
  absl::Status broken;
  Pushed pushed;
  std::string refusal;
  bool current = false;
  bool again = false;
  {
    std::lock_guard lock(mutex);
    if (stopping || stream.get() != from) return;
    stats.connected.store(true, std::memory_order_relaxed);
    stats.heard_ms.store(NowMs(), std::memory_order_relaxed);
    switch (message.message_case()) {
      case v1::ControlMessage::kCurrent:
        confirmed = current = true;
        break;
      case v1::ControlMessage::kChunk:
        broken = assembler.OnChunk(message.chunk());
        break;
      case v1::ControlMessage::kPush: {
        stats.pushes.fetch_add(1, std::memory_order_relaxed);
        pushed.nonce = from->number() << 32 | (message.push().nonce() & 0xffffffff);
        auto whole = assembler.OnPush(message.push());
        if (whole.ok()) {
          // Taken up while the stream it came by broke.
          again = confirmed = message.push().digest() == assembler.digest();
          pushed.digest = message.push().digest();
          pushed.snapshot = *std::move(whole);
        } else {
          refusal = std::string(whole.status().message());
        }
        break;
      }
      case v1::ControlMessage::MESSAGE_NOT_SET:
        broken = absl::InvalidArgumentError("a message of a kind that this sidecar does not know");
        break;
    }
    if (!broken.ok()) from->why_ = std::string(broken.message());
  }
  if (!broken.ok()) {
    from->End(/*cancel=*/true);
  } else if (!refusal.empty()) {
    stats.refused.fetch_add(1, std::memory_order_relaxed);
    from->Send(MakeAnswer(message.push().nonce(), {{"", refusal}}));
  } else if (again) {
    from->Send(MakeAnswer(message.push().nonce(), {}));
  } else if (pushed.snapshot != nullptr) {
    events.on_push(std::move(pushed));
  } else if (current && events.on_current) {
    events.on_current();
  }
}

void ControlClient::Impl::Run() {
  std::mt19937 random(std::random_device{}());
  uint64_t backoff = options.first_backoff_ms;
  std::unique_lock lock(mutex);
  while (!stopping) {
    auto now = std::make_shared<Stream>(this, ++streams);
    stream = now;
    confirmed = false;
    assembler.Reset();
    v1::SidecarMessage message;
    v1::Hello& hello = *message.mutable_hello();
    hello.set_group(options.group);
    hello.mutable_node()->set_id(options.node_id);
    hello.mutable_node()->set_namespace_(options.node_namespace);
    hello.mutable_node()->set_host(options.node_host);
    hello.mutable_node()->set_program_version(options.program_version);
    hello.set_version(assembler.version());
    hello.set_digest(assembler.digest());
    for (std::string& digest : assembler.deployments()) hello.add_deployments(std::move(digest));
    hello.set_format(kSnapshotFormat);
    stats.attempts.fetch_add(1, std::memory_order_relaxed);
    lock.unlock();
    now->Begin(std::move(message));
    lock.lock();
    changed.wait(lock, [&] { return now->done_ || now->read_all_ || stopping; });
    // An end tells its reason right away; behind a frame that is no message none comes.
    changed.wait_for(lock, kEndLimit, [&] { return now->done_ || stopping; });
    if (!now->done_) {
      if (now->why_.empty()) now->why_ = "the control plane has sent what is no message";
      lock.unlock();
      now->End(/*cancel=*/false);
      now->Cancel();
      lock.lock();
      changed.wait(lock, [&] { return now->done_; });
    }
    stream = nullptr;
    if (stats.connected.exchange(false, std::memory_order_relaxed)) {
      stats.heard_ms.store(NowMs(), std::memory_order_relaxed);
    }
    if (stopping) break;
    if (confirmed) backoff = options.first_backoff_ms;
    const uint64_t wait = std::uniform_int_distribution<uint64_t>(backoff - backoff / 5,
                                                                  backoff + backoff / 5)(random);
    backoff = std::min<uint64_t>(backoff * 2, options.max_backoff_ms);
    const std::string why = now->why_;
    lock.unlock();
    if (events.on_lost) events.on_lost(why, static_cast<uint32_t>(wait));
    lock.lock();
    changed.wait_for(lock, std::chrono::milliseconds(wait), [this] { return stopping; });
  }
}

ControlClient::ControlClient(Options options, Events events)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(events))) {}

ControlClient::~ControlClient() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->changed.notify_all();
  if (impl_->thread.joinable()) impl_->thread.join();
}

absl::Status ControlClient::Start(const snapshot::v1::Snapshot* in_force) {
  if (absl::Status status = MakeControlChannel(impl_->options.address, &impl_->channel);
      !status.ok()) {
    return status;
  }
  impl_->stub = v1::PushService::NewStub(impl_->channel);
  if (in_force != nullptr) impl_->assembler.Hold(*in_force, PushDigest(*in_force));
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
  return absl::OkStatus();
}

void ControlClient::Accept(const Pushed& pushed) {
  std::shared_ptr<Impl::Stream> stream;
  {
    std::lock_guard lock(impl_->mutex);
    impl_->assembler.Hold(*pushed.snapshot, pushed.digest);
    if (impl_->stream == nullptr || impl_->stream->number() != pushed.nonce >> 32) return;
    impl_->confirmed = true;
    stream = impl_->stream;
  }
  stream->Send(MakeAnswer(pushed.nonce & 0xffffffff, {}));
}

void ControlClient::Refuse(const Pushed& pushed, const std::vector<SnapshotProblem>& problems) {
  std::shared_ptr<Impl::Stream> stream;
  impl_->stats.refused.fetch_add(1, std::memory_order_relaxed);
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->stream == nullptr || impl_->stream->number() != pushed.nonce >> 32) return;
    stream = impl_->stream;
  }
  stream->Send(MakeAnswer(pushed.nonce & 0xffffffff, problems));
}

const ControlClient::Stats& ControlClient::stats() const { return impl_->stats; }

double ControlClient::staleness_seconds() const {
  if (impl_->stats.connected.load(std::memory_order_relaxed)) return 0;
  const int64_t heard = impl_->stats.heard_ms.load(std::memory_order_relaxed);
  return heard < 0 ? -1 : static_cast<double>(NowMs() - heard) / 1e3;
}

}  // namespace postern
