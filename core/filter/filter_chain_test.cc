#include "core/filter/filter_chain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/filter/test_chain.h"

namespace postern {
namespace {

constexpr uint32_t kQ = POSTERN_REQUEST;
constexpr uint32_t kP = POSTERN_RESPONSE;

class FilterChainTest : public testing::Test {
 protected:
  /// A filter that writes down its message hooks and lets everything pass.
  TestFilter Tracer(std::string name) {
    TestFilter filter;
    filter.name = name;
    const auto hook = [this, name](std::string what) {
      return [this, name, what](postern_ctx* ctx, uint32_t flags) {
        trace_.push_back(name + " " + what + Flags(flags) + Content(ctx, what));
        return POSTERN_CONTINUE;
      };
    };
    filter.request_headers = hook("Qh");
    filter.request_body = hook("Qb");
    filter.request_trailers = hook("Qt");
    filter.response_headers = hook("Ph");
    filter.response_body = hook("Pb");
    filter.response_trailers = hook("Pt");
    return filter;
  }
  static std::string Flags(uint32_t flags) {
    return std::string((flags & POSTERN_F_BODY_LAST) != 0 ? "L" : "") +
           ((flags & POSTERN_F_END_STREAM) != 0 ? "E" : "");
  }
  static std::string Content(postern_ctx* ctx, const std::string& what) {
    if (what == "Qb") return ":" + ReadBody(ctx, kQ);
    if (what == "Pb") return ":" + ReadBody(ctx, kP);
    return "";
  }
  using Trace = std::vector<std::string>;

  TestWorker worker_;
  Trace trace_;
};

// §7: request hooks in chain order, response hooks in reverse.
TEST_F(FilterChainTest, HeadsPassInOrderAndInReverse) {
  TestFilter a = Tracer("a");
  TestFilter b = Tracer("b");
  TestPlan plan(&worker_, {&a, &b});
  {
    ChainExchange exchange(&plan);
    exchange.Request();
    EXPECT_EQ(exchange.request_heads, 1);
    EXPECT_TRUE(exchange.request_ended);
    exchange.Respond();
    EXPECT_EQ(exchange.status, 200);
    EXPECT_EQ(exchange.dones, 1);
    EXPECT_EQ(trace_, (Trace{"a QhE", "b QhE", "b PhE", "a PhE"}));
  }
  EXPECT_EQ(a.created, 1);
  EXPECT_EQ(a.ended, 1);
  EXPECT_EQ(b.ended, 1);
  EXPECT_EQ(b.destroyed, 1);
}

// §7: headers, then body events, then trailers; a body ends with one event that carries BODY_LAST.
TEST_F(FilterChainTest, BodiesEndWithOneLastEvent) {
  TestFilter a = Tracer("a");
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"one", "two"});
  EXPECT_EQ(trace_, (Trace{"a Qh", "a Qb:one", "a Qb:two", "a QbLE:"}));
  EXPECT_EQ(exchange.request_body, "onetwo");
  EXPECT_EQ(exchange.request_ends, 1);
  EXPECT_EQ(exchange.request_credit, 6u);
  trace_.clear();
  HeaderMap trailers(exchange.arena());
  trailers.Add("X-Sum", "9");
  exchange.Respond(200, {"abc"}, true, &trailers);
  EXPECT_EQ(trace_, (Trace{"a Ph", "a Pb:abc", "a PbL:", "a Pt"}));
  EXPECT_EQ(exchange.response_body, "abc");
  ASSERT_NE(exchange.response_trailers, nullptr);
  EXPECT_EQ(exchange.response_trailers->Find("x-sum")->value, "9");
  EXPECT_EQ(exchange.response_credit, 3u);
}

// §6: what has not to wait is passed on uncopied.
TEST_F(FilterChainTest, ContentThatNobodyChangesIsNotCopied) {
  TestFilter a = Tracer("a");
  TestFilter b = Tracer("b");
  b.response_body = [](postern_ctx* ctx, uint32_t) {
    static const char suffix[] = "!";
    uint64_t total = 0;
    H().body_read(ctx, kP, nullptr, 0, &total);
    EXPECT_EQ(H().body_splice(
                  ctx, kP, total, 0, S(suffix), [](void*) {}, nullptr),
              POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  b.response_headers = [](postern_ctx* ctx, uint32_t) {
    H().body_mode(ctx, kP, POSTERN_BODY_REWRITE, 0);
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a, &b});
  ChainExchange exchange(&plan);
  exchange.Request();
  postern::ResponseHead* head = exchange.MakeHead(200);
  head->body = BodyKind::kUnknown;
  exchange.chain->ResponseHead(head, false);
  const std::string data = "as it is";
  exchange.take_response = false;
  std::vector<const char*> seen;
  exchange.chain->ResponseBody(data);
  EXPECT_EQ(exchange.response_body, "as it is!");
  EXPECT_EQ(trace_.back(), "a Pb:as it is!");
  EXPECT_NE(exchange.last_response_data, nullptr);
}

// §6 PAUSE, §7: it holds the event and all behind it in this direction until resume().
TEST_F(FilterChainTest, PauseInHeadersHoldsTheDirection) {
  postern_ctx* held = nullptr;
  TestFilter a = Tracer("a");
  a.request_headers = [&](postern_ctx* ctx, uint32_t) {
    held = ctx;
    return POSTERN_PAUSE;
  };
  TestFilter b = Tracer("b");
  TestPlan plan(&worker_, {&a, &b});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"one", "two"});
  EXPECT_EQ(trace_, Trace{});
  EXPECT_EQ(exchange.request_heads, 0);
  EXPECT_EQ(exchange.request_credit, 0u);  // the source must wait
  EXPECT_EQ(H().resume(held, kQ), POSTERN_OK);
  EXPECT_EQ(trace_, Trace{});  // never inside the call
  EXPECT_EQ(H().resume(held, kQ), POSTERN_E_STATE);
  exchange.Turn();
  EXPECT_EQ(trace_, (Trace{"b Qh", "a QbLE:onetwo", "b QbLE:onetwo"}));
  EXPECT_EQ(exchange.request_body, "onetwo");
  EXPECT_EQ(exchange.request_credit, 6u);
  EXPECT_EQ(H().resume(held, kQ), POSTERN_E_STATE);
}

