#include "core/observe/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "core/observe/exposition_check_test.h"

namespace postern {
namespace {

AccessLogFormat Format(std::string_view text = "$context.requestId $context.identity.userAgent") {
  return *AccessLogFormat::Compile(text);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

class AccessLogTest : public ::testing::Test {
 protected:
  AccessLogTest() {
    path_ = ::testing::TempDir() + "/access." +
            ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".log";
    unlink(path_.c_str());
    context_.request_id = "id";
    context_.user_agent = "agent";
  }
  ~AccessLogTest() override { unlink(path_.c_str()); }

  std::string path_;
  RequestContext context_;
};

TEST_F(AccessLogTest, LinesReachTheFile) {
  {
    AccessLogs logs(1);
    auto sink = logs.OpenFile(path_);
    ASSERT_TRUE(sink.ok()) << sink.status();
    (*sink)->lane(0)->Log(Format(), context_);
    (*sink)->lane(0)->Log(Format(), context_);
    EXPECT_EQ(ReadFile(path_), "");  // one write for both, later
    (*sink)->lane(0)->Flush();
    EXPECT_TRUE(Eventually([&] { return ReadFile(path_) == "id agent\nid agent\n"; }));
    (*sink)->lane(0)->Log(Format(), context_);
  }
  // What was left is written when the sink ends.
  EXPECT_EQ(ReadFile(path_), "id agent\nid agent\nid agent\n");
  struct stat about {};
  ASSERT_EQ(stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777 & ~0640u, 0u);
}

TEST_F(AccessLogTest, AppendsToWhatIsThere) {
  std::ofstream(path_) << "before\n";
  {
    AccessLogs logs(1);
    auto sink = logs.OpenFile(path_);
    ASSERT_TRUE(sink.ok());
    (*sink)->lane(0)->Log(Format(), context_);
  }
  EXPECT_EQ(ReadFile(path_), "before\nid agent\n");
}

TEST_F(AccessLogTest, AWorkerFlushesAfterAWhile) {
  AccessLogs logs(1);
  auto sink = logs.OpenFile(path_);
  ASSERT_TRUE(sink.ok());
  Dispatcher loop;
  AccessLogWorker worker(&loop, 0);
  const AccessLogTarget target{*sink, Format()};
  worker.Log(target, context_);
  worker.Log(target, context_);
  Timer end(
      loop.timers(), [](void* arg) { static_cast<Dispatcher*>(arg)->Stop(); }, &loop);
  end.Start(AccessLogWorker::kFlushMs + 50);
  loop.Run();
  EXPECT_TRUE(Eventually([&] { return ReadFile(path_) == "id agent\nid agent\n"; }));
}

TEST_F(AccessLogTest, FullBuffersLeaveWithoutATimer) {
  AccessLogs logs(1);
  auto sink = logs.OpenFile(path_);
  ASSERT_TRUE(sink.ok());
  const AccessLogFormat format = Format();
  for (int i = 0; i < 10000; ++i) (*sink)->lane(0)->Log(format, context_);
  EXPECT_TRUE(Eventually([&] { return ReadFile(path_).size() > AccessLogSink::kBufferSize; }));
  const std::string text = ReadFile(path_);
  EXPECT_EQ(text.size() % 9, 0u);  // whole lines
}

TEST_F(AccessLogTest, EveryLineOfManyWorkersArrivesOnce) {
  constexpr int kLines = 5000;
  constexpr size_t kWorkers = 3;
  {
    AccessLogs logs(kWorkers);
    auto sink = logs.OpenFile(path_);
    ASSERT_TRUE(sink.ok());
    std::vector<std::thread> threads;
    for (size_t w = 0; w < kWorkers; ++w) {
      threads.emplace_back([&, w] {
        const AccessLogFormat format = Format();
        for (int i = 0; i < kLines; ++i) {
          const std::string agent = std::to_string(w) + "." + std::to_string(i);
          RequestContext context;
          context.request_id = "id";
          context.user_agent = agent;
          (*sink)->lane(w)->Log(format, context);
          // Never as many buffers as a worker has, so nothing is dropped however slow the disk is.
          if (i % 250 == 0) (*sink)->lane(w)->Flush();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ((*sink)->dropped(), 0u);
    EXPECT_EQ((*sink)->lines(), kLines * kWorkers);
  }
  std::ifstream file(path_);
  std::vector<int> next(kWorkers, 0);
  std::string line;
  while (std::getline(file, line)) {
    size_t worker = 0;
    int number = 0;
    ASSERT_EQ(std::sscanf(line.c_str(), "id %zu.%d", &worker, &number), 2) << line;
    EXPECT_EQ(number, next[worker]);  // a worker's lines keep their order
    next[worker] = number + 1;
  }
  for (int count : next) EXPECT_EQ(count, kLines);
}

// A reader that does not read costs lines, never time or memory beyond the bound.
TEST_F(AccessLogTest, ASlowDestinationLosesLinesAndSaysSo) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  AccessLogs logs(1);
  auto sink = logs.OpenFile(path_);
  ASSERT_TRUE(sink.ok()) << sink.status();
  const AccessLogFormat format = Format();
  constexpr uint64_t kLines = 400000;  // 3.6 MB
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t i = 0; i < kLines; ++i) (*sink)->lane(0)->Log(format, context_);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  const uint64_t dropped = (*sink)->dropped();
  EXPECT_GT(dropped, 200000u);
  EXPECT_EQ((*sink)->lines(), kLines);
  (*sink)->lane(0)->Flush();

  // Once somebody reads, everything that was not dropped comes, in whole lines.
  std::string text;
  char part[65536];
  ASSERT_TRUE(Eventually([&] {
    for (;;) {
      const ssize_t size = read(reader, part, sizeof(part));
      if (size <= 0) break;
      text.append(part, static_cast<size_t>(size));
    }
    return text.size() >= (kLines - dropped) * 9;
  }));
  EXPECT_EQ(text.size(), (kLines - dropped) * 9);
  EXPECT_EQ(text.find("id agent\nid agent\n"), 0u);

  Exposition out(ExpositionFormat::kText);
  logs.Collect(&out);
  const CheckedExposition seen = CheckExposition(out.Finish(), ExpositionFormat::kText);
  const std::string labels = "{destination=\"" + path_ + "\"";
  EXPECT_EQ(seen.Value("postern_access_log_lines_total" + labels + "}"), kLines);
  EXPECT_EQ(seen.Value("postern_access_log_dropped_total" + labels + ",reason=\"slow\"}"), dropped);
  EXPECT_EQ(seen.Value("postern_access_log_dropped_total" + labels + ",reason=\"error\"}"), 0);
  close(reader);
}

TEST_F(AccessLogTest, EndingDoesNotWaitForAReaderForEver) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  const auto start = std::chrono::steady_clock::now();
  {
    AccessLogs logs(1);
    auto sink = logs.OpenFile(path_);
    ASSERT_TRUE(sink.ok());
    const AccessLogFormat format = Format();
    for (int i = 0; i < 50000; ++i) (*sink)->lane(0)->Log(format, context_);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start,
            AccessLogSink::kCloseTimeout + std::chrono::seconds(3));
  close(reader);
}

TEST_F(AccessLogTest, AReaderThatIsGoneIsCounted) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  AccessLogs logs(1);
  auto sink = logs.OpenFile(path_);
  ASSERT_TRUE(sink.ok());
  close(reader);
  (*sink)->lane(0)->Log(Format(), context_);
  (*sink)->lane(0)->Log(Format(), context_);
  (*sink)->lane(0)->Flush();
  EXPECT_TRUE(Eventually([&] { return (*sink)->failed() == 2; }));
}

// Issue 2, point 6, and the habits of log rotation: moved away, then SIGHUP.
TEST_F(AccessLogTest, ReopensAMovedFile) {
  const std::string moved = path_ + ".1";
  {
    AccessLogs logs(1);
    auto sink = logs.OpenFile(path_);
    ASSERT_TRUE(sink.ok());
    (*sink)->lane(0)->Log(Format(), context_);
    (*sink)->lane(0)->Flush();
    ASSERT_TRUE(Eventually([&] { return !ReadFile(path_).empty(); }));
    ASSERT_EQ(std::rename(path_.c_str(), moved.c_str()), 0);
    logs.ReopenAll();
    ASSERT_TRUE(Eventually([&] { return access(path_.c_str(), F_OK) == 0; }));
    (*sink)->lane(0)->Log(Format(), context_);
  }
  EXPECT_EQ(ReadFile(moved), "id agent\n");
  EXPECT_EQ(ReadFile(path_), "id agent\n");
  unlink(moved.c_str());
}

TEST_F(AccessLogTest, AFailedReopenKeepsTheOldFile) {
  const std::string folder = path_ + ".d";
  ASSERT_EQ(mkdir(folder.c_str(), 0700), 0);
  const std::string inside = folder + "/log";
  const std::string away = path_;
  {
    AccessLogs logs(1);
    auto sink = logs.OpenFile(inside);
    ASSERT_TRUE(sink.ok());
    ASSERT_EQ(std::rename(inside.c_str(), away.c_str()), 0);
    ASSERT_EQ(rmdir(folder.c_str()), 0);
    logs.ReopenAll();
    (*sink)->lane(0)->Log(Format(), context_);
  }
  EXPECT_EQ(ReadFile(away), "id agent\n");
}

TEST_F(AccessLogTest, ADestinationIsOpenedOnceAndClosedWhenNobodyHoldsIt) {
  AccessLogs logs(1);
  auto one = logs.OpenFile(path_);
  auto two = logs.OpenFile(path_);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(*one, *two);
  (*one)->lane(0)->Log(Format(), context_);
  one->reset();
  two->reset();
  auto other = logs.OpenStandardOutput();
  ASSERT_TRUE(other.ok());
  EXPECT_EQ((*other)->name(), "stdout");
  EXPECT_EQ(ReadFile(path_), "id agent\n");
}

TEST_F(AccessLogTest, WhatCannotBeOpenedIsNamed) {
  AccessLogs logs(1);
  const auto sink = logs.OpenFile("/nonexistent/folder/log");
  ASSERT_FALSE(sink.ok());
  EXPECT_NE(std::string(sink.status().message()).find("/nonexistent/folder/log"),
            std::string::npos);
}

TEST_F(AccessLogTest, DestinationsAreBounded) {
  AccessLogs logs(1);
  std::vector<std::shared_ptr<AccessLogSink>> sinks;
  std::vector<std::string> paths;
  for (size_t i = 0; i < AccessLogs::kMaxSinks; ++i) {
    paths.push_back(path_ + std::to_string(i));
    auto sink = logs.OpenFile(paths.back());
    ASSERT_TRUE(sink.ok());
    sinks.push_back(*sink);
  }
  EXPECT_FALSE(logs.OpenFile(path_).ok());
  sinks.pop_back();
  EXPECT_TRUE(logs.OpenFile(path_).ok());
  for (const std::string& path : paths) unlink(path.c_str());
}

TEST(SpscRingTest, FirstInFirstOutUpToItsCapacity) {
  SpscRing<int, 4> ring;
  int value = 0;
  EXPECT_FALSE(ring.Pop(&value));
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.Push(i));
    EXPECT_FALSE(ring.Push(9));
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE(ring.Pop(&value));
      EXPECT_EQ(value, i);
    }
    EXPECT_FALSE(ring.Pop(&value));
  }
}

}  // namespace
}  // namespace postern
