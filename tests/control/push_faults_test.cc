// Ends of the push service that do not keep to the protocol: whoever they are, the other end says
// what is wrong, goes on with what it had, and nobody else notices (proto/control/push.proto).
#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "control/serve/control_server.h"
#include "control/serve/manager.h"
#include "control/serve/push_hub.h"
#include "control/store/store.h"
#include "core/config/control_client.h"
#include "core/config/snapshot_assembler.h"
#include "lib/crypto/digest.h"
#include "lib/text/concat.h"
#include "proto/control/push.grpc.pb.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {
namespace {

namespace v1 = control::v1;

using ::testing::HasSubstr;

constexpr auto kLimit = std::chrono::seconds(30);  // only for a test that hangs

// ---- A control plane, and sidecars that are none.

class StrangersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/strangers-" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
    auto store = Store::Open(folder_ + "/control.db", Store::Options());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    hub_ = std::make_unique<PushHub>(PushHub::Options());
    manager_ = std::make_unique<Manager>(store_.get(), hub_.get(), Manager::Options{});
    ASSERT_TRUE(manager_->Start().ok());
    ControlServer::Options options;
    options.address = "127.0.0.1:0";
    options.hello_limit_ms = 300;
    auto server = ControlServer::Start(options, manager_.get(), hub_.get());
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = grpc::CreateChannel(Concat("127.0.0.1:", server_->port()),
                                   grpc::InsecureChannelCredentials());
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  static v1::SidecarMessage Hello() {
    v1::SidecarMessage message;
    message.mutable_hello()->set_group("default");
    message.mutable_hello()->mutable_node()->set_id("stranger");
    message.mutable_hello()->set_format(1);
    return message;
  }

  // How a stream ends on which these messages are sent, one after the other.
  grpc::Status End(const std::vector<v1::SidecarMessage>& messages) {
    auto stub = v1::PushService::NewStub(channel_);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kLimit);
    auto stream = stub->Sync(&context);
    for (const v1::SidecarMessage& message : messages) stream->Write(message);
    v1::ControlMessage in;
    while (stream->Read(&in)) {
    }
    return stream->Finish();
  }

  // The same of one frame that is no message.
  grpc::Status EndOfFrame(const std::string& bytes) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kLimit);
    grpc::CompletionQueue queue;
    auto call = stub.PrepareCall(&context, "/postern.control.v1.PushService/Sync", &queue);
    const auto wait = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
    };
    call->StartCall(nullptr);
    wait();
    const grpc::Slice slice(bytes);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    wait();
    grpc::Status status;
    call->Finish(&status, nullptr);
    wait();
    return status;
  }

  std::string folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<PushHub> hub_;
  std::unique_ptr<Manager> manager_;
  std::unique_ptr<ControlServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(StrangersTest, WhoDoesNotSayWhoItIsIsCutOff) {
  const grpc::Status status = End({});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), HasSubstr("has not said who it is within 300 ms"));
}