TEST_F(FilterChainTest, PauseInBodyHoldsTheChunkThatCanBeChangedMeanwhile) {
  postern_ctx* held = nullptr;
  TestFilter a = Tracer("a");
  a.request_headers = [&](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(H().body_mode(ctx, kQ, POSTERN_BODY_REWRITE, 0), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  int calls = 0;
  a.request_body = [&](postern_ctx* ctx, uint32_t) {
    held = ctx;
    return ++calls == 1 ? POSTERN_PAUSE : POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"one", "two"});
  EXPECT_EQ(exchange.request.body, BodyKind::kUnknown);  // no promise of a length
  EXPECT_FALSE(exchange.request.has_content_length);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(ReadBody(held, kQ), "one");
  EXPECT_EQ(Replace(held, kQ, "1"), POSTERN_OK);
  EXPECT_EQ(H().resume(held, kQ), POSTERN_OK);
  exchange.Turn();
  EXPECT_EQ(exchange.request_body, "1two");
  EXPECT_EQ(exchange.request_ends, 1);
  EXPECT_EQ(exchange.request_credit, 6u);
}

TEST_F(FilterChainTest, PauseInTrailersHoldsTheEnd) {
  postern_ctx* held = nullptr;
  TestFilter a = Tracer("a");
  a.request_trailers = [&](postern_ctx* ctx, uint32_t) {
    held = ctx;
    EXPECT_EQ(Get(ctx, POSTERN_REQUEST_TRAILERS, "x-sum"), "9");
    EXPECT_EQ(Set(ctx, POSTERN_REQUEST_TRAILERS, "x-sum", "10"), POSTERN_OK);
    return POSTERN_PAUSE;
  };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan, "POST");
  HeaderMap trailers(exchange.arena());
  trailers.Add("X-Sum", "9");
  exchange.Request({"one"}, true, &trailers);
  EXPECT_EQ(exchange.request_body, "one");
  EXPECT_EQ(exchange.request_ends, 0);
  H().resume(held, kQ);
  exchange.Turn();
  EXPECT_EQ(exchange.request_ends, 1);
  EXPECT_EQ(exchange.request_trailers->Find("x-sum")->value, "10");
}

// §6 DETACH: passed on, and never called again for this direction.
TEST_F(FilterChainTest, DetachEndsOneDirection) {
  TestFilter a = Tracer("a");
  a.request_headers = [&](postern_ctx*, uint32_t) { return POSTERN_DETACH; };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"one"});
  EXPECT_EQ(trace_, Trace{});
  exchange.Respond(200, {"x"});
  EXPECT_EQ(trace_, (Trace{"a Ph", "a Pb:x", "a PbLE:"}));
  EXPECT_EQ(a.ended, 1);
}

// §6 BUFFER: headers and body wait until the body is whole; then one call, and headers may change.
TEST_F(FilterChainTest, BufferCollectsAndHoldsTheHead) {
  TestFilter a = Tracer("a");
  a.request_headers = [&](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(H().body_mode(ctx, kQ, POSTERN_BODY_BUFFER, 100), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  a.request_body = [&](postern_ctx* ctx, uint32_t flags) {
    trace_.push_back("a Qb" + Flags(flags) + ":" + ReadBody(ctx, kQ));
    EXPECT_EQ(Set(ctx, POSTERN_REQUEST_HEADERS, "x-length", "9"), POSTERN_OK);
    EXPECT_EQ(Replace(ctx, kQ, "changed"), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  TestFilter b = Tracer("b");
  TestPlan plan(&worker_, {&a, &b});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"one", "two"}, /*end=*/false);
  EXPECT_EQ(exchange.wanted, 1);
  EXPECT_EQ(exchange.request_heads, 0);
  EXPECT_EQ(exchange.request_credit, 6u);  // counts against the limit instead
  exchange.Body("333");
  exchange.chain->RequestEnd(nullptr);
  EXPECT_EQ(trace_, (Trace{"a QbLE:onetwo333", "b Qh", "b QbLE:changed"}));
  EXPECT_EQ(exchange.Received("x-length"), "9");
  EXPECT_EQ(exchange.request.body, BodyKind::kLength);
  EXPECT_EQ(exchange.request.content_length, 7u);
  EXPECT_EQ(exchange.request_body, "changed");
}

// The trap of plugin-abi.md §15: a pause inside BUFFER must remember that the headers are held.
TEST_F(FilterChainTest, PauseInsideBufferStillHoldsTheHead) {
  postern_ctx* held = nullptr;
  TestFilter a = Tracer("a");
  a.request_headers = [&](postern_ctx* ctx, uint32_t) {
    H().body_mode(ctx, kQ, POSTERN_BODY_BUFFER, 0);
    return POSTERN_CONTINUE;
  };
  a.request_body = [&](postern_ctx* ctx, uint32_t) {
    held = ctx;
    return POSTERN_PAUSE;
  };
  TestFilter b = Tracer("b");
  TestPlan plan(&worker_, {&a, &b});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"ab", "cd"});
  EXPECT_EQ(exchange.request_heads, 0);
  EXPECT_EQ(trace_, Trace{});
  EXPECT_EQ(ReadBody(held, kQ), "abcd");
  EXPECT_EQ(H().body_splice(held, kQ, 0, 0, S("["), nullptr, nullptr), POSTERN_OK);
  EXPECT_EQ(H().body_splice(held, kQ, 5, 0, S("]"), nullptr, nullptr), POSTERN_OK);
  EXPECT_EQ(Set(held, POSTERN_REQUEST_HEADERS, "x-digest", "4"), POSTERN_OK);
  H().resume(held, kQ);
  exchange.Turn();
  EXPECT_EQ(trace_, (Trace{"b Qh", "b QbLE:[abcd]"}));
  EXPECT_EQ(exchange.Received("x-digest"), "4");
  EXPECT_EQ(exchange.request_body, "[abcd]");
}

