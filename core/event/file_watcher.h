#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "core/event/dispatcher.h"
#include "core/event/timer.h"

namespace postern {

/// Tells when files have changed: written in place, replaced by a rename, removed, made readable,
/// or reached over another symbolic link, as when Kubernetes swaps `..data` of a mounted secret.
/// The kernel reports what happens in the folders concerned; that only leads to a look at the files
/// themselves, once they have been quiet for a moment. A slow poll finds what the kernel cannot
/// report (network file systems, folders that do not exist yet, no inotify watches left). Not
/// thread-safe.
class FileWatcher {
 public:
  struct Options {
    uint64_t quiet_ms = 100;  ///< no event for so long, then the files are looked at
    uint64_t poll_ms = 5000;  ///< looked at so often in any case
  };
  /// Those of the paths that have changed since the last call, in the order given; a file that is
  /// gone has changed too. May destroy the watcher.
  using Callback = absl::AnyInvocable<void(const std::vector<std::string>& changed)>;

  /// `paths` are files that may exist or not. Changes count from here.
  FileWatcher(Dispatcher* dispatcher, std::vector<std::string> paths, Callback on_change)
      : FileWatcher(dispatcher, std::move(paths), std::move(on_change), Options()) {}
  FileWatcher(Dispatcher* dispatcher, std::vector<std::string> paths, Callback on_change,
              const Options& options);
  ~FileWatcher();
  FileWatcher(const FileWatcher&) = delete;
  FileWatcher& operator=(const FileWatcher&) = delete;

  /// Folders that the kernel reports on; where one is missing, only the poll sees changes.
  size_t watched_folders() const { return folders_.size(); }

 private:
  // What tells one state of a file from another.
  struct State {
    bool exists = false;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    int64_t modified_ns = 0;
    int64_t changed_ns = 0;
    bool operator==(const State&) const = default;
    static State Of(const std::string& path);
  };
  struct File {
    std::string path;
    State state;
  };
  struct Folder;

  void OnEvent();
  void Check();
  void WatchFolders();
  void CloseFolder(Folder* folder);

  Dispatcher* dispatcher_;
  std::shared_ptr<Callback>
      on_change_;  // shared with the call under way, which may end the watcher
  Options options_;
  std::vector<File> files_;
  std::vector<Folder*> folders_;  // on their own, for libuv keeps their handles a little longer
  Timer quiet_timer_;
  Timer poll_timer_;
  uint64_t first_event_ms_ = 0;  // of those not looked after yet; 0: none
};

}  // namespace postern
