#include "core/filter/worker_filters.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "core/filter/test_chain.h"

namespace postern {
namespace {

class WorkerFiltersTest : public testing::Test {
 protected:
  /// Makes states of the plan's instances anew.
  std::unique_ptr<WorkerFilters> Make(const TestPlan& plan, const WorkerFilters* previous,
                                      std::optional<absl::Status>* done) {
    auto made = std::make_unique<WorkerFilters>(&worker_.worker, plan.instances, 8);
    made->Prepare(previous, [done](absl::Status status) { *done = status; });
    return made;
  }

  TestWorker worker_{{.ready_limit_ms = 30}};
};

// plugin-abi.md §7.3: worker_create gets the state that the instance had before, if it is of the
// same module file; worker_destroy runs when nothing uses the old one.
TEST_F(WorkerFiltersTest, StateIsHandedOver) {
  int states[3] = {};
  int next = 0;
  std::vector<void*> previous;
  std::vector<void*> destroyed;
  TestFilter filter;
  filter.worker_create = [&](postern_ctx*, void* before, void** state) {
    previous.push_back(before);
    *state = &states[next++];
    return postern_status{POSTERN_OK};
  };
  filter.worker_destroy = [&](void* state) { destroyed.push_back(state); };
  TestPlan plan(&worker_, {&filter});
  std::optional<absl::Status> done;
  std::unique_ptr<WorkerFilters> second = Make(plan, plan.local.get(), &done);
  ASSERT_TRUE(done.has_value());
  EXPECT_TRUE(done->ok());
  EXPECT_EQ(previous, (std::vector<void*>{nullptr, &states[0]}));
  EXPECT_TRUE(destroyed.empty());
  plan.local.reset();
  EXPECT_EQ(destroyed, (std::vector<void*>{&states[0]}));
  // Another module, though of the same name: its layout is not promised.
  TestPlan changed(&worker_, {&filter});
  done.reset();
  std::unique_ptr<WorkerFilters> third = Make(changed, second.get(), &done);
  EXPECT_EQ(previous.back(), nullptr);
}

TEST_F(WorkerFiltersTest, AnErrorIsToldWithItsInstance) {
  int state = 0;
  int destroyed = 0;
  TestFilter good;
  good.name = "good";
  good.worker_create = [&](postern_ctx*, void*, void** out) {
    *out = &state;
    return postern_status{POSTERN_OK};
  };
  good.worker_destroy = [&](void*) { ++destroyed; };
  TestFilter bad;
  bad.name = "bad";
  bad.worker_create = [](postern_ctx*, void*, void**) {
    return postern_status{POSTERN_E_INTERNAL};
  };
  bad.worker_destroy = [&](void*) { ADD_FAILURE(); };
  TestPlan plan(&worker_, {&good, &bad});
  std::optional<absl::Status> done;
  auto made = Make(plan, nullptr, &done);
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->message(), "filter \"bad\" (test.bad 1.0.0): worker_create returned -7");
  const int before = destroyed;
  made.reset();
  EXPECT_EQ(destroyed, before + 1);
}

// architecture.md §4.2: "ready later" holds the activation up to a bound, then rejects.
TEST_F(WorkerFiltersTest, ReadyLater) {
  int state = 0;
  postern_status answer = POSTERN_OK;
  TestFilter filter;
  filter.worker_create = [&](postern_ctx* ctx, void*, void** out) {
    *out = &state;
    EXPECT_EQ(H().worker_ready(ctx, POSTERN_OK, {}), POSTERN_E_STATE);  // not pending yet
    EXPECT_EQ(H().timer_start(ctx, 5, 1, nullptr), POSTERN_OK);
    EXPECT_EQ(H().resume(ctx, 0), POSTERN_E_STATE);  // needs a stream
    return postern_status{POSTERN_PENDING};
  };
  filter.worker_event = [&](void* got, postern_ctx* ctx, const postern_event& event) {
    EXPECT_EQ(got, &state);
    EXPECT_EQ(event.tag, 1u);
    EXPECT_EQ(H().worker_ready(ctx, answer, S("no keys")), POSTERN_OK);
    EXPECT_EQ(H().worker_ready(ctx, answer, {}), POSTERN_E_STATE);  // answered already
  };
  filter.worker_destroy = [](void*) {};
  TestPlan plan(&worker_, {&filter});
  RunFor(&worker_.dispatcher, 20);
  for (const bool well : {true, false}) {
    answer = well ? POSTERN_OK : POSTERN_E_INTERNAL;
    std::optional<absl::Status> done;
    auto made = Make(plan, nullptr, &done);
    EXPECT_FALSE(done.has_value());
    EXPECT_TRUE(RunUntil(
        &worker_.dispatcher, [&] { return done.has_value(); }, 2000));
    EXPECT_EQ(done->ok(), well);
    if (!well) {
      EXPECT_EQ(done->message(), "filter \"f\" (test.f 1.0.0): not ready: no keys");
    }
  }
}

TEST_F(WorkerFiltersTest, NotReadyInTime) {
  int state = 0;
  int destroyed = 0;
  TestFilter filter;
  filter.worker_create = [&](postern_ctx*, void*, void** out) {
    *out = &state;
    return postern_status{POSTERN_PENDING};
  };
  filter.worker_destroy = [&](void*) { ++destroyed; };
  TestPlan plan(&worker_, {&filter});
  std::optional<absl::Status> done;
  auto made = Make(plan, nullptr, &done);
  EXPECT_TRUE(RunUntil(
      &worker_.dispatcher, [&] { return done.has_value(); }, 2000));
  EXPECT_EQ(done->message(), "filter \"f\" (test.f 1.0.0): not ready within 30 ms");
  made.reset();
  EXPECT_EQ(destroyed, 1);  // its state was made
}

TEST_F(WorkerFiltersTest, WorkersHaveTimersAndWakersOfTheirOwn) {
  int state = 0;
  std::vector<uint32_t> events;
  postern_waker* waker = nullptr;
  TestFilter filter;
  filter.worker_create = [&](postern_ctx* ctx, void*, void** out) {
    *out = &state;
    waker = H().waker_new(ctx);
    return H().timer_start(ctx, 1, 5, nullptr);
  };
  filter.worker_event = [&](void*, postern_ctx*, const postern_event& event) {
    events.push_back(event.type);
  };
  filter.worker_destroy = [](void*) {};
  {
    TestPlan plan(&worker_, {&filter});
    EXPECT_EQ(H().waker_fire(waker, 1), POSTERN_OK);
    RunFor(&worker_.dispatcher, 10);
    EXPECT_EQ(events, (std::vector<uint32_t>{POSTERN_EVENT_WAKE, POSTERN_EVENT_TIMER}));
  }
  EXPECT_EQ(H().waker_fire(waker, 1), POSTERN_E_NOT_FOUND);
  H().waker_free(waker);
}

}  // namespace
}  // namespace postern
