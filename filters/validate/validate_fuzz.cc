// Bodies, content types and queries of strangers: nothing in them may crash, and what passes
// reaches the integration unchanged.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/sdk/testing/fake_host.h"

namespace {

using postern::testing::FakeHost;
using postern::testing::FakeStream;

// Input: a query, a content type and a body, each but the last ended by a line feed.
std::string_view Take(std::string_view* input) {
  const size_t end = input->find('\n');
  const std::string_view line = input->substr(0, end);
  input->remove_prefix(end == std::string_view::npos ? input->size() : end + 1);
  return line;
}

std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 500)) {
    if (c > ' ' && c < '\x7f') out += c;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  FakeHost host;
  if (!host.Configure(R"({
      "models":{
        "Tree":"{\"type\":[\"object\",\"array\"],\"additionalProperties\":{\"$ref\":\"#\"},\"items\":{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"number\",\"multipleOf\":0.01,\"maximum\":1000}]},\"uniqueItems\":true,\"patternProperties\":{\"^s\":{\"type\":\"string\",\"pattern\":\"^[a-z]*[0-9]{2,5}$\",\"minLength\":2,\"maxLength\":20},\"^e\":{\"enum\":[1,null,\"x\",{\"a\":[1]}]}},\"dependencies\":{\"a\":[\"b\"]},\"not\":{\"required\":[\"z\"]}}"},
      "parameters":["method.request.querystring.q"],
      "body":{"application/json":"Tree","$default":"Tree"}})")) {
    std::abort();
  }
  FakeStream& stream = host.NewStream();
  const std::string path = "/?q=1&" + Printable(Take(&input));
  const std::string type = Printable(Take(&input));
  const std::string body(input);
  const size_t half = body.size() / 2;
  stream.Request({{":path", path}, {"content-type", type}},
                 {body.substr(0, half), body.substr(half)});
  if (!stream.reply().has_value() && stream.upstream().body != body) std::abort();
  stream.Cut();
  return 0;
}
