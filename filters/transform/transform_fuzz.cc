// A configuration of a method, a request and a response, in lines that end with a NUL: what the
// module does with them must keep the contract of abi.h, which the fake host holds it to.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/sdk/testing/fake_host.h"

namespace {

class Parts {
 public:
  explicit Parts(std::string_view text) : rest_(text) {}
  std::string Next() {
    const size_t end = std::min(rest_.find('\0'), rest_.size());
    std::string part(rest_.substr(0, end));
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return part;
  }
  // As a codec lets a field's value pass.
  std::string NextValue() {
    std::string value = Next();
    std::replace_if(
        value.begin(), value.end(), [](unsigned char c) { return c <= ' ' || c == 0x7F; }, '_');
    return value;
  }

 private:
  std::string_view rest_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using postern::testing::FakeHost;
  using postern::testing::FakeStream;
  Parts parts({reinterpret_cast<const char*>(data), size});
  FakeHost host;
  host.SetInstance("postern.transform");
  const std::string config = parts.Next();
  if (!host.Configure(R"({"stageVariables":{"v":"1"},"binaryMediaTypes":["image/png"]})",
                      {{"POST /x/{id}", config}})) {
    return 0;
  }
  FakeStream& stream = host.NewStream("POST /x/{id}");
  stream.SetVariable("pathParameters.id", "7");
  stream.SetVariable("requestId", "r");
  stream.Request({{":method", "POST"},
                  {":path", "/x/7?" + parts.NextValue()},
                  {"Content-Type", parts.NextValue()},
                  {"Accept", parts.NextValue()},
                  {"X-A", parts.NextValue()}},
                 {parts.Next()});
  if (!stream.reply()) {
    stream.Respond(200, {{"Content-Type", parts.NextValue()}, {"X-B", parts.NextValue()}},
                   {parts.Next()});
  }
  stream.Finish();
  return 0;
}
