// Runs a fuzz target as an ordinary test: each file named on the command line once, or, without
// files, a fixed number of pseudo-random inputs. Arguments that start with '-' belong to libFuzzer
// and are passed over.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kRandomInputs = 2000;
constexpr size_t kMaxRandomSize = 512;

void Run(const std::vector<uint8_t>& input) {
  // A copy of exactly the input's size, so that a sanitizer sees a read past its end.
  const std::vector<uint8_t> exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

int main(int argc, char** argv) {
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    if (argv[i][0] == '-') continue;
    std::ifstream in(argv[i], std::ios::binary);
    if (!in) {
      std::fprintf(stderr, "%s: cannot be read\n", argv[i]);
      return 1;
    }
    Run(std::vector<uint8_t>(std::istreambuf_iterator<char>(in), {}));
    ++files;
  }
  if (files == 0) {
    std::mt19937 random(1);
    Run({});
    for (int i = 1; i < kRandomInputs; ++i) {
      std::vector<uint8_t> input(random() % kMaxRandomSize);
      for (uint8_t& byte : input) byte = static_cast<uint8_t>(random());
      Run(input);
    }
    files = kRandomInputs;
  }
  std::printf("%d inputs\n", files);
  return 0;
}
