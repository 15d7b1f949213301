#include "core/filter/breadcrumb.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "core/filter/hook_watchdog.h"
#include "core/filter/test_chain.h"

namespace postern {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

/// An exchange whose filter does something unfortunate in its headers hook.
void Exchange(const std::function<void()>& what) {
  TestWorker worker;
  TestFilter filter;
  filter.name = "auth";
  filter.request_headers = [&](postern_ctx*, uint32_t) {
    what();
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker, {&filter});
  ChainExchange exchange(&plan);
  exchange.Request();
}

// plugin-abi.md §9, "Fault signal": the log says which module it was.
TEST(BreadcrumbDeathTest, AFaultIsToldToItsModule) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer handles faults itself";
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        InstallFaultHandler();
        Exchange([] { *static_cast<volatile int*>(nullptr) = 1; });
      },
      testing::KilledBySignal(SIGSEGV),
      "\"signal\":\"SIGSEGV\",\"in\":\"filter\",\"hook\":\"request_headers\",\"filter\":\"auth\","
      "\"module\":\"test.auth\",\"module_version\":\"1.0.0\".*\"route\":\"/pets/\\{id\\}\","
      "\"request_id\":\"00000000-0000-0000-0000-000000000001\",\"snapshot\":\"7\"");
  EXPECT_EXIT(
      {
        InstallFaultHandler();
        std::abort();
      },
      testing::KilledBySignal(SIGABRT), "\"signal\":\"SIGABRT\",\"in\":\"gateway\"");
}

// plugin-abi.md §9: an exception that a module lets out ends the process with the module's name.
TEST(BreadcrumbDeathTest, AnExceptionIsToldToItsModule) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer handles faults itself";
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        InstallFaultHandler();
        Exchange([] { throw std::runtime_error("let out"); });
      },
      testing::KilledBySignal(SIGABRT),
      "\"signal\":\"SIGABRT\",\"in\":\"filter\",\"hook\":\"request_headers\",\"filter\":\"auth\","
      "\"module\":\"test.auth\"");
}

// plugin-abi.md §9, "Slow hook": a stuck worker is dumped and ends the process.
TEST(HookWatchdogDeathTest, AStuckHookEndsTheProcess) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer handles faults itself";
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        InstallFaultHandler();
        HookWatchdog watchdog({{ThreadBreadcrumb(), pthread_self()}}, {.limit_ms = 50});
        Exchange([] {
          // Volatile: a compiler may take a loop without effects to end.
          for (volatile bool stuck = true; stuck;) {
          }
        });
      },
      testing::KilledBySignal(SIGABRT),
      "\"event\":\"filter_stuck\".*\n.*\"in\":\"filter\",\"hook\":\"request_headers\"");
}

TEST(HookWatchdogTest, SeesOneCallThatTakesTooLongAndNotManyShortOnes) {
  std::atomic<int> stuck{0};
  TestWorker worker;
  HookWatchdog watchdog({{worker.worker.crumb(), pthread_self()}},
                        {.limit_ms = 60, .on_stuck = [&](const auto&) { stuck.fetch_add(1); }});
  TestFilter filter;
  bool wait = false;
  filter.request_headers = [&](postern_ctx*, uint32_t) {
    if (wait) std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return POSTERN_CONTINUE;
  };
  TestPlan plan(&worker, {&filter});
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(150);
  while (std::chrono::steady_clock::now() < until) {
    ChainExchange exchange(&plan);
    exchange.Request();
  }
  EXPECT_EQ(stuck.load(), 0);
  wait = true;
  ChainExchange exchange(&plan);
  exchange.Request();
  EXPECT_EQ(stuck.load(), 1);
}

}  // namespace
}  // namespace postern