TEST_F(FilterChainTest, BufferPausedInTheHeadersHookCollectsAfterTheResume) {
  postern_ctx* held = nullptr;
  TestFilter a = Tracer("a");
  a.request_headers = [&](postern_ctx* ctx, uint32_t) {
    held = ctx;
    return POSTERN_PAUSE;
  };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"ab"}, /*end=*/false);
  EXPECT_EQ(H().body_mode(held, kQ, POSTERN_BODY_BUFFER, 0), POSTERN_OK);  // while paused in it
  H().resume(held, kQ);
  exchange.Turn();
  EXPECT_EQ(exchange.request_heads, 0);
  exchange.Body("cd");
  exchange.chain->RequestEnd(nullptr);
  EXPECT_EQ(trace_, (Trace{"a QbLE:abcd"}));
  EXPECT_EQ(exchange.request_body, "abcd");
}

// §6: over the limit the host replies without calling the filter; filters in front see the answer.
TEST_F(FilterChainTest, BufferOverItsLimitIsRefused) {
  for (const bool declared : {true, false}) {
    trace_.clear();
    TestFilter a = Tracer("a");
    TestFilter b = Tracer("b");
    b.request_headers = [&](postern_ctx* ctx, uint32_t) {
      H().body_mode(ctx, kQ, POSTERN_BODY_BUFFER, 5);
      return POSTERN_CONTINUE;
    };
    TestPlan plan(&worker_, {&a, &b});
    ChainExchange exchange(&plan, "POST");
    if (declared) {
      exchange.Request({"123", "456"});
    } else {
      exchange.request.body = BodyKind::kUnknown;
      exchange.chain->Start(false);
      exchange.Body("123");
      exchange.Body("456");
    }
    EXPECT_EQ(exchange.status, 413);
    EXPECT_EQ(exchange.request_heads, 0);
    EXPECT_EQ(exchange.context.error_type, ResponseType::kRequestTooLarge);
    EXPECT_EQ(std::count(trace_.begin(), trace_.end(), "a Ph"), 1);
    EXPECT_EQ(std::count(trace_.begin(), trace_.end(), "b Ph"), 0);
  }
}

TEST_F(FilterChainTest, BufferedResponseOverItsLimitIsAFailureOfTheIntegration) {
  TestFilter a = Tracer("a");
  TestFilter b = Tracer("b");
  b.response_headers = [&](postern_ctx* ctx, uint32_t) {
    H().body_mode(ctx, kP, POSTERN_BODY_BUFFER, 5);
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a, &b});
  ChainExchange exchange(&plan);
  exchange.Request();
  exchange.Respond(200, {"123", "456", "789"});
  EXPECT_EQ(exchange.status, 504);
  EXPECT_EQ(exchange.context.error_type, ResponseType::kIntegrationFailure);
  EXPECT_EQ(exchange.cancelled, 1);
  EXPECT_EQ(exchange.response_body.find("123"), std::string::npos);
}

