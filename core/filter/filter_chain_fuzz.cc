// A byte string drives verdicts, splices, resumes, replies, disconnects and arrival of data; the
// rules of one direction (plugin-abi.md §7) are the oracle.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/filter/test_chain.h"

namespace postern {
namespace {

#define HOLDS(condition)                                                         \
  do {                                                                           \
    if (!(condition)) {                                                          \
      std::fprintf(stderr, "line %d: %s does not hold\n", __LINE__, #condition); \
      std::abort();                                                              \
    }                                                                            \
  } while (0)

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint8_t Next() { return at_ < size_ ? data_[at_++] : 0; }
  bool empty() const { return at_ >= size_; }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

int g_in_hook = 0;
int64_t g_unreleased = 0;

/// A filter that does what the input says, and holds the chain to its rules.
struct Player {
  struct Direction {
    int stage = 0;  // 0: nothing yet, 1: head seen, 2: the last of the body seen, 3: trailers seen
    bool end = false;
    bool paused = false;
    bool detached = false;
    uint32_t mode = POSTERN_BODY_OBSERVE;
  };

  explicit Player(Input* in) : input(in) {
    filter.pause_limit_ms = 1;
    filter.policy =
        (input->Next() & 1) != 0 ? FilterFailurePolicy::kSkip : FilterFailurePolicy::kDeny;
    filter.is_authorizer = (input->Next() & 7) == 0;
    filter.create = [this](postern_ctx* made) {
      HOLDS(g_in_hook == 0);
      ctx = made;
      dir[0] = dir[1] = {};
      replied = over = false;
      return input->Next() != 1;
    };
    filter.end = [this](postern_ctx*) {
      HOLDS(g_in_hook == 0);
      HOLDS(!over);
      over = true;
      ctx = nullptr;
    };
    filter.event = [this](postern_ctx* of, const postern_event& event) {
      Enter();
      HOLDS(of == ctx);
      Act(static_cast<uint32_t>(event.tag & 1));
      --g_in_hook;
    };
    const uint8_t hooks = input->Next();
    for (const uint32_t d : {0u, 1u}) {
      if ((hooks & (1 << (3 * d))) != 0) {
        (d == 0 ? filter.request_headers : filter.response_headers) =
            [this, d](postern_ctx* of, uint32_t flags) { return Headers(of, d, flags); };
      }
      if ((hooks & (2 << (3 * d))) != 0) {
        (d == 0 ? filter.request_body : filter.response_body) =
            [this, d](postern_ctx* of, uint32_t flags) { return Body(of, d, flags); };
      }
      if ((hooks & (4 << (3 * d))) != 0) {
        (d == 0 ? filter.request_trailers : filter.response_trailers) =
            [this, d](postern_ctx* of, uint32_t) { return Trailers(of, d); };
      }
    }
  }

  void Enter() {
    HOLDS(g_in_hook == 0);  // no re-entry
    HOLDS(!over);
    ++g_in_hook;
  }
  postern_verdict Leave(uint32_t d, postern_verdict verdict) {
    --g_in_hook;
    if (verdict == POSTERN_PAUSE) dir[d].paused = true;
    if (verdict >= POSTERN_DETACH) dir[d].detached = true;
    if (verdict >= POSTERN_FAIL) dir[0].detached = dir[1].detached = true;
    return verdict;
  }
  postern_verdict Verdict() {
    const uint8_t byte = input->Next();
    if (byte < 100) return POSTERN_CONTINUE;
    if (byte < 180) return POSTERN_PAUSE;
    if (byte < 200) return POSTERN_DETACH;
    if (byte < 205) return POSTERN_FAIL;
    if (byte < 208) return byte;  // unknown
    return POSTERN_CONTINUE;
  }

  postern_verdict Headers(postern_ctx* of, uint32_t d, uint32_t flags) {
    Enter();
    Direction& at = dir[d];
    HOLDS(of == ctx && at.stage == 0 && !at.paused && !at.detached && !replied);
    at.stage = 1;
    at.end = (flags & POSTERN_F_END_STREAM) != 0;
    Act(d);
    const uint32_t mode = input->Next() & 3;
    if (H().body_mode(of, d, mode, (input->Next() & 3) * 50) == POSTERN_OK) at.mode = mode;
    return Leave(d, Verdict());
  }
  postern_verdict Body(postern_ctx* of, uint32_t d, uint32_t flags) {
    Enter();
    Direction& at = dir[d];
    HOLDS(of == ctx && at.stage <= 1 && !at.end && !at.paused && !at.detached && !replied);
    HOLDS(at.mode != POSTERN_BODY_SKIP);
    if ((flags & POSTERN_F_BODY_LAST) != 0) {
      at.stage = 2;
      at.end = (flags & POSTERN_F_END_STREAM) != 0;
    } else {
      HOLDS(at.mode != POSTERN_BODY_BUFFER);
      HOLDS((flags & POSTERN_F_END_STREAM) == 0);
      HOLDS(!ReadBody(of, d).empty());
    }
    Act(d);
    return Leave(d, Verdict());
  }
  postern_verdict Trailers(postern_ctx* of, uint32_t d) {
    Enter();
    Direction& at = dir[d];
    HOLDS(of == ctx && at.stage <= 2 && !at.end && !at.paused && !at.detached && !replied);
    at.stage = 3;
    Act(d);
    return Leave(d, Verdict());
  }

  /// Some calls of host functions, sensible or not.
  void Act(uint32_t d) {
    for (int i = input->Next() & 3; i > 0 && ctx != nullptr; --i) {
      switch (input->Next() % 12) {
        case 0: {
          auto* text = new std::string(input->Next(), 's');
          ++g_unreleased;
          const auto release = [](void* arg) {
            delete static_cast<std::string*>(arg);
            --g_unreleased;
          };
          if (H().body_splice(ctx, d, input->Next() % 32, input->Next() % 32, S(*text), release,
                              text) != POSTERN_OK) {
            release(text);
          }
          break;
        }
        case 1:
          Replace(ctx, d, std::string(input->Next(), 'r'));
          break;
        case 2:
          Set(ctx, input->Next() & 3, "x-fuzz", "1");
          break;
        case 3: {
          const uint32_t which = input->Next() & 1;
          const bool paused = dir[which].paused;
          const postern_status status = H().resume(ctx, which);
          HOLDS(status != POSTERN_OK || paused);
          if (status == POSTERN_OK) dir[which].paused = false;
          break;
        }
        case 4: {
          const uint32_t kind = input->Next() % 32;
          if (ReplyWith(ctx, kind) == POSTERN_OK) replied = true;
          break;
        }
        case 5:
          H().timer_start(ctx, input->Next() & 1, input->Next(), nullptr);
          break;
        case 6: {
          postern_waker* waker = H().waker_new(ctx);
          if (waker != nullptr) H().waker_fire(waker, input->Next());
          H().waker_free(waker);
          break;
        }
        case 7: {
          postern_value value{};
          value.type = input->Next() % 4;
          H().var_set(ctx, S("filter.f.x"), &value);
          break;
        }
        case 8:
          Get(ctx, input->Next() & 3, ":path");
          break;
        case 9:
          H().header_list(ctx, input->Next() & 3, nullptr, 0);
          break;
        default:
          break;
      }
    }
  }

  Input* const input;
  TestFilter filter;
  postern_ctx* ctx = nullptr;
  Direction dir[2];
  bool replied = false;
  bool over = false;
};

void Play(TestWorker* worker, const uint8_t* data, size_t size) {
  Input input(data, size);
  std::vector<std::unique_ptr<Player>> players;
  std::vector<TestFilter*> filters;
  for (int i = 1 + (input.Next() & 3); i > 0; --i) {
    players.push_back(std::make_unique<Player>(&input));
    filters.push_back(&players.back()->filter);
  }
  {
    TestPlan plan(worker, filters);
    ChainExchange exchange(&plan, "POST");
    exchange.take_request = (input.Next() & 1) != 0;
    exchange.take_response = (input.Next() & 1) != 0;
    HeaderMap trailers(exchange.arena());
    trailers.Add("x-sum", "1");
    int request = 0;  // 0: not begun, 1: open, 2: over
    int response = 0;
    if ((input.Next() & 7) == 0) {
      request = 2;
      exchange.Request();
    } else {
      request = 1;
      exchange.request.body = BodyKind::kUnknown;
      exchange.chain->Start(false);
    }
    for (int steps = 0; steps < 300 && !input.empty() && exchange.dones == 0; ++steps) {
      switch (input.Next() % 12) {
        case 0:
        case 1:
          if (request == 1) exchange.Body(std::string(1 + input.Next() * 40, 'b'));
          break;
        case 2:
          if (request == 1) {
            request = 2;
            exchange.chain->RequestEnd((input.Next() & 1) != 0 ? &trailers : nullptr);
          }
          break;
        case 3:
          // Integrations answer what they have been asked.
          if (response == 0 && exchange.request_heads > 0 && exchange.cancelled == 0) {
            response = (input.Next() & 3) == 0 ? 2 : 1;
            postern::ResponseHead* head = exchange.MakeHead((input.Next() & 7) == 0 ? 204 : 200);
            head->body = response == 1 ? BodyKind::kUnknown : BodyKind::kNone;
            exchange.chain->ResponseHead(head, response == 2);
          }
          break;
        case 4:
        case 5:
          if (response == 1) exchange.Answer(std::string(1 + input.Next() * 40, 'a'));
          break;
        case 6:
          if (response == 1) {
            response = 2;
            exchange.chain->ResponseEnd((input.Next() & 1) != 0 ? &trailers : nullptr);
          }
          break;
        case 7:
          worker->Turn();
          break;
        case 8:
          exchange.chain->RequestConsumed(std::exchange(exchange.request_held, 0));
          exchange.chain->ResponseConsumed(std::exchange(exchange.response_held, 0));
          break;
        case 9: {
          Player& player = *players[input.Next() % players.size()];
          if (player.ctx != nullptr) player.Act(input.Next() & 1);
          break;
        }
        case 10:
          switch (input.Next() % 6) {
            case 0:
              if (response == 0 && exchange.request_heads > 0) {
                response = 2;
                exchange.chain->ResponseFailure(ResponseType::kIntegrationTimeout, 0);
              }
              break;
            case 1:
              if (response == 1) {
                response = 2;
                exchange.chain->ResponseAborted();
              }
              break;
            case 2:
              exchange.chain->Refuse(ResponseType::kRequestTooLarge, 0);
              break;
            case 3:
              exchange.chain->End();  // the client has gone
              break;
            default:
              break;
          }
          break;
        default:
          worker->Turn();
          break;
      }
      HOLDS(exchange.request_heads <= 1 && exchange.response_heads <= 1);
      HOLDS(exchange.request_ends <= 1 && exchange.dones <= 1);
      HOLDS(exchange.request_credit <= exchange.offered);
      HOLDS(exchange.response_credit <= exchange.answered);
    }
  }
  HOLDS(g_in_hook == 0);
  HOLDS(g_unreleased == 0);  // each exactly once
  for (const auto& player : players) {
    HOLDS(player->filter.created == player->filter.ended);
    HOLDS(player->filter.created == player->filter.destroyed);
  }
  worker->Turn();
}

}  // namespace
}  // namespace postern

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static postern::TestWorker* const worker = [] {
    postern::SetLogLevel(postern::LogLevel::kOff);
    return new postern::TestWorker({.slow_hook_ms = 10'000});
  }();
  postern::Play(worker, data, size);
  return 0;
}
