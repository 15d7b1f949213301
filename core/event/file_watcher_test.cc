#include "core/event/file_watcher.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/event/test_support.h"
#include "gtest/gtest.h"

namespace postern {
namespace {

using Paths = std::vector<std::string>;

// Long enough between two polls that a test which passes has seen an event.
constexpr FileWatcher::Options kEventsOnly = {.quiet_ms = 20, .poll_ms = 1000000};

class FileWatcherTest : public testing::Test {
 protected:
  std::unique_ptr<FileWatcher> Watch(Paths paths,
                                     const FileWatcher::Options& options = kEventsOnly) {
    auto watcher = std::make_unique<FileWatcher>(
        &dispatcher_, std::move(paths), [this](const Paths& changed) { calls_.push_back(changed); },
        options);
    RunFor(&dispatcher_, 10);  // time stamps of files are some milliseconds apart
    return watcher;
  }
  bool Called(size_t times) {
    return RunUntil(&dispatcher_, [&] { return calls_.size() >= times; });
  }

  Dispatcher dispatcher_;
  TempDir dir_;
  std::vector<Paths> calls_;
};

TEST_F(FileWatcherTest, SeesWritingInPlace) {
  const std::string a = dir_ / "a", b = dir_ / "b";
  WriteFile(a, "1");
  WriteFile(b, "1");
  const auto watcher = Watch({a, b});
  WriteFile(a, "2");
  ASSERT_TRUE(Called(1));
  EXPECT_EQ(calls_[0], Paths{a});
  RunFor(&dispatcher_, 100);
  EXPECT_EQ(calls_.size(), 1u);
}

TEST_F(FileWatcherTest, SeesReplacementOfTheSameSize) {
  const std::string a = dir_ / "a";
  WriteFile(a, "1");
  const auto watcher = Watch({a});
  for (size_t i = 1; i <= 3; ++i) {
    ReplaceFile(a, "2");
    ASSERT_TRUE(Called(i));
  }
}

TEST_F(FileWatcherTest, SeesRemovalAndReturn) {
  const std::string a = dir_ / "a";
  WriteFile(a, "1");
  const auto watcher = Watch({a});
  ::unlink(a.c_str());
  ASSERT_TRUE(Called(1));
  WriteFile(a, "1");
  ASSERT_TRUE(Called(2));
  EXPECT_EQ(calls_[1], Paths{a});
}

TEST_F(FileWatcherTest, SeesAChangeOfMode) {
  const std::string a = dir_ / "a";
  WriteFile(a, "1");
  ::chmod(a.c_str(), 0);
  const auto watcher = Watch({a});
  ::chmod(a.c_str(), 0600);
  EXPECT_TRUE(Called(1));
}

TEST_F(FileWatcherTest, OtherFilesOfTheFolderDoNotMatter) {
  const std::string a = dir_ / "a";
  WriteFile(a, "1");
  const auto watcher = Watch({a});
  WriteFile(dir_ / "b", "1");
  RunFor(&dispatcher_, 100);
  EXPECT_TRUE(calls_.empty());
}

TEST_F(FileWatcherTest, ManyChangesAreOneCall) {
  const std::string a = dir_ / "a", b = dir_ / "b";
  const auto watcher = Watch({b, a, b});
  for (int i = 0; i < 20; ++i) {
    WriteFile(a, std::to_string(i));
    WriteFile(b, std::to_string(i));
  }
  ASSERT_TRUE(Called(1));
  EXPECT_EQ(calls_[0], (Paths{b, a}));
  RunFor(&dispatcher_, 100);
  EXPECT_EQ(calls_.size(), 1u);
}

TEST_F(FileWatcherTest, AFolderThatIsNeverQuietDelaysForABoundedTime) {
  const std::string a = dir_ / "a";
  const auto watcher = Watch({a});
  WriteFile(a, "1");
  int other = 0;
  EXPECT_TRUE(RunUntil(&dispatcher_, [&] {
    WriteFile(dir_ / "noise", std::to_string(++other));
    return !calls_.empty();
  }));
}

// https://kubernetes.io/docs/concepts/configuration/secret: a secret volume is a folder of links
// into
// `..data`, itself a link to a folder with a time stamp, which an update replaces by a rename.
TEST_F(FileWatcherTest, SeesTheSwapOfAKubernetesSecret) {
  namespace fs = std::filesystem;
  const auto publish = [&](const std::string& stamp, const std::string& content) {
    fs::create_directory(dir_ / stamp);
    WriteFile(dir_ / (stamp + "/tls.crt"), content);
    WriteFile(dir_ / (stamp + "/tls.key"), content);
    fs::create_symlink(stamp, dir_ / "..data_tmp");
    ASSERT_EQ(std::rename((dir_ / "..data_tmp").c_str(), (dir_ / "..data").c_str()), 0);
  };
  publish("..2026_01", "one");
  fs::create_symlink("..data/tls.crt", dir_ / "tls.crt");
  fs::create_symlink("..data/tls.key", dir_ / "tls.key");
  const Paths paths = {dir_ / "tls.crt", dir_ / "tls.key"};
  const auto watcher = Watch(paths);
  EXPECT_EQ(watcher->watched_folders(), 2u);

  publish("..2026_02", "two");
  fs::remove_all(dir_ / "..2026_01");
  ASSERT_TRUE(Called(1));
  EXPECT_EQ(calls_[0], paths);
  EXPECT_EQ(watcher->watched_folders(), 2u);

  publish("..2026_03", "three");
  fs::remove_all(dir_ / "..2026_02");
  ASSERT_TRUE(Called(2));
  EXPECT_EQ(calls_[1], paths);
}

TEST_F(FileWatcherTest, SeesChangesBehindALinkToAnotherFolder) {
  TempDir elsewhere;
  WriteFile(elsewhere / "real", "1");
  std::filesystem::create_symlink(elsewhere / "real", dir_ / "link");
  const auto watcher = Watch({dir_ / "link"});
  WriteFile(elsewhere / "real", "2");
  EXPECT_TRUE(Called(1));
}

TEST_F(FileWatcherTest, PollFindsAFolderThatComesLaterOrAnew) {
  const std::string folder = dir_ / "later", file = folder + "/a";
  const auto watcher = Watch({file}, {.quiet_ms = 20, .poll_ms = 50});
  EXPECT_EQ(watcher->watched_folders(), 0u);
  for (size_t i = 1; i <= 4; i += 2) {
    std::filesystem::create_directory(folder);
    WriteFile(file, "1");
    ASSERT_TRUE(Called(i));
    EXPECT_EQ(watcher->watched_folders(), 1u);
    std::filesystem::remove_all(folder);
    ASSERT_TRUE(Called(i + 1));
  }
}

TEST_F(FileWatcherTest, ARelativePathIsOfTheWorkingFolder) {
  std::error_code error;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(dir_.path(), error);
  ASSERT_FALSE(error);
  const auto watcher = Watch({"plain"});
  WriteFile("plain", "1");
  EXPECT_TRUE(Called(1));
  std::filesystem::current_path(before);
}

TEST_F(FileWatcherTest, MayBeDestroyedByItsCallback) {
  const std::string a = dir_ / "a";
  std::unique_ptr<FileWatcher> watcher;
  bool called = false;
  watcher = std::make_unique<FileWatcher>(
      &dispatcher_, Paths{a},
      [&](const Paths&) {
        called = true;
        watcher.reset();
      },
      kEventsOnly);
  WriteFile(a, "1");
  EXPECT_TRUE(RunUntil(&dispatcher_, [&] { return called; }));
  WriteFile(a, "22");
  RunFor(&dispatcher_, 50);
}

}  // namespace
}  // namespace postern