TEST_F(FilterChainTest, ABufferedBodyTakenAwayLeavesAMessageWithout) {
  TestFilter a;
  a.name = "a";
  a.response_headers = [&](postern_ctx* ctx, uint32_t) {
    H().body_mode(ctx, kP, POSTERN_BODY_BUFFER, 0);
    return POSTERN_CONTINUE;
  };
  a.response_body = [&](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(Replace(ctx, kP, ""), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  TestFilter out = Tracer("out");
  TestPlan plan(&worker_, {&out, &a});
  ChainExchange exchange(&plan);
  exchange.Request();
  trace_.clear();
  exchange.Respond(200, {"gone"});
  EXPECT_EQ(trace_, (Trace{"out PhE"}));
  EXPECT_EQ(exchange.response->content_length, 0u);
  EXPECT_EQ(exchange.dones, 1);
}

// §6 SKIP: no body hook for this message.
TEST_F(FilterChainTest, SkipLeavesTheBodyAlone) {
  TestFilter a = Tracer("a");
  a.request_headers = [&](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(H().body_mode(ctx, kQ, POSTERN_BODY_SKIP, 0), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"one"});
  EXPECT_EQ(trace_, Trace{});
  EXPECT_EQ(exchange.request_body, "one");
}

TEST_F(FilterChainTest, BodyModeIsForTheHeadersHook) {
  TestFilter a = Tracer("a");
  a.request_headers = [&](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(H().body_mode(ctx, kQ, 9, 0), POSTERN_E_INVALID);
    EXPECT_EQ(H().body_mode(ctx, 2, POSTERN_BODY_SKIP, 0), POSTERN_E_INVALID);
    EXPECT_EQ(H().body_mode(ctx, kP, POSTERN_BODY_OBSERVE, 0), POSTERN_E_STATE);
    return POSTERN_CONTINUE;
  };
  a.request_body = [&](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(H().body_mode(ctx, kQ, POSTERN_BODY_REWRITE, 0), POSTERN_E_STATE);
    // OBSERVE: read, not changed.
    EXPECT_EQ(H().body_splice(ctx, kQ, 0, 0, S("x"), nullptr, nullptr), POSTERN_E_STATE);
    return POSTERN_CONTINUE;
  };
  TestFilter b;  // without body hooks
  b.name = "b";
  b.request_headers = [&](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(H().body_mode(ctx, kQ, POSTERN_BODY_REWRITE, 0), POSTERN_E_INVALID);
    EXPECT_EQ(H().body_mode(ctx, kQ, POSTERN_BODY_SKIP, 0), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  TestFilter c;  // without the capability
  c.name = "c";
  c.capabilities = 0;
  c.request_headers = [&](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(H().body_mode(ctx, kQ, POSTERN_BODY_SKIP, 0), POSTERN_E_DENIED);
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a, &b, &c});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"one"});
  EXPECT_EQ(exchange.request_body, "one");
}

// §6: in a headers hook that carries END_STREAM a splice gives a body to a message that has none.
TEST_F(FilterChainTest, ASpliceInTheHeadersHookMakesABody) {
  TestFilter out = Tracer("out");
  TestFilter a;
  a.name = "a";
  a.response_headers = [&](postern_ctx* ctx, uint32_t flags) {
    EXPECT_EQ(flags, POSTERN_F_END_STREAM);
    EXPECT_EQ(Replace(ctx, kP, "made here"), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&out, &a});
  ChainExchange exchange(&plan);
  exchange.Request();
  trace_.clear();
  exchange.Respond(200);
  EXPECT_EQ(trace_, (Trace{"out Ph", "out PbLE:made here"}));
  EXPECT_EQ(exchange.response->content_length, 9u);
  EXPECT_EQ(exchange.response_body, "made here");
}

// §6 body_splice: drains, appends, prepends and replaces are all this; out of range is E_INVALID.
TEST_F(FilterChainTest, SplicesOfEveryKind) {
  TestFilter a;
  a.name = "a";
  a.response_headers = [&](postern_ctx* ctx, uint32_t) {
    H().body_mode(ctx, kP, POSTERN_BODY_REWRITE, 0);
    return POSTERN_CONTINUE;
  };
  int released = 0;
  a.response_body = [&](postern_ctx* ctx, uint32_t flags) {
    if ((flags & POSTERN_F_BODY_LAST) != 0) return POSTERN_CONTINUE;
    const auto release = [](void* arg) { ++*static_cast<int*>(arg); };
    EXPECT_EQ(H().body_splice(ctx, kP, 7, 0, S("x"), nullptr, nullptr), POSTERN_E_INVALID);
    EXPECT_EQ(H().body_splice(ctx, kP, 2, 5, S("x"), release, &released), POSTERN_E_INVALID);
    EXPECT_EQ(H().body_splice(ctx, kP, UINT64_MAX, 1, S("x"), nullptr, nullptr), POSTERN_E_INVALID);
    EXPECT_EQ(released, 0);  // the memory stays the module's
    EXPECT_EQ(H().body_splice(ctx, kP, 6, 0, S(">"), nullptr, nullptr), POSTERN_OK);
    EXPECT_EQ(H().body_splice(ctx, kP, 0, 0, S("<"), release, &released), POSTERN_OK);
    EXPECT_EQ(H().body_splice(ctx, kP, 3, 2, S("--"), release, &released), POSTERN_OK);
    EXPECT_EQ(ReadBody(ctx, kP), "<ab--ef>");
    EXPECT_EQ(H().body_splice(ctx, kP, 2, 4, S(""), release, &released), POSTERN_OK);
    EXPECT_EQ(released, 2);  // the replaced "--", and the empty one at once
    EXPECT_EQ(ReadBody(ctx, kP), "<af>");
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan);
  exchange.Request();
  exchange.Respond(200, {"abcdef"});
  EXPECT_EQ(exchange.response_body, "<af>");
  EXPECT_EQ(released, 3);
  EXPECT_EQ(exchange.response_credit, 6u);
}

TEST_F(FilterChainTest, ReleasedOnceWhenTheExchangeIsCut) {
  int released = 0;
  TestFilter a;
  a.name = "a";
  a.response_headers = [&](postern_ctx* ctx, uint32_t) {
    H().body_mode(ctx, kP, POSTERN_BODY_REWRITE, 0);
    return POSTERN_CONTINUE;
  };
  a.response_body = [&](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(
        H().body_splice(
            ctx, kP, 0, 0, S("mine"), [](void* arg) { ++*static_cast<int*>(arg); }, &released),
        POSTERN_OK);
    return POSTERN_PAUSE;
  };
  TestPlan plan(&worker_, {&a});
  {
    ChainExchange exchange(&plan);
    exchange.Request();
    exchange.Respond(200, {"abc"}, false);
    exchange.chain->End();
    EXPECT_EQ(released, 1);
  }
  EXPECT_EQ(released, 1);
}

// §6 reply: filters behind are not called again, those in front see it as a response.
TEST_F(FilterChainTest, ARepliesPassesOutThroughTheFiltersInFront) {
  TestFilter a = Tracer("a");
  a.response_headers = [&](postern_ctx* ctx, uint32_t) {
    trace_.push_back("a Ph " + Get(ctx, POSTERN_RESPONSE_HEADERS, ":status"));
    EXPECT_EQ(Set(ctx, POSTERN_RESPONSE_HEADERS, "access-control-allow-origin", "*"), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  TestFilter b = Tracer("b");
  b.request_headers = [&](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(ReplyWith(ctx, POSTERN_REPLY_UNAUTHORIZED, "No token", "auth:none"), POSTERN_OK);
    EXPECT_EQ(ReplyWith(ctx, POSTERN_REPLY_UNAUTHORIZED), POSTERN_E_STATE);  // twice
    return POSTERN_PAUSE;                                                    // ignored
  };
  TestFilter c = Tracer("c");
  TestPlan plan(&worker_, {&a, &b, &c});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"body"});
  EXPECT_EQ(exchange.request_heads, 0);
  EXPECT_EQ(exchange.status, 401);
  EXPECT_EQ(exchange.Sent("access-control-allow-origin"), "*");
  EXPECT_EQ(exchange.Sent("x-amzn-ErrorType"), "UnauthorizedException");
  EXPECT_EQ(exchange.response_body, "{\"message\":\"No token\"}");
  EXPECT_EQ(exchange.context.error_detail, "auth:none");
  EXPECT_EQ(exchange.local_replies, 1);
  EXPECT_EQ(trace_, (Trace{"a Qh", "a Ph 401", "a PbLE:{\"message\":\"No token\"}"}));
  EXPECT_EQ(c.ended, 1);
}

// Each kind is rendered with the API's own templates (rest-api.md §4.4).
TEST_F(FilterChainTest, EveryKindOfReplyIsAGatewayResponse) {
  for (uint32_t kind = POSTERN_REPLY_DEFAULT_4XX; kind <= POSTERN_REPLY_INTEGRATION_TIMEOUT;
       ++kind) {
    TestFilter a;
    a.request_headers = [&](postern_ctx* ctx, uint32_t) {
      EXPECT_EQ(ReplyWith(ctx, kind), POSTERN_OK);
      return POSTERN_CONTINUE;
    };
    TestPlan plan(&worker_, {&a});
    ChainExchange exchange(&plan);
    exchange.Request();
    EXPECT_GE(exchange.status, 400);
    EXPECT_NE(exchange.context.error_type, ResponseType::kNone);
    EXPECT_EQ(exchange.status, InfoOf(exchange.context.error_type).status);
  }
  ReplySpec spec;
  spec.type = ResponseType::kThrottled;
  spec.status = 420;
  spec.templates = {{"text/plain", "calm down: $context.error.message"}};
  const ApiReplies replies({spec});
  TestFilter a;
  a.request_headers = [&](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(ReplyWith(ctx, POSTERN_REPLY_THROTTLED, "100 a minute"), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan, "GET", &replies);
  exchange.Request();
  EXPECT_EQ(exchange.status, 420);
  EXPECT_EQ(exchange.response_body, "calm down: 100 a minute");
}

TEST_F(FilterChainTest, ARawReplyKeepsTheModulesMemory) {
  static int released;
  released = 0;
  static const std::string body(200'000, 'r');
  TestFilter a;
  a.request_headers = [&](postern_ctx* ctx, uint32_t) {
    const postern_header headers[] = {{S("content-type"), S("text/plain")}, {S("x-a"), S("1")}};
    postern_reply reply{};
    reply.size = sizeof(reply);
    reply.kind = POSTERN_REPLY_RAW;
    reply.status = 203;
    reply.headers = headers;
    reply.header_count = 2;
    reply.body = S(body);
    reply.release = [](void*) { ++released; };
    EXPECT_EQ(H().reply(ctx, &reply), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a});
  {
    ChainExchange exchange(&plan);
    exchange.take_response = false;
    exchange.Request();
    EXPECT_EQ(exchange.status, 203);
    EXPECT_EQ(exchange.Sent("x-a"), "1");
    EXPECT_EQ(exchange.response_held, FilterChain::kWindow);  // no more than the window at a time
    EXPECT_GE(exchange.last_response_data, body.data());
    EXPECT_LT(exchange.last_response_data, body.data() + body.size());
    while (exchange.dones == 0 && exchange.response_held > 0) {
      exchange.chain->ResponseConsumed(std::exchange(exchange.response_held, 0));
    }
    EXPECT_EQ(exchange.response_body, body);
    EXPECT_EQ(exchange.dones, 1);
  }
  EXPECT_EQ(released, 1);
}

TEST_F(FilterChainTest, RepliesThatAreRefused) {
  TestFilter a;
  a.request_headers = [&](postern_ctx* ctx, uint32_t) {
    const auto with = [&](auto change) {
      postern_reply reply{};
      reply.size = sizeof(reply);
      reply.kind = POSTERN_REPLY_RAW;
      change(&reply);
      return H().reply(ctx, &reply);
    };
    EXPECT_EQ(with([](postern_reply* r) { r->kind = 999; }), POSTERN_E_INVALID);
    EXPECT_EQ(with([](postern_reply* r) { r->status = 199; }), POSTERN_E_INVALID);
    EXPECT_EQ(with([](postern_reply* r) { r->status = 600; }), POSTERN_E_INVALID);
    EXPECT_EQ(with([](postern_reply* r) { r->detail = S("with blank"); }), POSTERN_E_INVALID);
    EXPECT_EQ(with([](postern_reply* r) { r->size = 4; }), POSTERN_E_INVALID);
    EXPECT_EQ(with([](postern_reply* r) {
                r->kind = POSTERN_REPLY_THROTTLED;
                r->body = S("x");
              }),
              POSTERN_E_INVALID);
    for (const auto& [name, value] :
         std::vector<std::pair<std::string, std::string>>{{"x", "a\r\nb: c"},
                                                          {"content-length", "3"},
                                                          {"transfer-encoding", "chunked"},
                                                          {"bad name", "x"},
                                                          {":status", "200"},
                                                          {"connection", "close"}}) {
      const postern_header header = {S(name), S(value)};
      EXPECT_EQ(with([&](postern_reply* r) {
                  r->headers = &header;
                  r->header_count = 1;
                }),
                POSTERN_E_INVALID)
          << name;
    }
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan);
  exchange.Request();
  EXPECT_EQ(exchange.request_heads, 1);
}

// §6: E_STATE once the response has gone past; a reply in the response hook replaces the response.
TEST_F(FilterChainTest, ARepliesInsteadOfTheResponse) {
  TestFilter a = Tracer("a");
  TestFilter b = Tracer("b");
  b.response_headers = [&](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(ReplyWith(ctx, POSTERN_REPLY_DEFAULT_5XX), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a, &b});
  ChainExchange exchange(&plan);
  exchange.Request();
  trace_.clear();
  exchange.Respond(200, {"secret"});
  EXPECT_EQ(exchange.status, 500);
  EXPECT_EQ(exchange.response_body.find("secret"), std::string::npos);
  EXPECT_EQ(trace_.front(), "a Ph");
  EXPECT_EQ(exchange.cancelled, 1);
}

TEST_F(FilterChainTest, NoReplyAfterTheResponseHasPassed) {
  postern_status status = POSTERN_OK;
  TestFilter a = Tracer("a");
  a.response_body = [&](postern_ctx* ctx, uint32_t) {
    status = ReplyWith(ctx, POSTERN_REPLY_DEFAULT_5XX);
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan);
  exchange.Request();
  exchange.Respond(200, {"x"});
  EXPECT_EQ(status, POSTERN_E_STATE);
  EXPECT_EQ(exchange.status, 200);
  EXPECT_EQ(exchange.response_body, "x");
}

TEST_F(FilterChainTest, AbortAnswersNothing) {
  TestFilter a = Tracer("a");
  TestFilter b;
  b.name = "b";
  b.request_headers = [&](postern_ctx* ctx, uint32_t) {
    EXPECT_EQ(ReplyWith(ctx, POSTERN_REPLY_ABORT), POSTERN_OK);
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a, &b});
  ChainExchange exchange(&plan);
  exchange.Request();
  EXPECT_TRUE(exchange.aborted);
  EXPECT_EQ(exchange.response_heads, 0);
  EXPECT_EQ(trace_, (Trace{"a QhE"}));
  EXPECT_EQ(a.ended, 1);
}

// §7.5: NULL lets the stream pass this filter by; it has no end either.
TEST_F(FilterChainTest, NullPassesTheFilterBy) {
  TestFilter a = Tracer("a");
  a.create = [](postern_ctx*) { return false; };
  TestFilter b = Tracer("b");
  TestPlan plan(&worker_, {&a, &b});
  ChainExchange exchange(&plan);
  exchange.Request();
  exchange.Respond();
  EXPECT_EQ(trace_, (Trace{"b QhE", "b PhE"}));
  EXPECT_EQ(a.ended, 0);
  EXPECT_EQ(a.destroyed, 0);
  EXPECT_EQ(b.destroyed, 1);
}

// §7.5: stream_end once, whether finished or cut; variables may be set there, nothing be started.
TEST_F(FilterChainTest, StreamEndComesOnceAndMaySetVariables) {
  TestFilter a = Tracer("a");
  a.end = [&](postern_ctx* ctx) {
    postern_value value{};
    value.type = POSTERN_VALUE_STRING;
    value.u.str = S("seen");
    EXPECT_EQ(H().var_set(ctx, S("filter.a.end"), &value), POSTERN_OK);
    EXPECT_EQ(H().timer_start(ctx, 1, 0, nullptr), POSTERN_E_STATE);
    EXPECT_EQ(H().waker_new(ctx), nullptr);
    EXPECT_EQ(H().resume(ctx, kQ), POSTERN_E_STATE);
    EXPECT_EQ(ReplyWith(ctx, POSTERN_REPLY_DEFAULT_5XX), POSTERN_E_STATE);
    EXPECT_EQ(Get(ctx, POSTERN_REQUEST_HEADERS, ":path"), "(-2)");
  };
  TestPlan plan(&worker_, {&a});
  {
    ChainExchange exchange(&plan);
    exchange.Request();
    exchange.chain->End();  // the client has gone
    exchange.chain->End();
    EXPECT_EQ(exchange.Variable("filter.a.end"), "seen");
    exchange.Respond();  // comes too late
    EXPECT_EQ(trace_, (Trace{"a QhE"}));
  }
  EXPECT_EQ(a.ended, 1);
  EXPECT_EQ(a.destroyed, 1);
}

// §9: FAIL and an unknown verdict: the instance's failure policy.
TEST_F(FilterChainTest, FailDeniesByDefault) {
  for (const postern_verdict verdict : {postern_verdict{POSTERN_FAIL}, postern_verdict{77}}) {
    trace_.clear();
    TestFilter a = Tracer("a");
    TestFilter b = Tracer("b");
    b.request_headers = [&](postern_ctx*, uint32_t) { return verdict; };
    TestPlan plan(&worker_, {&a, &b});
    ChainExchange exchange(&plan);
    exchange.Request();
    EXPECT_EQ(exchange.status, 500);
    EXPECT_EQ(exchange.context.error_type, ResponseType::kDefault5xx);
    EXPECT_EQ(exchange.context.error_detail, "filter_failed:b");
    EXPECT_EQ(trace_[1], "a Ph");
  }
}

TEST_F(FilterChainTest, AnAuthorizerThatFailsIsAnAuthorizerFailure) {
  TestFilter a;
  a.is_authorizer = true;
  a.policy = FilterFailurePolicy::kSkip;  // never for an authorizer
  a.request_headers = [&](postern_ctx*, uint32_t) { return POSTERN_FAIL; };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan);
  exchange.Request();
  EXPECT_EQ(exchange.context.error_type, ResponseType::kAuthorizerFailure);
  EXPECT_EQ(exchange.request_heads, 0);
}

TEST_F(FilterChainTest, SkipGoesOnWithoutTheFilter) {
  TestFilter a = Tracer("a");
  a.policy = FilterFailurePolicy::kSkip;
  a.request_body = [&](postern_ctx*, uint32_t) { return POSTERN_FAIL; };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"one", "two"});
  exchange.Respond(200, {"x"});
  EXPECT_EQ(exchange.request_body, "onetwo");
  EXPECT_EQ(exchange.status, 200);
  EXPECT_EQ(trace_, (Trace{"a Qh"}));
  EXPECT_EQ(a.ended, 1);
}

