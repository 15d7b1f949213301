#include "core/observe/process_stats.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <vector>

#include "core/observe/exposition_check_test.h"

namespace postern {
namespace {

TEST(ProcessStatsTest, ShowsTheProcess) {
  ProcessStats stats;
  Exposition out(ExpositionFormat::kOpenMetrics);
  stats.Collect(&out);
  const CheckedExposition seen = CheckExposition(out.Finish(), ExpositionFormat::kOpenMetrics);
  EXPECT_GT(seen.Value("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GE(seen.Value("process_open_fds"), 3);
  EXPECT_GE(seen.Value("process_max_fds"), seen.Value("process_open_fds"));
  EXPECT_GE(seen.Value("process_cpu_seconds_total"), 0);
  const double now = static_cast<double>(std::time(nullptr));
  EXPECT_LT(seen.Value("process_start_time_seconds"), now + 2);
  EXPECT_GT(seen.Value("process_start_time_seconds"), now - 3600);
}

TEST(ProcessStatsTest, CountsDescriptors) {
  ProcessStats stats;
  const int64_t before = stats.OpenFds();
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  EXPECT_EQ(stats.OpenFds(), before + 2);
  close(fds[0]);
  close(fds[1]);
  EXPECT_EQ(stats.OpenFds(), before);
}

TEST(ProcessStatsTest, AnswersWithoutAnyDescriptorLeft) {
  ProcessStats stats;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit few = before;
  few.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  const int none = open("/dev/null", O_RDONLY);
  const uint64_t resident = stats.ResidentBytes();
  const int64_t open_fds = stats.OpenFds();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_LT(none, 0);
  EXPECT_GT(resident, 0u);
  EXPECT_GE(open_fds, 3);
}

}  // namespace
}  // namespace postern
