#include "core/filter/filter_chain.h"

#include <gtest/gtest.h>

#include <string>
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
    TestExchange exchange(&plan);
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

}  // namespace
}  // namespace postern