TEST_F(FilterChainTest, SkipWhileBufferingLetsGoWhatWasCollected) {
  TestFilter a = Tracer("a");
  a.policy = FilterFailurePolicy::kSkip;
  a.request_headers = [&](postern_ctx* ctx, uint32_t) {
    H().body_mode(ctx, kQ, POSTERN_BODY_BUFFER, 0);
    return POSTERN_CONTINUE;
  };
  a.request_body = [&](postern_ctx*, uint32_t) { return POSTERN_FAIL; };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"one", "two"});
  EXPECT_EQ(exchange.request_body, "onetwo");
  EXPECT_EQ(exchange.request_ends, 1);
}

// One that fails again and again, and is not required, is left out for a while.
TEST_F(FilterChainTest, WhoFailsTooOftenIsQuarantined) {
  FilterLimits limits;
  limits.quarantine_failures = 3;
  limits.quarantine_ms = 100;
  TestWorker worker(limits);
  int failing = 0;
  const auto run = [&](bool required) {
    TestFilter a;
    a.name = required ? "required" : "optional";
    a.required = required;
    a.request_headers = [&](postern_ctx*, uint32_t) {
      ++failing;
      return POSTERN_FAIL;
    };
    TestPlan plan(&worker, {&a});
    std::vector<uint16_t> statuses;
    const auto exchange = [&] {
      ChainExchange one(&plan);
      one.Request();
      if (one.dones == 0) one.Respond();
      statuses.push_back(one.status);
    };
    for (int i = 0; i < 5; ++i) exchange();
    EXPECT_EQ(plan.local->local(0)->cells->quarantines.value(), required ? 0u : 1u);
    if (!required) {
      EXPECT_EQ(failing, 3);
      EXPECT_TRUE(RunUntil(
          &worker.dispatcher,
          [&] { return worker.dispatcher.NowMs() >= plan.local->local(0)->quarantined_until_ms; },
          2000));
      exchange();
      EXPECT_EQ(failing, 4) << "it has another chance";
    }
    return statuses;
  };
  EXPECT_EQ(run(/*required=*/false), (std::vector<uint16_t>{500, 500, 500, 200, 200, 500}));
  EXPECT_EQ(run(/*required=*/true), std::vector<uint16_t>(5, 500));
}

