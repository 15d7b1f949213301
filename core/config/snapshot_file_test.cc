#include "core/config/snapshot_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "core/config/test_snapshot.h"
#include "core/event/test_support.h"

namespace postern {
namespace {

TEST(SnapshotFileTest, WhatIsSavedIsLoaded) {
  const TempDir folder;
  const std::string path = folder / "snapshot";
  TestSnapshot snapshot;
  ASSERT_TRUE(SaveSnapshotFile(path, snapshot.Finish()).ok());
  snapshot::v1::Snapshot loaded;
  const absl::Status status = LoadSnapshotFile(path, &loaded);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(loaded.SerializeAsString(), snapshot.Finish().SerializeAsString());
  // Only its owner may read it, and nothing is left beside it.
  struct stat info;
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_NE(::stat((path + ".new").c_str(), &info), 0);
}

TEST(SnapshotFileTest, ReplacingKeepsOneWholeFile) {
  const TempDir folder;
  const std::string path = folder / "snapshot";
  TestSnapshot snapshot;
  ASSERT_TRUE(SaveSnapshotFile(path, snapshot.Finish()).ok());
  snapshot.message.set_version(99);
  ASSERT_TRUE(SaveSnapshotFile(path, snapshot.message).ok());
  snapshot::v1::Snapshot loaded;
  ASSERT_TRUE(LoadSnapshotFile(path, &loaded).ok());
  EXPECT_EQ(loaded.version(), 99u);
}

TEST(SnapshotFileTest, MissingFileIsNotFound) {
  snapshot::v1::Snapshot loaded;
  const absl::Status status = LoadSnapshotFile("/nonexistent/snapshot", &loaded);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(status.message()).find("/nonexistent/snapshot"), std::string::npos);
}

TEST(SnapshotFileTest, FolderThatDoesNotExistIsAnError) {
  TestSnapshot snapshot;
  EXPECT_FALSE(SaveSnapshotFile("/nonexistent/snapshot", snapshot.Finish()).ok());
}

TEST(SnapshotFileTest, ForeignFilesAreRefused) {
  snapshot::v1::Snapshot loaded;
  for (const std::string& content :
       {std::string(), std::string("openapi: 3.0.1\n"), std::string(1000, '\0')}) {
    const absl::Status status = DecodeSnapshotFile(content, &loaded);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), "is no snapshot of Postern");
  }
}

TEST(SnapshotFileTest, EveryChangedByteIsFound) {
  TestSnapshot snapshot;
  const std::string content = EncodeSnapshotFile(snapshot.Finish());
  snapshot::v1::Snapshot loaded;
  ASSERT_TRUE(DecodeSnapshotFile(content, &loaded).ok());
  for (size_t i = 0; i < content.size(); ++i) {
    std::string changed = content;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(DecodeSnapshotFile(changed, &loaded).ok()) << i;
  }
  for (size_t size = 0; size < content.size(); size += 7) {
    EXPECT_FALSE(DecodeSnapshotFile(content.substr(0, size), &loaded).ok()) << size;
  }
  EXPECT_FALSE(DecodeSnapshotFile(content + "x", &loaded).ok());
}

TEST(SnapshotFileTest, FoldersAndPipesAreNoSnapshots) {
  snapshot::v1::Snapshot loaded;
  EXPECT_FALSE(LoadSnapshotFile("/tmp", &loaded).ok());
  EXPECT_FALSE(LoadSnapshotFile("/dev/null", &loaded).ok());
}

}  // namespace
}  // namespace postern
