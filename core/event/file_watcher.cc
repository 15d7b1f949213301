#include "core/event/file_watcher.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <uv.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace postern {
namespace {

// A folder in which something always happens must not put the look off for ever.
constexpr uint64_t kMostQuietPeriods = 10;

int64_t Nanoseconds(const timespec& time) {
  return static_cast<int64_t>(time.tv_sec) * 1000000000 + time.tv_nsec;
}

std::string FolderOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return std::string(path.substr(0, std::max<size_t>(slash, 1)));
}

}  // namespace

struct FileWatcher::Folder {
  FileWatcher* owner;
  std::string path;
  // Of the folder when the watch began: one made anew under the same name needs a new watch.
  dev_t device;
  ino_t inode;
  uv_fs_event_t handle;
};

FileWatcher::State FileWatcher::State::Of(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return {};
  return {.exists = true,
          .device = info.st_dev,
          .inode = info.st_ino,
          .size = info.st_size,
          .modified_ns = Nanoseconds(info.st_mtim),
          .changed_ns = Nanoseconds(info.st_ctim)};
}

FileWatcher::FileWatcher(Dispatcher* dispatcher, std::vector<std::string> paths, Callback on_change,
                         const Options& options)
    : dispatcher_(dispatcher),
      on_change_(std::make_shared<Callback>(std::move(on_change))),
      options_(options),
      quiet_timer_(
          dispatcher->timers(), [](void* arg) { static_cast<FileWatcher*>(arg)->Check(); }, this),
      poll_timer_(
          dispatcher->timers(), [](void* arg) { static_cast<FileWatcher*>(arg)->Check(); }, this) {
  for (std::string& path : paths) {
    if (std::none_of(files_.begin(), files_.end(),
                     [&](const File& file) { return file.path == path; })) {
      files_.push_back({std::move(path), {}});
    }
  }
  // The watch first, so that nothing happens unseen between the two.
  WatchFolders();
  for (File& file : files_) file.state = State::Of(file.path);
  poll_timer_.Start(options_.poll_ms);
}

FileWatcher::~FileWatcher() {
  for (Folder* folder : folders_) CloseFolder(folder);
}

void FileWatcher::CloseFolder(Folder* folder) {
  folder->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&folder->handle),
           [](uv_handle_t* handle) { delete static_cast<Folder*>(handle->data); });
}

// Has the folders of the paths and of what they lead to watched, and no others.
void FileWatcher::WatchFolders() {
  std::vector<std::string> wanted;
  const auto want = [&wanted](std::string folder) {
    if (std::find(wanted.begin(), wanted.end(), folder) == wanted.end()) {
      wanted.push_back(std::move(folder));
    }
  };
  for (const File& file : files_) {
    want(FolderOf(file.path));
    if (char* real = ::realpath(file.path.c_str(), nullptr)) {
      want(FolderOf(real));
      ::free(real);
    }
  }
  std::vector<Folder*> kept;
  for (Folder* folder : folders_) {
    const auto at = std::find(wanted.begin(), wanted.end(), folder->path);
    struct stat info;
    if (at != wanted.end() && ::stat(folder->path.c_str(), &info) == 0 &&
        info.st_dev == folder->device && info.st_ino == folder->inode) {
      kept.push_back(folder);
      wanted.erase(at);
    } else {
      CloseFolder(folder);
    }
  }
  folders_ = std::move(kept);
  for (std::string& path : wanted) {
    struct stat info;
    if (::stat(path.c_str(), &info) != 0) continue;
    auto folder =
        std::make_unique<Folder>(Folder{this, std::move(path), info.st_dev, info.st_ino, {}});
    if (uv_fs_event_init(dispatcher_->loop(), &folder->handle) != 0) continue;
    folder->handle.data = folder.get();
    const int error = uv_fs_event_start(
        &folder->handle,
        [](uv_fs_event_t* handle, const char*, int, int) {
          auto* of = static_cast<Folder*>(handle->data);
          if (of->owner != nullptr) of->owner->OnEvent();
        },
        folder->path.c_str(), 0);
    if (error != 0) {
      CloseFolder(folder.release());
    } else {
      folders_.push_back(folder.release());
    }
  }
}

void FileWatcher::OnEvent() {
  const uint64_t now = dispatcher_->NowMs();
  if (first_event_ms_ == 0) first_event_ms_ = now;
  const uint64_t latest = first_event_ms_ + kMostQuietPeriods * options_.quiet_ms;
  quiet_timer_.Start(latest > now ? std::min(options_.quiet_ms, latest - now) : 0);
}

void FileWatcher::Check() {
  first_event_ms_ = 0;
  quiet_timer_.Cancel();
  poll_timer_.Start(options_.poll_ms);
  // Links may lead elsewhere now. Watched before it is looked at, as at the beginning.
  WatchFolders();
  std::vector<std::string> changed;
  for (File& file : files_) {
    const State state = State::Of(file.path);
    if (state == file.state) continue;
    file.state = state;
    changed.push_back(file.path);
  }
  if (changed.empty()) return;
  const std::shared_ptr<Callback> callback = on_change_;
  (*callback)(changed);
}

}  // namespace postern