TEST_F(FilterChainTest, FailAfterTheHeadHasGoneCutsTheExchange) {
  TestFilter a = Tracer("a");
  a.response_body = [&](postern_ctx*, uint32_t) { return POSTERN_FAIL; };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan);
  exchange.Request();
  exchange.Respond(200, {"x"});
  EXPECT_TRUE(exchange.aborted);
  EXPECT_EQ(exchange.response_body, "");
  EXPECT_EQ(exchange.context.error_detail, "filter_failed:a");
}

// §7: a paused direction that nobody resumes is ended after the pause limit.
TEST_F(FilterChainTest, AStalledFilterIsEnded) {
  TestFilter a = Tracer("a");
  TestFilter b = Tracer("b");
  b.pause_limit_ms = 20;
  b.request_headers = [&](postern_ctx*, uint32_t) { return POSTERN_PAUSE; };
  TestPlan plan(&worker_, {&a, &b});
  ChainExchange exchange(&plan);
  exchange.Request();
  EXPECT_EQ(exchange.dones, 0);
  EXPECT_TRUE(RunUntil(
      &worker_.dispatcher, [&] { return exchange.dones > 0; }, 2000));
  EXPECT_EQ(exchange.status, 500);
  EXPECT_EQ(exchange.context.error_detail, "filter_stalled:b");
}

