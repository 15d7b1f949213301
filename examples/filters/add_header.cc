// Sets one response header. Stateless: it leaves the stream after its only hook.
#include <memory>
#include <string>

#include "api/sdk/sdk.h"

namespace {

using postern::ConfigReader;
using postern::Flags;
using postern::Map;
using postern::Stream;
using postern::Verdict;

class AddHeader {
 public:
  struct Config {
    std::string name;
    std::string value;

    static std::unique_ptr<Config> Parse(ConfigReader& in) {
      return std::make_unique<Config>(
          Config{in.String("name", ConfigReader::kNotEmpty), in.String("value")});
    }
  };

  explicit AddHeader(const Config& config) : config_(config) {}

  Verdict OnResponseHeaders(Stream s, Flags) {
    s.SetHeader(Map::kResponseHeaders, config_.name, config_.value);
    return Verdict::kDetach;
  }

 private:
  const Config& config_;
};

}  // namespace

POSTERN_MODULE(AddHeader, "sample.add_header", "1.0.0", 0);
