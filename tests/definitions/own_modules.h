#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "api/abi/abi.h"
#include "core/filter/config_host.h"
#include "core/filter/module_loader.h"

namespace postern {

/// The modules that come with the program, for building snapshots in a test: postern.transform
/// itself, which is linked with it, and in place of the others some that take every configuration.
inline ModuleLoader* OwnModules() {
  static const auto* const kOthers = [] {
    constexpr std::string_view kNames[] = {"postern.compress", "postern.cors", "postern.decompress",
                                           "postern.validate"};
    auto* made = new std::array<postern_manifest, std::size(kNames)>();
    for (size_t i = 0; i < made->size(); ++i) {
      postern_manifest& manifest = (*made)[i];
      manifest.magic = POSTERN_ABI_MAGIC;
      manifest.size = sizeof(manifest);
      manifest.abi_major = POSTERN_ABI_MAJOR;
      std::copy(kNames[i].begin(), kNames[i].end(), manifest.name);
      manifest.version[0] = '1';
    }
    return made;
  }();
  static ModuleLoader* const kLoader = [] {
    static postern_host host;
    AddConfigFunctions(&host);
    ModuleLoader::Options options;
    options.host = &host;
    options.built_in = {{&postern_module_manifest, &postern_module_init}};
    for (const postern_manifest& manifest : *kOthers) {
      options.built_in.push_back(
          {&manifest,
           [](const postern_host*, postern_self*, void**, const postern_filter** filter) {
             static const postern_filter hooks = [] {
               postern_filter table{};
               table.size = sizeof(table);
               table.config_create = [](void*, postern_config_ctx*, const postern_config*, void**) {
                 return postern_status{POSTERN_OK};
               };
               return table;
             }();
             *filter = &hooks;
             return postern_status{POSTERN_OK};
           }});
    }
    return new ModuleLoader(options);
  }();
  return kLoader;
}

}  // namespace postern
