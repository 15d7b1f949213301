#include "core/observe/access_log.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "core/base/log.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int OpenForAppending(const std::string& path) {
  // Non-blocking for the sake of named pipes, which else wait for a reader here.
  return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
              0640);
}

bool IsRegular(int fd) {
  struct stat about {};
  return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

}  // namespace

AccessLogSink::AccessLogSink(std::string name, std::string path, int fd, size_t workers)
    : name_(std::move(name)),
      path_(std::move(path)),
      fd_(fd),
      regular_(IsRegular(fd)),
      workers_(workers),
      lanes_(std::make_unique<Lane[]>(workers)) {
  for (size_t i = 0; i < workers_; ++i) lanes_[i].sink_ = this;
  // Signals are for the main thread. A reader that is gone is an error of write(), not a signal.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

AccessLogSink::~AccessLogSink() {
  for (size_t i = 0; i < workers_; ++i) lanes_[i].Flush();
  give_up_at_ms_.store(NowMs() + kCloseTimeout.count(), std::memory_order_relaxed);
  closing_.store(true, std::memory_order_release);
  Wake();
  thread_.join();
  for (size_t i = 0; i < workers_; ++i) {
    Lane& lane = lanes_[i];
    Buffer* buffer = nullptr;
    while (lane.full_.Pop(&buffer) || lane.empty_.Pop(&buffer)) delete buffer;
    delete lane.current_;
  }
  close(fd_);
}

bool AccessLogSink::Lane::TakeBuffer() {
  if (current_ != nullptr) return true;
  if (empty_.Pop(&current_)) return true;
  if (made_ == kBuffersPerWorker) return false;
  // Not value-initialized: its pages are touched when lines come.
  current_ = new Buffer;
  ++made_;
  return true;
}

template <typename Write>
bool AccessLogSink::Lane::Put(Write write) {
  lines_.Add();
  if (!TakeBuffer()) {
    dropped_.Add();
    return false;
  }
  bool was_empty = current_->used == 0;
  size_t size = write(current_->data + current_->used, kBufferSize - current_->used);
  if (size == 0) {
    Flush();
    was_empty = true;
    if (!TakeBuffer()) {
      dropped_.Add();
      return false;
    }
    size = write(current_->data, kBufferSize);
  }
  current_->used += size;
  ++current_->lines;
  return was_empty;
}

bool AccessLogSink::Lane::Log(const AccessLogFormat& format, const RequestContext& context) {
  return Put([&](char* out, size_t room) { return format.Write(context, out, room); });
}

bool AccessLogSink::Lane::Append(std::string_view line) {
  return Put([line](char* out, size_t room) {
    if (line.size() > room) return size_t{0};
    std::memcpy(out, line.data(), line.size());
    return line.size();
  });
}

void AccessLogSink::Lane::Flush() {
  if (empty()) return;
  // There are never more buffers than the ring has places.
  full_.Push(std::exchange(current_, nullptr));
  sink_->Wake();
}

void AccessLogSink::Lane::Trim() {
  Buffer* buffer = nullptr;
  while (made_ > kBuffersKept && empty_.Pop(&buffer)) {
    delete buffer;
    --made_;
  }
}

void AccessLogSink::Wake() {
  signal_.fetch_add(1, std::memory_order_release);
  signal_.notify_one();
}

void AccessLogSink::Reopen() {
  if (path_.empty()) return;
  reopen_.store(true, std::memory_order_release);
  Wake();
}

uint64_t AccessLogSink::lines() const {
  uint64_t sum = 0;
  for (size_t i = 0; i < workers_; ++i) sum += lanes_[i].lines_.value();
  return sum;
}

uint64_t AccessLogSink::dropped() const {
  uint64_t sum = 0;
  for (size_t i = 0; i < workers_; ++i) sum += lanes_[i].dropped_.value();
  return sum;
}

void AccessLogSink::Run() {
  pthread_setname_np(pthread_self(), "access-log");
  for (;;) {
    const uint32_t seen = signal_.load(std::memory_order_acquire);
    const bool closing = closing_.load(std::memory_order_acquire);
    if (reopen_.exchange(false, std::memory_order_acq_rel)) ReopenNow();
    if (DrainLanes()) continue;
    if (closing) return;
    signal_.wait(seen, std::memory_order_acquire);
  }
}

// One buffer of each worker in turn. True if there was any.
bool AccessLogSink::DrainLanes() {
  bool any = false;
  for (size_t i = 0; i < workers_; ++i) {
    Buffer* buffer = nullptr;
    if (!lanes_[i].full_.Pop(&buffer)) continue;
    any = true;
    WriteOut(buffer->data, buffer->used);
    buffer->used = 0;
    buffer->lines = 0;
    lanes_[i].empty_.Push(buffer);
  }
  return any;
}

void AccessLogSink::ReopenNow() {
  const int fd = OpenForAppending(path_);
  if (fd < 0) {
    Log(LogLevel::kError, "access_log_reopen_failed",
        {{"destination", name_}, {"error", std::strerror(errno)}});
    return;
  }
  close(std::exchange(fd_, fd));
  regular_ = IsRegular(fd_);
}

bool AccessLogSink::GiveUp() const {
  return NowMs() >= give_up_at_ms_.load(std::memory_order_relaxed);
}

// Waits until something that is no regular file takes bytes. False when time is up.
bool AccessLogSink::WaitWritable() {
  while (!GiveUp()) {
    pollfd wait{fd_, POLLOUT, 0};
    const int ready = poll(&wait, 1, 100);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // write() will say what is wrong
    if (reopen_.exchange(false, std::memory_order_acq_rel)) ReopenNow();
  }
  return false;
}

// How much a descriptor that poll() calls writable takes without waiting. Standard output is not
// made non-blocking, for that would change it for every process that shares it.
size_t AccessLogSink::WritableNow(size_t size) const {
  int unread = 0;
  const int capacity = fcntl(fd_, F_GETPIPE_SZ);
  if (capacity > 0 && ioctl(fd_, FIONREAD, &unread) == 0 && unread == 0) {
    return std::min(size, static_cast<size_t>(capacity));
  }
  return std::min<size_t>(size, PIPE_BUF);
}

void AccessLogSink::WriteOut(const char* data, size_t size) {
  while (size != 0) {
    size_t part = size;
    if (!regular_) {
      if (!WaitWritable()) {
        failed_.Add(static_cast<uint64_t>(std::count(data, data + size, '\n')));
        return;
      }
      part = WritableNow(size);
      // Lines stay whole where the pipe takes part of them only.
      if (part < size) {
        const void* line_end = memrchr(data, '\n', part);
        if (line_end != nullptr) {
          part = static_cast<size_t>(static_cast<const char*>(line_end) - data) + 1;
        }
      }
    }
    const ssize_t written = write(fd_, data, part);
    if (written > 0) {
      data += written;
      size -= static_cast<size_t>(written);
      continue;
    }
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    const int error = errno;
    failed_.Add(static_cast<uint64_t>(std::count(data, data + size, '\n')));
    // A full disk fails every write; one line a minute says so.
    if (const int64_t now_s = NowMs() / 1000;
        last_complaint_s_ < 0 || now_s - last_complaint_s_ >= 60) {
      last_complaint_s_ = now_s;
      Log(LogLevel::kError, "access_log_write_failed",
          {{"destination", name_}, {"error", std::strerror(error)}});
    }
    return;
  }
}

absl::StatusOr<std::shared_ptr<AccessLogSink>> AccessLogs::OpenFile(std::string_view path) {
  return Open(path, path, -1);
}

absl::StatusOr<std::shared_ptr<AccessLogSink>> AccessLogs::OpenStandardOutput() {
  return Open("stdout", {}, STDOUT_FILENO);
}

absl::StatusOr<std::shared_ptr<AccessLogSink>> AccessLogs::Open(std::string_view name,
                                                                std::string_view path, int fd) {
  std::lock_guard lock(mutex_);
  CloseUnheldLocked();
  if (const auto found = sinks_.find(name); found != sinks_.end()) return found->second;
  if (sinks_.size() >= kMaxSinks) {
    return absl::ResourceExhaustedError(
        Concat("access log ", name, ": there are ", kMaxSinks, " destinations already"));
  }
  const int own = fd < 0 ? OpenForAppending(std::string(path)) : fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (own < 0) {
    const int error = errno;
    return absl::ErrnoToStatus(error, Concat("access log ", name));
  }
  auto sink = std::make_shared<AccessLogSink>(std::string(name), std::string(path), own, workers_);
  sinks_.emplace(std::string(name), sink);
  return sink;
}

void AccessLogs::CloseUnheldLocked() {
  std::erase_if(sinks_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

void AccessLogs::ReopenAll() {
  std::lock_guard lock(mutex_);
  for (const auto& [name, sink] : sinks_) sink->Reopen();
}

void AccessLogs::Collect(MetricsSink* out) {
  std::lock_guard lock(mutex_);
  for (const auto& [name, sink] : sinks_) {
    out->Counter({"postern_access_log_lines", "Access log lines made."}, {{"destination", name}},
                 sink->lines());
    constexpr MetricFamily kDropped = {"postern_access_log_dropped",
                                       "Access log lines lost: slow, the destination did not keep "
                                       "up; error, writing failed."};
    out->Counter(kDropped, {{"destination", name}, {"reason", "slow"}}, sink->dropped());
    out->Counter(kDropped, {{"destination", name}, {"reason", "error"}}, sink->failed());
  }
}

AccessLogWorker::AccessLogWorker(Dispatcher* dispatcher, size_t worker)
    : worker_(worker),
      timer_(
          dispatcher->timers(), [](void* arg) { static_cast<AccessLogWorker*>(arg)->Flush(); },
          this) {}

AccessLogWorker::~AccessLogWorker() { Flush(); }

void AccessLogWorker::Log(const AccessLogTarget& target, const RequestContext& context) {
  if (target.sink->lane(worker_)->Log(target.format, context)) FlushLater(target.sink);
}

void AccessLogWorker::Append(const std::shared_ptr<AccessLogSink>& sink, std::string_view line) {
  if (sink->lane(worker_)->Append(line)) FlushLater(sink);
}

void AccessLogWorker::FlushLater(const std::shared_ptr<AccessLogSink>& sink) {
  if (std::find(waiting_.begin(), waiting_.end(), sink) == waiting_.end()) waiting_.push_back(sink);
  if (!timer_.armed()) timer_.Start(kFlushMs);
}

void AccessLogWorker::Flush() {
  timer_.Cancel();
  for (const std::shared_ptr<AccessLogSink>& sink : waiting_) {
    sink->lane(worker_)->Flush();
    sink->lane(worker_)->Trim();
  }
  waiting_.clear();
}

}  // namespace postern
