#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/arena.h"
#include "core/base/byte_sink.h"
#include "core/http/codec.h"

namespace postern {

/// A sink that keeps what is written; `blocked` plays a peer that takes nothing.
class CapturingSink final : public ByteSink {
 public:
  char* Reserve(size_t size) override {
    scratch_.resize(size);
    return scratch_.data();
  }
  void Commit(size_t size) override { bytes.append(scratch_, 0, size); }
  void Write(std::string_view data) override { bytes.append(data); }
  size_t buffered() const override { return blocked ? 1 : 0; }
  std::string Take() { return std::exchange(bytes, {}); }

  std::string bytes;
  bool blocked = false;

 private:
  std::string scratch_;
};

/// Everything one request told its receiver.
struct SeenRequest final : public RequestReceiver {
  explicit SeenRequest(BlockPool* pool) : arena(pool), head(&arena) {}
  RequestHead* request_head() override { return &head; }
  void OnHead(bool end) override {
    got_head = true;
    ended = end;
    if (on_head) on_head(this);
  }
  void OnBody(std::string_view data) override {
    body.append(data);
    if (consume) stream->Consume(data.size());
  }
  void OnEnd(const HeaderMap* map) override {
    ended = true;
    if (map != nullptr) {
      for (const HeaderField& f : *map)
        trailers.append(f.name).append("=").append(f.value).append(";");
    }
    if (on_end) on_end(this);
  }
  void OnReset(ResetReason why) override {
    reset = true;
    reason = why;
  }
  void OnWritable() override { ++writable; }

  std::string fields() const {
    std::string out;
    for (const HeaderField& f : head.headers) {
      out.append(f.name).append("=").append(f.value).append(";");
    }
    return out;
  }

  Arena arena;
  RequestHead head;
  ServerStream* stream = nullptr;
  std::string body;
  std::string trailers;
  bool got_head = false;
  bool ended = false;
  bool reset = false;
  bool consume = true;
  int writable = 0;
  ResetReason reason = ResetReason::kInternal;
  void (*on_head)(SeenRequest*) = nullptr;
  void (*on_end)(SeenRequest*) = nullptr;
};

/// Plays the session: keeps every request that begins.
struct SeenServer final : public ServerCodecEvents {
  RequestReceiver* OnNewStream(ServerStream* stream) override {
    if (refuse) return nullptr;
    requests.push_back(std::make_unique<SeenRequest>(&pool));
    requests.back()->stream = stream;
    requests.back()->on_head = on_head;
    requests.back()->on_end = on_end;
    return requests.back().get();
  }
  void OnRejected(uint16_t s, std::string_view d) override {
    status = s;
    detail = d;
  }
  SeenRequest& last() { return *requests.back(); }

  BlockPool pool;
  std::vector<std::unique_ptr<SeenRequest>> requests;
  bool refuse = false;
  uint16_t status = 0;
  std::string detail;
  void (*on_head)(SeenRequest*) = nullptr;
  void (*on_end)(SeenRequest*) = nullptr;
};

/// Everything one response told its receiver.
struct SeenResponse final : public ResponseReceiver {
  explicit SeenResponse(BlockPool* pool) : arena(pool), head(&arena) {}
  ResponseHead* response_head() override { return &head; }
  void OnInformational(uint16_t status, const HeaderMap&) override { interim.push_back(status); }
  void OnHead(bool end) override {
    got_head = true;
    ended = end;
  }
  void OnBody(std::string_view data) override { body.append(data); }
  void OnEnd(const HeaderMap* map) override {
    ended = true;
    if (map != nullptr) {
      for (const HeaderField& f : *map)
        trailers.append(f.name).append("=").append(f.value).append(";");
    }
  }
  void OnReset(ResetReason why) override {
    reset = true;
    reason = why;
  }
  void OnWritable() override {}

  Arena arena;
  ResponseHead head;
  std::vector<int> interim;
  std::string body;
  std::string trailers;
  bool got_head = false;
  bool ended = false;
  bool reset = false;
  ResetReason reason = ResetReason::kInternal;
};

struct SeenClient final : public ClientCodecEvents {
  void OnCapacityChanged() override { ++changes; }
  int changes = 0;
};

}  // namespace postern
