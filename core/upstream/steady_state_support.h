#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/upstream/cluster_manager.h"
#include "core/upstream/upstream_request.h"

namespace postern {

// Answers every request head on one thread per connection; reads content that is announced.
class ThreadedServer {
 public:
  ThreadedServer() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
        ::listen(listener_, 16) != 0) {
      std::abort();
    }
    socklen_t size = sizeof(address);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    acceptor_ = std::thread([this] {
      for (int fd; (fd = ::accept(listener_, nullptr, nullptr)) >= 0;) {
        threads_.emplace_back([fd] { Serve(fd); });
      }
    });
  }
  ~ThreadedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
  }

  uint16_t port = 0;

 private:
  static void Serve(int fd) {
    const std::string answer =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
        "Content-Length: 256\r\n\r\n" +
        std::string(256, 'x');
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = ::read(fd, buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<size_t>(n));
      size_t end;
      while ((end = text.find("\r\n\r\n")) != text.npos) {
        const size_t content = text.compare(0, 4, "POST") == 0 ? 256 : 0;
        if (text.size() < end + 4 + content) break;
        text.erase(0, end + 4 + content);
        if (::write(fd, answer.data(), answer.size()) < 0) break;
      }
    }
    ::close(fd);
  }

  int listener_;
  std::thread acceptor_;
  std::vector<std::thread> threads_;
};

struct NoResolver final : HostResolver {
  std::unique_ptr<Lookup> Resolve(std::string_view, DnsFamily, Callback) override { std::abort(); }
};

// One request after the other, each begun when the one before has ended.
class Chain {
 public:
  Chain(Dispatcher* dispatcher, Cluster* cluster, bool post)
      : dispatcher_(dispatcher), cluster_(cluster), post_(post) {}

  void Run(int count) {
    left_ = count;
    Next();
    uv_run(dispatcher_->loop(), UV_RUN_DEFAULT);
  }
  int failures = 0;
  uint64_t bytes = 0;

 private:
  struct Exchange final : UpstreamEvents {
    explicit Exchange(Chain* c)
        : chain(c),
          arena(&c->cluster_->net()->blocks),
          head(arena.New<RequestHead>(&arena)),
          request(c->cluster_, this, &arena) {
      head->scheme = "http";
      head->authority = "upstream.example";
      head->target = "/pets/1";
      head->headers.Add("accept", "*/*");
      if (chain->post_) {
        head->method = Method::kPost;
        head->method_text = "POST";
        head->body = BodyKind::kLength;
        head->content_length = 256;
        head->has_content_length = true;
      } else {
        head->method = Method::kGet;
        head->method_text = "GET";
      }
    }
    void Start() {
      request.Start(head, !chain->post_, {});
      if (chain->post_) {
        static const std::string content(256, 'y');
        request.SendBody(content);
        request.SendEnd(nullptr);
      }
    }
    void OnUpstreamHead(ResponseHead*, bool end) override {
      if (end) chain->Next();
    }
    void OnUpstreamBody(std::string_view data) override {
      chain->bytes += data.size();
      request.Consume(data.size());
    }
    void OnUpstreamEnd(const HeaderMap*) override { chain->Next(); }
    void OnUpstreamFailure(UpstreamFailure, std::string_view) override {
      ++chain->failures;
      chain->Next();
    }
    void OnUpstreamAborted(ResetReason) override {
      ++chain->failures;
      chain->Next();
    }
    void OnUpstreamConsumed(size_t) override {}

    Chain* chain;
    Arena arena;
    RequestHead* head;
    UpstreamRequest request;
  };

  void Next() {
    if (left_-- == 0) {
      dispatcher_->Stop();
      return;
    }
    // The one that has just ended is on the stack; the one before it is not.
    at_ ^= 1;
    slots_[at_].reset();
    slots_[at_].emplace(this);
    slots_[at_]->Start();
  }

  Dispatcher* dispatcher_;
  Cluster* cluster_;
  bool post_;
  int left_ = 0;
  int at_ = 0;
  std::optional<Exchange> slots_[2];
};

}  // namespace postern
