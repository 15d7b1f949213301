// plugin-abi.md §14, "Order": a filter that pauses at random, splits and joins chunks, delays and
// detaches, at every position; the output must equal the run without it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/filter/test_chain.h"

namespace postern {
namespace {

/// What came out of an exchange at either end.
struct Outcome {
  std::string request;
  std::string response;
  bool operator==(const Outcome&) const = default;
};

/// Changes what passes in a way that does not depend on chunks.
std::unique_ptr<TestFilter> Worker(int kind) {
  auto filter = std::make_unique<TestFilter>();
  TestFilter* self = filter.get();
  self->name = "work" + std::to_string(kind);
  for (const uint32_t d : {uint32_t{POSTERN_REQUEST}, uint32_t{POSTERN_RESPONSE}}) {
    const auto headers = [d, kind, self](postern_ctx* ctx, uint32_t flags) {
      const postern_header field = {S("x-seen"), S(self->name)};
      H().header_add(ctx, d, field.name, field.value);
      if ((flags & POSTERN_F_END_STREAM) == 0) {
        H().body_mode(ctx, d, kind == 2 ? POSTERN_BODY_BUFFER : POSTERN_BODY_REWRITE, 0);
      }
      return POSTERN_CONTINUE;
    };
    const auto body = [d, kind](postern_ctx* ctx, uint32_t flags) {
      std::string text = ReadBody(ctx, d);
      if (kind == 0) {
        std::transform(text.begin(), text.end(), text.begin(), ::toupper);
        Replace(ctx, d, text);
      }
      if (kind == 1 && (flags & POSTERN_F_BODY_LAST) != 0) {
        H().body_splice(ctx, d, text.size(), 0, S("|end"), nullptr, nullptr);
      }
      if (kind == 2) {
        Set(ctx, d, "x-length", std::to_string(text.size()));
        H().body_splice(
            ctx, d, 0, 0, S("["), [](void*) {}, nullptr);
        H().body_splice(ctx, d, text.size() + 1, 0, S("]"), nullptr, nullptr);
      }
      return POSTERN_CONTINUE;
    };
    (d == POSTERN_REQUEST ? self->request_headers : self->response_headers) = headers;
    (d == POSTERN_REQUEST ? self->request_body : self->response_body) = body;
  }
  return filter;
}

/// Does all that a filter may do without changing anything.
std::unique_ptr<TestFilter> Chaos(std::mt19937* random) {
  auto filter = std::make_unique<TestFilter>();
  TestFilter* self = filter.get();
  self->name = "chaos";
  self->event = [](postern_ctx* ctx, const postern_event& event) {
    EXPECT_EQ(H().resume(ctx, static_cast<uint32_t>(event.tag)), POSTERN_OK);
  };
  const auto verdict = [random](postern_ctx* ctx, uint32_t d) -> postern_verdict {
    const uint32_t dice = (*random)() % 8;
    if (dice < 3) return POSTERN_CONTINUE;
    if (dice == 3) return POSTERN_DETACH;
    if ((*random)() % 4 == 0) {
      H().timer_start(ctx, (*random)() % 2, d, nullptr);
    } else {
      postern_waker* waker = H().waker_new(ctx);
      H().waker_fire(waker, d);
      H().waker_free(waker);
    }
    return POSTERN_PAUSE;
  };
  for (const uint32_t d : {uint32_t{POSTERN_REQUEST}, uint32_t{POSTERN_RESPONSE}}) {
    const auto headers = [d, random, verdict](postern_ctx* ctx, uint32_t) {
      EXPECT_EQ(H().body_mode(ctx, d, (*random)() % 4, 0), POSTERN_OK);
      return verdict(ctx, d);
    };
    const auto body = [d, random, verdict](postern_ctx* ctx, uint32_t) {
      // The same bytes from other memory.
      std::string text = ReadBody(ctx, d);
      const size_t at = (*random)() % (text.size() + 1);
      const size_t size = (*random)() % (text.size() - at + 1);
      auto* owned = new std::string(text.substr(at, size));
      const auto release = [](void* arg) { delete static_cast<std::string*>(arg); };
      if (H().body_splice(ctx, d, at, size, S(*owned), release, owned) != POSTERN_OK) delete owned;
      EXPECT_EQ(ReadBody(ctx, d), text);
      return verdict(ctx, d);
    };
    const auto trailers = [d, verdict](postern_ctx* ctx, uint32_t) { return verdict(ctx, d); };
    (d == POSTERN_REQUEST ? self->request_headers : self->response_headers) = headers;
    (d == POSTERN_REQUEST ? self->request_body : self->response_body) = body;
    (d == POSTERN_REQUEST ? self->request_trailers : self->response_trailers) = trailers;
  }
  return filter;
}

std::string All(const HeaderMap& headers) {
  std::string all;
  for (const HeaderField& field : headers) {
    all += std::string(field.name) + "=" + std::string(field.value) + ";";
  }
  return all;
}

/// An exchange with content both ways; what its chunks are and when they come is `seed`'s.
Outcome RunExchange(TestWorker* worker, const std::vector<TestFilter*>& filters, uint32_t seed,
                    bool trailers) {
  std::mt19937 random(seed);
  TestPlan plan(worker, filters);
  Outcome outcome;
  {
    ChainExchange exchange(&plan, "POST");
    exchange.take_request = exchange.take_response = random() % 2 == 0;
    HeaderMap after(exchange.arena());
    after.Add("x-sum", "9");
    std::string up = "the request's content ";
    std::string down = "and that of the response ";
    for (int i = 0; i < 4; ++i) {
      up += up;
      down += down;
    }
    if (seed % 7 == 0) {
      up += std::string(150'000, 'u');
      down += std::string(150'000, 'd');
    }
    const auto consume = [&] {
      if (random() % 3 == 0) worker->Turn();
      exchange.chain->RequestConsumed(std::exchange(exchange.request_held, 0));
      exchange.chain->ResponseConsumed(std::exchange(exchange.response_held, 0));
    };
    exchange.request.body = BodyKind::kUnknown;
    exchange.chain->Start(false);
    // A source that has no credit left sends nothing more.
    const auto offer = [&](std::string_view content, auto send, const uint64_t* credit) {
      uint64_t sent = 0;
      int waits = 0;
      while (!content.empty()) {
        consume();
        if (sent - *credit > 40'000) {
          worker->Turn();
          if (++waits > 20'000) {
            ADD_FAILURE() << "no credit, seed " << seed;
            return;
          }
          continue;
        }
        const size_t size =
            std::min<size_t>(content.size(), 1 + random() % 20'000 % (1 + seed * 97));
        send(std::string(content.substr(0, size)));
        sent += size;
        content.remove_prefix(size);
      }
    };
    offer(
        up, [&](std::string part) { exchange.Body(std::move(part)); }, &exchange.request_credit);
    exchange.chain->RequestEnd(trailers ? &after : nullptr);
    EXPECT_TRUE(RunUntil(&worker->dispatcher, [&] {
      consume();
      return exchange.request_ended;
    })) << seed;
    postern::ResponseHead* head = exchange.MakeHead(200);
    head->body = BodyKind::kUnknown;
    exchange.chain->ResponseHead(head, false);
    offer(
        down, [&](std::string part) { exchange.Answer(std::move(part)); },
        &exchange.response_credit);
    exchange.chain->ResponseEnd(trailers ? &after : nullptr);
    EXPECT_TRUE(RunUntil(&worker->dispatcher, [&] {
      consume();
      return exchange.dones > 0;
    })) << seed;
    EXPECT_EQ(exchange.dones, 1);
    EXPECT_EQ(exchange.request_heads, 1);
    EXPECT_FALSE(exchange.aborted);
    outcome.request = All(exchange.request.headers) + exchange.request_body +
                      (exchange.request_trailers != nullptr ? All(*exchange.request_trailers) : "");
    outcome.response =
        All(exchange.response->headers) + exchange.response_body +
        (exchange.response_trailers != nullptr ? All(*exchange.response_trailers) : "");
    EXPECT_LE(exchange.request_credit, exchange.offered);
    EXPECT_LE(exchange.response_credit, exchange.answered);
  }
  for (const TestFilter* filter : filters) {
    EXPECT_EQ(filter->created, filter->ended);
    EXPECT_EQ(filter->created, filter->destroyed);
  }
  return outcome;
}

TEST(FilterChaosTest, AtEveryPositionTheOutputIsThatWithoutIt) {
  TestWorker worker({.slow_hook_ms = 10'000});
  std::vector<std::unique_ptr<TestFilter>> work;
  for (int kind = 0; kind < 3; ++kind) work.push_back(Worker(kind));
  for (const bool trailers : {false, true}) {
    const Outcome expected =
        RunExchange(&worker, {work[0].get(), work[1].get(), work[2].get()}, 1, trailers);
    EXPECT_NE(expected.request.find("[THE REQUEST'S CONTENT"), std::string::npos)
        << expected.request;
    const Outcome large =
        RunExchange(&worker, {work[0].get(), work[1].get(), work[2].get()}, 7, trailers);
    for (uint32_t seed = 2; seed < 60; ++seed) {
      std::mt19937 random(seed);
      std::vector<std::unique_ptr<TestFilter>> chaos;
      std::vector<TestFilter*> chain;
      for (size_t i = 0; i <= work.size(); ++i) {
        if (seed % 5 == i || seed % 5 == 4) {
          chaos.push_back(Chaos(&random));
          chain.push_back(chaos.back().get());
        }
        if (i < work.size()) chain.push_back(work[i].get());
      }
      const Outcome got = RunExchange(&worker, chain, seed, trailers);
      ASSERT_TRUE(got == (seed % 7 == 0 ? large : expected)) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace postern
