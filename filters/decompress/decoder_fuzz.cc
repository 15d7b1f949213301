// Bodies of strangers: what comes out is bounded, however the input is cut.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "filters/decompress/decoder.h"

namespace {

constexpr size_t kLimit = 100000;

}  // namespace

// The first byte chooses format and place of the cut.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using postern::Decoder;
  if (size == 0) return 0;
  const auto format = data[0] % 2 == 0 ? Decoder::Format::kGzip : Decoder::Format::kZlib;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  Decoder whole(format, kLimit);
  (void)whole.Decode(body);
  const Decoder::Result result = whole.Finish();
  Decoder cut(format, kLimit);
  const size_t at = body.empty() ? 0 : data[0] % body.size();
  (void)cut.Decode(body.substr(0, at));
  (void)cut.Decode(body.substr(at));
  if (cut.Finish() != result) std::abort();
  if (result == Decoder::Result::kOk && (whole.out() != cut.out() || whole.out().size() > kLimit)) {
    std::abort();
  }
  return 0;
}