TEST_F(StrangersTest, WhoSaysItStays) {
  auto stub = v1::PushService::NewStub(channel_);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kLimit);
  auto stream = stub->Sync(&context);
  ASSERT_TRUE(stream->Write(Hello()));
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));  // the limit, and a tick
  EXPECT_EQ(hub_->CountsOf("default").pending, 1u);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StrangersTest, MessagesOutOfOrderEndTheStream) {
  v1::SidecarMessage answer;
  answer.mutable_answer()->set_accepted(true);
  grpc::Status status = End({answer});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("first message must be hello"));
  status = End({Hello(), Hello()});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  status = End({v1::SidecarMessage()});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(StrangersTest, FramesThatAreNoMessagesEndTheStreamAndNothingElse) {
  for (const std::string& bytes :
       {std::string("garbage"), std::string(1000, '\xff'), std::string("\x0a\xff\xff\xff\x7f"),
        std::string(2 << 20, '\0')}) {
    EXPECT_FALSE(EndOfFrame(bytes).ok());
  }
  EXPECT_EQ(hub_->CountsOf("default").pending, 0u);
  EXPECT_EQ(hub_->stats().joined, 0u);
  // Others are served.
  grpc::Status status;
  std::thread late([&] { status = End({Hello()}); });
  const auto begun = std::chrono::steady_clock::now();
  while (hub_->CountsOf("default").pending == 0 &&
         std::chrono::steady_clock::now() - begun < kLimit) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(hub_->CountsOf("default").pending, 1u);
  hub_->Shutdown();
  late.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

// ---- A sidecar, and control planes that are none.

// Answers the n-th stream with what its n-th script sends.
class FakeControl final : public v1::PushService::Service {
 public:
  using Stream = grpc::ServerReaderWriter<v1::ControlMessage, v1::SidecarMessage>;

  grpc::Status Sync(grpc::ServerContext*, Stream* stream) override {
    v1::SidecarMessage message;
    if (!stream->Read(&message)) return grpc::Status::OK;
    std::function<void(Stream*)> script;
    {
      std::lock_guard lock(mutex);
      hellos.push_back(message.hello());
      if (!scripts.empty()) {
        script = std::move(scripts.front());
        scripts.pop_front();
      }
    }
    if (script != nullptr) script(stream);
    while (stream->Read(&message)) {
      std::lock_guard lock(mutex);
      if (message.has_answer()) answers.push_back(message.answer());
    }
    return grpc::Status::OK;
  }

  std::mutex mutex;
  std::deque<std::function<void(Stream*)>> scripts;
  std::vector<v1::Hello> hellos;
  std::vector<v1::Answer> answers;
};

class FakeControlTest : public ::testing::Test {
 protected:
  void Begin(std::deque<std::function<void(FakeControl::Stream*)>> scripts) {
    control_.scripts = std::move(scripts);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&control_);
    server_ = builder.BuildAndStart();
    Connect(port);
  }
  void Connect(int port) {
    ControlClient::Options options;
    options.address.target = Concat("127.0.0.1:", port);
    options.address.plaintext = true;
    options.group = "default";
    options.node_id = "s";
    options.first_backoff_ms = 5;
    options.max_backoff_ms = 20;
    ControlClient::Events events;
    events.on_push = [this](ControlClient::Pushed pushed) {
      {
        std::lock_guard lock(mutex_);
        taken_.push_back(pushed.snapshot->version());
      }
      client_->Accept(pushed);
    };
    events.on_lost = [this](const std::string& reason, uint32_t) {
      std::lock_guard lock(mutex_);
      lost_.push_back(reason);
    };
    client_ = std::make_unique<ControlClient>(options, std::move(events));
    ASSERT_TRUE(client_->Start(nullptr).ok());
  }
  void TearDown() override {
    client_.reset();
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

  template <typename Condition>
  void WaitUntil(const Condition& holds) {
    const auto begun = std::chrono::steady_clock::now();
    while (true) {
      {
        std::scoped_lock lock(mutex_, control_.mutex);
        if (holds()) return;
      }
      if (std::chrono::steady_clock::now() - begun > kLimit) {
        ADD_FAILURE() << "waited in vain";
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  static v1::ControlMessage Push(uint64_t version, const std::string& deployment) {
    snapshot::v1::Snapshot snapshot;
    snapshot.set_format(1);
    snapshot.set_version(version);
    snapshot.add_deployments()->set_digest(Sha256Hex(deployment));
    v1::ControlMessage out;
    v1::Push& push = *out.mutable_push();
    push.set_nonce(1);
    push.set_version(version);
    push.set_snapshot(snapshot.SerializeAsString());
    push.set_digest(PushDigest(snapshot));
    return out;
  }
  static v1::ControlMessage Chunk(const std::string& digest, const std::string& content,
                                  bool last = true) {
    v1::ControlMessage out;
    out.mutable_chunk()->set_digest(digest);
    out.mutable_chunk()->set_content(content);
    out.mutable_chunk()->set_last(last);
    return out;
  }
  static void Good(FakeControl::Stream* stream) {
    stream->Write(Chunk(Sha256Hex("good"), "good"));
    stream->Write(Push(7, "good"));
  }

  FakeControl control_;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  std::vector<uint64_t> taken_;
  std::vector<std::string> lost_;
  std::unique_ptr<ControlClient> client_;
};

// Each is refused with what is wrong; what was in force before is what is held.
TEST_F(FakeControlTest, WrongDigestsAreRefusedAndChangeNothing) {
  Begin({[](FakeControl::Stream* stream) {
    Good(stream);
    v1::ControlMessage push = Push(8, "good");
    push.mutable_push()->set_nonce(2);
    push.mutable_push()->set_digest(std::string(64, '0'));
    stream->Write(push);
    stream->Write(Chunk(Sha256Hex("bad"), "not what it says"));
    push = Push(9, "bad");
    push.mutable_push()->set_nonce(3);
    stream->Write(push);
    push = Push(10, "never sent");
    push.mutable_push()->set_nonce(4);
    stream->Write(push);
    push = Push(11, "good");
    push.mutable_push()->set_nonce(5);
    push.mutable_push()->set_version(12);
    stream->Write(push);
  }});
  WaitUntil([&] { return control_.answers.size() == 5; });
  std::scoped_lock lock(mutex_, control_.mutex);
  EXPECT_TRUE(control_.answers[0].accepted());
  const char* const problems[] = {"does not have the digest", "content does not have this digest",
                                  "was neither sent nor held", "the push version 12"};
  for (size_t i = 1; i < 5; ++i) {
    EXPECT_EQ(control_.answers[i].nonce(), i + 1);
    ASSERT_EQ(control_.answers[i].problems_size(), 1) << i;
    EXPECT_THAT(control_.answers[i].problems(0).message(), HasSubstr(problems[i - 1]));
  }
  EXPECT_THAT(taken_, ::testing::ElementsAre(7));
}

// A stream that makes no sense is given up, and begun anew with what is held.
TEST_F(FakeControlTest, NonsenseEndsTheStreamAndItComesBackWithWhatItHas) {
  Begin({[](FakeControl::Stream* stream) {
           Good(stream);
           v1::SidecarMessage answer;
           stream->Read(&answer);
           stream->Write(v1::ControlMessage());
         },
         // One deployment breaks off for another.
         [](FakeControl::Stream* stream) {
           stream->Write(Chunk(Sha256Hex("a"), "a", /*last=*/false));
           stream->Write(Chunk(Sha256Hex("b"), "b"));
         },
         [](FakeControl::Stream* stream) {
           v1::ControlMessage current;
           current.mutable_current()->set_version(7);
           stream->Write(current);
         }});
  WaitUntil([&] { return control_.hellos.size() >= 3; });
  WaitUntil([&] { return client_->stats().connected.load(); });
  std::scoped_lock lock(mutex_, control_.mutex);
  EXPECT_THAT(taken_, ::testing::ElementsAre(7));
  EXPECT_EQ(control_.hellos[0].version(), 0u);
  for (size_t i = 1; i < 3; ++i) {
    EXPECT_EQ(control_.hellos[i].version(), 7u);
    EXPECT_EQ(control_.hellos[i].digest(), Push(7, "good").push().digest());
    EXPECT_THAT(control_.hellos[i].deployments(), ::testing::ElementsAre(Sha256Hex("good")));
  }
  ASSERT_GE(lost_.size(), 2u);
  EXPECT_THAT(lost_[0], HasSubstr("of a kind that this sidecar does not know"));
  EXPECT_THAT(lost_[1], HasSubstr("broke off before its last piece"));
}

// Serves frames that are no messages.
class FakeGarbage final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    class Reactor final : public grpc::ServerGenericBidiReactor {
     public:
      Reactor() {
        const grpc::Slice slice(std::string(1000, '\xff'));
        out_ = grpc::ByteBuffer(&slice, 1);
        StartWrite(&out_);
      }
      void OnWriteDone(bool) override { StartRead(&in_); }
      void OnReadDone(bool ok) override {
        if (ok) {
          StartRead(&in_);
        } else {
          Finish(grpc::Status::OK);
        }
      }
      void OnDone() override { delete this; }

     private:
      grpc::ByteBuffer in_;
      grpc::ByteBuffer out_;
    };
    return new Reactor;
  }
};

TEST_F(FakeControlTest, FramesThatAreNoMessagesEndTheStreamAndItComesBack) {
  FakeGarbage garbage;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterCallbackGenericService(&garbage);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  Connect(port);
  WaitUntil([&] { return lost_.size() >= 3; });
  {
    std::lock_guard lock(mutex_);
    EXPECT_TRUE(taken_.empty());
  }
  client_.reset();
  server->Shutdown(std::chrono::system_clock::now());
}

}  // namespace
}  // namespace postern