TEST_F(FilterChainTest, TheEarliestOfSeveralPausesEndsFirst) {
  postern_ctx* held = nullptr;
  TestFilter a = Tracer("a");
  a.pause_limit_ms = 40;
  a.policy = FilterFailurePolicy::kSkip;
  a.response_headers = [&](postern_ctx*, uint32_t) { return POSTERN_PAUSE; };
  TestFilter b = Tracer("b");
  b.pause_limit_ms = 100'000;
  b.request_body = [&](postern_ctx* ctx, uint32_t) {
    held = ctx;
    return POSTERN_PAUSE;
  };
  TestPlan plan(&worker_, {&a, &b});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"x"});
  exchange.Respond(200);
  EXPECT_TRUE(RunUntil(
      &worker_.dispatcher, [&] { return exchange.dones > 0; }, 2000));
  EXPECT_EQ(exchange.status, 200);  // skipped
  EXPECT_NE(held, nullptr);
}

// A failed upstream is an answer that every filter sees (exemplars.md, row 14).
TEST_F(FilterChainTest, AFailedIntegrationPassesEveryFilter) {
  TestFilter a = Tracer("a");
  TestFilter b = Tracer("b");
  TestPlan plan(&worker_, {&a, &b});
  ChainExchange exchange(&plan);
  exchange.Request();
  trace_.clear();
  exchange.chain->ResponseFailure(ResponseType::kIntegrationTimeout, 0);
  EXPECT_EQ(exchange.status, 504);
  EXPECT_EQ(trace_[0], "b Ph");
  EXPECT_EQ(exchange.dones, 1);
}

