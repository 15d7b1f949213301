#include "core/config/secret_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace postern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// proto/snapshot/secret.proto
class SecretValuesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/secrets-" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& content) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  static absl::StatusOr<std::string> FromFile(const std::string& path) {
    return ReadSecretValue({DataSourceConfig::Kind::kFile, path});
  }
  std::string Expand(const std::string& json) {
    ProblemList list;
    std::string out = SecretExpander(&secrets_).Expand(json, Field(&list).Item("filters", 0));
    problems_ = list.TakeProblems();
    return out;
  }

  std::string folder_;
  SecretMap secrets_;
  std::vector<SnapshotProblem> problems_;
};

TEST_F(SecretValuesTest, AFileWithoutOneTrailingLineFeed) {
  EXPECT_EQ(*FromFile(Write("a", "pass word")), "pass word");
  EXPECT_EQ(*FromFile(Write("a", "pass word\n")), "pass word");
  EXPECT_EQ(*FromFile(Write("a", "pass word\n\n")), "pass word\n");
  EXPECT_EQ(*FromFile(Write("a", std::string("\0\xff", 2))), std::string("\0\xff", 2));
}

// As Kubernetes mounts a secret: NAME -> ..data/NAME, ..data -> a folder that an update replaces.
TEST_F(SecretValuesTest, AMountedSecretIsReadThroughItsLinks) {
  namespace fs = std::filesystem;
  for (const char* stamp : {"..1", "..2"}) {
    fs::create_directory(folder_ + "/" + stamp);
    Write(std::string(stamp) + "/token", stamp);
  }
  fs::create_symlink("..1", folder_ + "/..data");
  fs::create_symlink("..data/token", folder_ + "/token");
  EXPECT_EQ(*FromFile(folder_ + "/token"), "..1");
  fs::create_symlink("..2", folder_ + "/..data_tmp");
  fs::rename(folder_ + "/..data_tmp", folder_ + "/..data");
  EXPECT_EQ(*FromFile(folder_ + "/token"), "..2");
}

TEST_F(SecretValuesTest, WhatCannotBeReadIsNamed) {
  EXPECT_THAT(std::string(FromFile(folder_ + "/none").status().message()),
              HasSubstr(folder_ + "/none: cannot be read: No such file"));
  EXPECT_THAT(std::string(FromFile(folder_).status().message()), HasSubstr("Is a directory"));
  EXPECT_THAT(std::string(FromFile(Write("empty", "\n")).status().message()),
              HasSubstr("is empty"));
  const std::string large = Write("large", std::string(kMaxSecretBytes + 1, 'x'));
  const std::string message(FromFile(large).status().message());
  EXPECT_THAT(message, HasSubstr("has more than"));
  EXPECT_THAT(message, Not(HasSubstr("xx")));
  // A pipe that nobody writes to does not hold anybody up.
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(FromFile(pipe).ok());
}

TEST_F(SecretValuesTest, AnEnvironmentVariable) {
  const DataSourceConfig source{DataSourceConfig::Kind::kEnvironment, "POSTERN_TEST_SECRET"};
  ::unsetenv("POSTERN_TEST_SECRET");
  EXPECT_THAT(std::string(ReadSecretValue(source).status().message()),
              HasSubstr("POSTERN_TEST_SECRET is not set"));
  ::setenv("POSTERN_TEST_SECRET", "from there", 1);
  EXPECT_EQ(*ReadSecretValue(source), "from there");
  ::unsetenv("POSTERN_TEST_SECRET");
}

TEST_F(SecretValuesTest, ReferencesInConfigurationsGetValuesEscapedForJson) {
  secrets_["db/pass.word"] = {DataSourceConfig::Kind::kFile, Write("a", "a\"b\\c\n")};
  secrets_["plain"] = {DataSourceConfig::Kind::kFile, Write("b", "p")};
  secrets_["unused"] = {DataSourceConfig::Kind::kFile, folder_ + "/none"};
  EXPECT_EQ(
      Expand(R"({"x":"${secret:db/pass.word}","y":["Basic ${secret:plain}${secret:plain}"]})"),
      R"({"x":"a\"b\\c","y":["Basic pp"]})");
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_EQ(Expand(R"({"x":"$secret:plain ${stageVariables.a}"})"),
            R"({"x":"$secret:plain ${stageVariables.a}"})");
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(SecretValuesTest, WhatRefersToNothingIsToldAtItsPlace) {
  secrets_["gone"] = {DataSourceConfig::Kind::kFile, folder_ + "/none"};
  secrets_["bytes"] = {DataSourceConfig::Kind::kFile, Write("bytes", "secret\xff")};
  Expand(R"({"a":"${secret:who}","b":"${secret:gone}","c":"${secret:bytes}","d":"${secret:"})");
  ASSERT_EQ(problems_.size(), 4u);
  for (const SnapshotProblem& problem : problems_) {
    EXPECT_EQ(problem.path, "filters[0].config_json");
    EXPECT_THAT(problem.text, Not(HasSubstr("secret\xff")));
  }
  EXPECT_THAT(problems_[0].text, HasSubstr("there is no secret \"who\""));
  EXPECT_THAT(problems_[1].text, HasSubstr("/none: cannot be read"));
  EXPECT_THAT(problems_[2].text, HasSubstr("is no UTF-8 text"));
  EXPECT_THAT(problems_[3].text, HasSubstr("not followed by the name"));
}

TEST_F(SecretValuesTest, MessagesAreMaskedAndFilesToldOnce) {
  secrets_["a"] = {DataSourceConfig::Kind::kFile, Write("f", "hidden\"one")};
  secrets_["b"] = {DataSourceConfig::Kind::kFile, folder_ + "/f"};
  SecretExpander expander(&secrets_);
  ProblemList list;
  expander.Expand(R"({"x":"${secret:a}${secret:b}"})", Field(&list));
  EXPECT_EQ(expander.Mask(R"(no hidden"one, nor "hidden\"one")"),
            R"(no ${secret:a}, nor "${secret:a}")");
  EXPECT_THAT(expander.files(), ElementsAre(folder_ + "/f"));
}

}  // namespace
}  // namespace postern
