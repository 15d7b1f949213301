#include "core/filter/fault_record.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "lib/text/concat.h"

namespace postern {
namespace {

std::string Read(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// plugin-abi.md §9, "Repeated fault": what the next process is told.
TEST(FaultRecordTest, KeepsFaultsOfTheLastMinutesAndAddsNewOnes) {
  const std::string path = Concat(testing::TempDir(), "faults");
  std::ofstream(path) << "1000 old.m 1.0.0 aa request_headers\n"
                         "no fault\n"
                         "2000 bad.m 1.0.0 bb request_headers\n"
                         "2100 bad.m 1.0.0 - stream_end\n"
                         "9999 later.m 1.0.0 cc stream_end\n"
                         "2200 cut.m 1.0";
  std::vector<ModuleFault> faults;
  ASSERT_TRUE(FaultRecord::Open(path, 2400, &faults).ok());
  ASSERT_EQ(faults.size(), 2u);
  EXPECT_EQ(faults[0].module, "bad.m");
  EXPECT_EQ(faults[0].version, "1.0.0");
  EXPECT_EQ(faults[0].digest, "bb");
  EXPECT_EQ(faults[0].hook, "request_headers");
  EXPECT_EQ(faults[1].digest, "");
  EXPECT_EQ(CountFaults(faults, "bad.m", "bb"), 1u);
  EXPECT_EQ(CountFaults(faults, "bad.m", ""), 1u);
  EXPECT_EQ(CountFaults(faults, "other", "bb"), 0u);
  const std::string kept = "2000 bad.m 1.0.0 bb request_headers\n2100 bad.m 1.0.0 - stream_end\n";
  EXPECT_EQ(Read(path), kept);

  const FilterModule module({"bad.m", "2.0.0", 1, 0, 0}, "dd", "bad.so");
  FaultRecord::Note(module, HookName::kConfigCreate);
  const std::string now = Read(path);
  ASSERT_TRUE(now.starts_with(kept));
  EXPECT_TRUE(now.ends_with(" bad.m 2.0.0 dd config_create\n")) << now;
}

TEST(FaultRecordTest, SaysWhatIsWrongWithItsFile) {
  std::vector<ModuleFault> faults;
  const absl::Status status = FaultRecord::Open("/nowhere/at/all", 0, &faults);
  EXPECT_EQ(status.message(), "/nowhere/at/all: No such file or directory");
}

}  // namespace
}  // namespace postern