TEST_F(FilterChainTest, AResponseThatStopsShortNeverLooksComplete) {
  TestFilter a = Tracer("a");
  TestPlan plan(&worker_, {&a});
  {
    ChainExchange exchange(&plan);
    exchange.Request();
    exchange.Respond(200, {"half"}, false);
    exchange.chain->ResponseAborted();
    EXPECT_TRUE(exchange.aborted);
  }
  // While its head is held back, the client can still be told.
  a.response_headers = [&](postern_ctx* ctx, uint32_t) {
    H().body_mode(ctx, kP, POSTERN_BODY_BUFFER, 0);
    return POSTERN_CONTINUE;
  };
  TestPlan buffering(&worker_, {&a});
  ChainExchange exchange(&buffering);
  exchange.Request();
  exchange.Respond(200, {"half"}, false);
  exchange.chain->ResponseAborted();
  EXPECT_FALSE(exchange.aborted);
  EXPECT_EQ(exchange.status, 502);
}

// What the gateway refuses itself passes the filters that have seen the request.
TEST_F(FilterChainTest, RefusalsOfTheGatewayPassThoseThatSawTheRequest) {
  TestFilter a = Tracer("a");
  TestFilter b = Tracer("b");
  b.request_headers = [&](postern_ctx*, uint32_t) { return POSTERN_PAUSE; };
  TestFilter c = Tracer("c");
  TestPlan plan(&worker_, {&a, &b, &c});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"x"}, false);
  trace_.clear();
  EXPECT_TRUE(exchange.chain->Refuse(ResponseType::kRequestTooLarge, 0));
  EXPECT_EQ(exchange.status, 413);
  EXPECT_EQ(trace_[0], "b Ph");
  EXPECT_EQ(trace_.back().substr(0, 4), "a Pb");
}

// §7: the source is not read while what is held is large; no body hook runs whose output could not
// move on.
TEST_F(FilterChainTest, BackpressureReachesTheSource) {
  TestFilter a = Tracer("a");
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan, "POST");
  exchange.take_request = false;
  exchange.Request({}, false);
  trace_.clear();
  const std::string chunk(16 * 1024, 'x');
  for (int i = 0; i < 8; ++i) exchange.Body(chunk);
  EXPECT_EQ(exchange.request_held, FilterChain::kWindow);
  EXPECT_EQ(trace_.size(), 4u);  // the hook has seen no more than could move on
  EXPECT_EQ(exchange.request_credit, 0u);
  exchange.chain->RequestConsumed(chunk.size());
  EXPECT_EQ(exchange.request_credit, chunk.size());
  while (exchange.request_held > 0 && exchange.request_body.size() < 8 * chunk.size()) {
    exchange.chain->RequestConsumed(std::exchange(exchange.request_held, 0));
  }
  exchange.chain->RequestConsumed(std::exchange(exchange.request_held, 0));
  EXPECT_EQ(exchange.request_body.size(), 8 * chunk.size());
  EXPECT_EQ(exchange.request_credit, 8 * chunk.size());
}

// Credit belongs to the bytes of the source, whatever became of them.
TEST_F(FilterChainTest, CreditOfBodiesThatGrowAndShrink) {
  TestFilter a;
  a.request_headers = [&](postern_ctx* ctx, uint32_t) {
    H().body_mode(ctx, kQ, POSTERN_BODY_REWRITE, 0);
    return POSTERN_CONTINUE;
  };
  bool grow = true;
  a.request_body = [&](postern_ctx* ctx, uint32_t flags) {
    if ((flags & POSTERN_F_BODY_LAST) != 0) return POSTERN_CONTINUE;
    Replace(ctx, kQ, grow ? std::string(10'000, 'g') : std::string());
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan, "POST");
  exchange.take_request = false;
  exchange.Request({"123"}, false);
  EXPECT_EQ(exchange.request_credit, 0u);
  exchange.chain->RequestConsumed(9'000);
  EXPECT_EQ(exchange.request_credit, 0u);  // what is underway is still more than it came from
  exchange.chain->RequestConsumed(1'000);
  EXPECT_EQ(exchange.request_credit, 3u);
  grow = false;
  exchange.Body("4567");
  EXPECT_EQ(exchange.request_credit, 7u);  // nothing of it is left to wait for
}

// §6: both directions are independent; a response may overtake the request.
TEST_F(FilterChainTest, AResponseMayOvertakeTheRequest) {
  TestFilter a = Tracer("a");
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan, "POST");
  exchange.Request({"one"}, false);
  exchange.Respond(200, {"early"}, false);
  exchange.Body("two");
  EXPECT_EQ(exchange.response_body, "early");
  exchange.chain->ResponseEnd(nullptr);
  EXPECT_EQ(exchange.dones, 1);
  exchange.Body("three");
  EXPECT_EQ(exchange.request_body, "onetwo");
}

TEST_F(FilterChainTest, AnIntegrationThatAnswersFromInsideItsStart) {
  TestFilter a = Tracer("a");
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan, "POST");
  exchange.on_request = [&] { exchange.Respond(200, {"mock"}); };
  exchange.Request({"one"});
  EXPECT_EQ(exchange.status, 200);
  EXPECT_EQ(exchange.response_body, "mock");
  EXPECT_EQ(exchange.dones, 1);
}

// A message whose status has no content keeps none (RFC 9110 §6.4.1).
TEST_F(FilterChainTest, NoContentStaysWithout) {
  TestFilter a;
  a.response_headers = [&](postern_ctx* ctx, uint32_t) {
    Replace(ctx, kP, "not allowed");
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker_, {&a});
  ChainExchange exchange(&plan);
  exchange.Request();
  exchange.Respond(204);
  EXPECT_EQ(exchange.status, 204);
  EXPECT_EQ(exchange.response_body, "");
  EXPECT_EQ(exchange.dones, 1);
}

}  // namespace
}  // namespace postern
