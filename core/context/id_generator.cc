#include "core/context/id_generator.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "lib/text/base64.h"
#include "lib/text/hex.h"
#include "lib/text/id.h"

namespace postern {
namespace {

uint64_t SplitMix(uint64_t* state) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

IdGenerator::IdGenerator() {
  size_t have = 0;
  while (have < sizeof(state_)) {
    const ssize_t got =
        getrandom(reinterpret_cast<char*>(state_.data()) + have, sizeof(state_) - have, 0);
    if (got > 0) {
      have += static_cast<size_t>(got);
    } else if (errno != EINTR) {
      std::abort();
    }
  }
  state_[0] |= 1;  // all zero is the one state that xoshiro never leaves
}

IdGenerator::IdGenerator(uint64_t seed) {
  for (uint64_t& word : state_) word = SplitMix(&seed);
}

uint64_t IdGenerator::Next() {
  const uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::string_view IdGenerator::NewRequestId(Arena* arena) {
  const uint64_t words[2] = {Next(), Next()};
  uint8_t random[16];
  std::memcpy(random, words, sizeof(random));
  char text[kUuidSize];
  return arena->Copy(FormatUuidV4(random, text));
}

std::string_view IdGenerator::NewExtendedRequestId(Arena* arena) {
  constexpr size_t kBytes = 11;
  constexpr size_t kSize = 16;
  const uint64_t words[2] = {Next(), Next()};
  char* out = arena->Allocate(kSize, 1);
  Base64EncodeTo({reinterpret_cast<const char*>(words), kBytes}, Base64Alphabet::kStandard, out);
  return {out, kSize};
}

void IdGenerator::WriteHex(size_t digits, char* out) {
  for (size_t at = 0; at < digits; at += 8) {
    char group[8];
    WriteHex32(Next32(), group);
    std::memcpy(out + at, group, std::min<size_t>(8, digits - at));
  }
}

}  // namespace postern
