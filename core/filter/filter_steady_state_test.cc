// Issue "The filter boundary": twenty filters add no heap allocation to an exchange.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/filter/test_chain.h"
#include "core/upstream/allocation_count.h"

namespace postern {
namespace {

TEST(FilterSteadyStateTest, TwentyFiltersAllocateNothing) {
  TestWorker worker;
  std::vector<TestFilter> filters(20);
  std::vector<TestFilter*> chain;
  for (size_t i = 0; i < filters.size(); ++i) {
    TestFilter& filter = filters[i];
    filter.name = "f" + std::to_string(i);
    filter.request_headers = [](postern_ctx* ctx, uint32_t) {
      postern_str value{};
      H().header_get(ctx, POSTERN_REQUEST_HEADERS, S("accept"), 0, &value);
      H().header_get(ctx, POSTERN_REQUEST_HEADERS, S("content-length"), 0, &value);
      Set(ctx, POSTERN_REQUEST_HEADERS, "x-seen", "1");
      return POSTERN_CONTINUE;
    };
    filter.response_headers = [](postern_ctx* ctx, uint32_t) {
      H().body_mode(ctx, POSTERN_RESPONSE, POSTERN_BODY_REWRITE, 0);
      return POSTERN_CONTINUE;
    };
    filter.response_body = [](postern_ctx* ctx, uint32_t) {
      H().body_splice(ctx, POSTERN_RESPONSE, 0, 0, S("+"), nullptr, nullptr);
      return POSTERN_CONTINUE;
    };
    chain.push_back(&filter);
  }
  TestPlan plan(&worker, chain);
  const std::string content(256, 'c');
  uint64_t before = 0;
  uint64_t with = 0;
  for (int i = 0; i < 200; ++i) {
    if (i == 100) before = ThreadAllocations();
    ChainExchange exchange(&plan);
    exchange.AddHeader("Accept", "*/*");
    exchange.response_body.reserve(1024);
    exchange.Request();
    postern::ResponseHead* head = exchange.MakeHead(200);
    head->body = BodyKind::kUnknown;
    exchange.chain->ResponseHead(head, false);
    exchange.chain->ResponseBody(content);
    exchange.chain->ResponseEnd(nullptr);
    EXPECT_EQ(exchange.response_body.size(), 256u + 40u);
    EXPECT_EQ(exchange.dones, 1);
  }
  with = ThreadAllocations() - before;
  // One each is the test's own, for the string it gathers the content in.
  EXPECT_EQ(with, 100u);
}

}  // namespace
}  // namespace postern
