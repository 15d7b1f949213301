#pragma once

#include <stdlib.h>
#include <uv.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "core/event/dispatcher.h"

/// What tests of event-driven code need.
namespace postern {

/// Turns the loop of a test until `done()`; false if that takes longer than `timeout_ms`.
inline bool RunUntil(Dispatcher* dispatcher, const std::function<bool()>& done,
                     int timeout_ms = 10000) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    uv_run(dispatcher->loop(), UV_RUN_NOWAIT);
    if (!done()) std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

/// Turns the loop for so long.
inline void RunFor(Dispatcher* dispatcher, int ms) {
  RunUntil(
      dispatcher, [] { return false; }, ms);
}

/// A folder of a test, removed with all that is in it. Its path is short enough for Unix sockets.
class TempDir {
 public:
  TempDir() {
    char path[] = "/tmp/postern-XXXXXX";
    if (::mkdtemp(path) != nullptr) path_ = path;
  }
  ~TempDir() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

/// Writes in place.
inline void WriteFile(const std::string& path, std::string_view content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << content;
}

/// Writes by way of a rename, as tools that renew a file without a gap do.
inline void ReplaceFile(const std::string& path, std::string_view content) {
  WriteFile(path + ".new", content);
  std::rename((path + ".new").c_str(), path.c_str());
}

}  // namespace postern
