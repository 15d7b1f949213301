// Shared by the sources of the fake host; not for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/abi/abi.h"
#include "api/sdk/testing/fake_host.h"

// The opaque types of abi.h. Contexts live as long as the host, so that their use after the end is
// seen, not suffered.
struct postern_self {
  postern::testing::FakeHost* host;
};
struct postern_config_ctx {
  postern::testing::FakeHost* host;
  uint32_t generation;
  std::string prefix;  // Of errors: the scope.
  bool open;           // config_create runs.
};
struct postern_ctx {
  postern::testing::FakeHost* host;
  postern::testing::FakeStream* stream;  // nullptr: a worker.
  bool alive;
  bool waiting;  // A worker that is not ready yet.
  void* worker_state;
};
struct postern_waker {
  postern::testing::FakeHost* host;
  postern_ctx* owner;
};

namespace postern::testing {

// One configuration: what was made for it, and who uses it.
struct FakeStream::Snapshot {
  uint32_t generation = 0;
  // In the order of their making; the first is the API's.
  std::vector<std::pair<std::string, void*>> configs;
  bool has_worker = false;
  void* worker_state = nullptr;
  postern_ctx* worker = nullptr;
  size_t streams = 0;

  const void* ConfigOf(std::string_view scope) const {
    for (const auto& [name, config] : configs) {
      if (name == scope) return config;
    }
    return nullptr;
  }
};

namespace internal {

// The host that is there, for the functions without a context.
extern FakeHost* current_host;

// What a module gets.
const postern_host& HostTable();

// What a name in a manifest, and of a variable, is made of.
constexpr std::string_view kNameCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

std::string Copy(postern_str text);
postern_str Borrow(std::string_view text);
bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> list);
// Whether `text` is made of `characters` alone.
bool AllOf(std::string_view text, std::string_view characters);

// The checks of header_set (abi.h).
bool ValidField(uint32_t map, std::string_view name, std::string_view value, bool pseudo);
// Header names are compared, and shown to modules, like this.
std::string Lower(std::string_view name);
// In bytes, as a limit counts them.
size_t SizeOf(const Headers& headers);
// The index-th value of a name, or nullptr.
const std::string* Find(const Headers& headers, std::string_view name, size_t index);
void Erase(Headers& headers, std::string_view name);
// All values of a name, joined by ", ".
std::string Joined(const Headers& headers, std::string_view name);

// Status and text of each gateway response type, as an API has them by default.
struct Kind {
  uint32_t kind;
  uint32_t status;
  const char* message;
};
// nullptr for an unknown one.
const Kind* FindKind(uint32_t number);

}  // namespace internal
}  // namespace postern::testing
