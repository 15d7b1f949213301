// The C++20 face of the filter ABI, for authors of modules: include this alone.
//
//   class AddHeader {
//    public:
//     struct Config {
//       std::string value;
//       static std::unique_ptr<Config> Parse(postern::ConfigReader& in) {
//         return std::make_unique<Config>(Config{in.String("value")});
//       }
//     };
//     explicit AddHeader(const Config& config) : config_(config) {}
//     postern::Verdict OnResponseHeaders(postern::Stream s, postern::Flags) {
//       s.SetHeader(postern::Map::kResponseHeaders, "x-hello", config_.value);
//       return postern::Verdict::kDetach;
//     }
//
//    private:
//     const Config& config_;
//   };
//   POSTERN_MODULE(AddHeader, "acme.add_header", "1.0.0", 0);
//
// module.h lists what a filter class may have; docs/write-a-filter.md starts from nothing.
#pragma once

#include "api/abi/abi.h"
#include "api/sdk/config_reader.h"
#include "api/sdk/host.h"
#include "api/sdk/json.h"
#include "api/sdk/module.h"
#include "api/sdk/stream.h"
