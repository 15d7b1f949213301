#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/metric_cell.h"
#include "core/base/metrics_source.h"
#include "core/context/request_context.h"
#include "core/event/dispatcher.h"
#include "core/event/timer.h"
#include "core/observe/access_log_format.h"
#include "core/observe/spsc_ring.h"

namespace postern {

/// Where access-log lines of all workers go: one file or standard output, and the thread that
/// writes to it. A worker hands over whole buffers without a lock and never waits: when the
/// destination is slow and a worker has kBuffersPerWorker buffers on their way, its further lines
/// are dropped and counted. Made by AccessLogs; held by the snapshots that log there.
class AccessLogSink {
 public:
  static constexpr size_t kBufferSize = AccessLogFormat::kMaxLine;
  static constexpr size_t kBuffersPerWorker = 32;  ///< 1 MiB at most, drawn as needed
  static constexpr size_t kBuffersKept = 4;        ///< after a burst

  /// Lines gathered by one worker.
  struct Buffer {
    size_t used = 0;
    uint64_t lines = 0;
    char data[kBufferSize];
  };

  /// One worker's way to the sink. Everything but the rings belongs to the worker.
  class Lane {
   public:
    /// Formats a line into the lane's buffer, which is handed over when it is full. True if the
    /// buffer was empty before and so must be flushed some time. Never blocks.
    bool Log(const AccessLogFormat& format, const RequestContext& context);
    /// The same with a line that is ready, its line feed included. At most kBufferSize bytes.
    bool Append(std::string_view line);
    /// Hands over what is there.
    void Flush();
    /// Frees buffers that a burst left behind.
    void Trim();
    bool empty() const { return current_ == nullptr || current_->used == 0; }

   private:
    friend class AccessLogSink;
    bool TakeBuffer();
    /// `write(out, room)` puts a line into the buffer, or gives 0 where it has too little room.
    template <typename Write>
    bool Put(Write write);

    AccessLogSink* sink_ = nullptr;
    Buffer* current_ = nullptr;  // owned
    size_t made_ = 0;            // buffers of this lane that exist
    CounterCell lines_;
    CounterCell dropped_;
    SpscRing<Buffer*, kBuffersPerWorker> full_;
    SpscRing<Buffer*, kBuffersPerWorker> empty_;
  };

  /// Takes over `fd`. An empty `path` is a destination that cannot be opened again.
  AccessLogSink(std::string name, std::string path, int fd, size_t workers);
  /// Writes what was handed over, for at most kCloseTimeout. No worker may use a lane any more;
  /// what is still in a lane's buffer is written too.
  ~AccessLogSink();
  AccessLogSink(const AccessLogSink&) = delete;
  AccessLogSink& operator=(const AccessLogSink&) = delete;

  Lane* lane(size_t worker) { return &lanes_[worker]; }

  /// Opens the file again by its path, so that a log that was moved away is let go. Any thread;
  /// done by the sink's thread before it writes again. If that fails the old file stays in use.
  void Reopen();

  const std::string& name() const { return name_; }
  /// Lines formatted, and of these the ones lost. Any thread.
  uint64_t lines() const;
  uint64_t dropped() const;
  uint64_t failed() const { return failed_.value(); }

  static constexpr std::chrono::milliseconds kCloseTimeout{2000};

 private:
  void Wake();
  void Run();
  bool DrainLanes();
  void WriteOut(const char* data, size_t size);
  void ReopenNow();
  bool WaitWritable();
  size_t WritableNow(size_t size) const;
  bool GiveUp() const;

  const std::string name_;
  const std::string path_;
  int fd_;                // the thread's
  bool regular_ = false;  // a regular file: writing does not wait for a reader
  const size_t workers_;
  std::unique_ptr<Lane[]> lanes_;
  CounterCell failed_;  // written by the thread
  int64_t last_complaint_s_ = -1;

  std::atomic<uint32_t> signal_{0};  // changes when there is something to do
  std::atomic<bool> reopen_{false};
  std::atomic<bool> closing_{false};
  std::atomic<int64_t> give_up_at_ms_{INT64_MAX};
  std::thread thread_;
};

/// All access-log destinations of the process, by name. Any thread. Outlives the workers and
/// whatever holds a sink, so that a sink never ends on a worker's thread.
class AccessLogs final : public MetricsSource {
 public:
  static constexpr size_t kMaxSinks = 32;

  explicit AccessLogs(size_t workers) : workers_(workers) {}
  AccessLogs(const AccessLogs&) = delete;
  AccessLogs& operator=(const AccessLogs&) = delete;

  /// The sink of a file, opened for appending and made (mode 0640) if it is not there; the same one
  /// each time. FailedPrecondition or the like, naming the path, if it cannot be opened.
  /// ResourceExhausted beyond kMaxSinks. Closes sinks that nobody holds any more, so it may wait
  /// for their last lines: not for a worker's thread.
  absl::StatusOr<std::shared_ptr<AccessLogSink>> OpenFile(std::string_view path);
  /// The sink that writes to standard output.
  absl::StatusOr<std::shared_ptr<AccessLogSink>> OpenStandardOutput();

  /// AccessLogSink::Reopen() for all, on SIGHUP.
  void ReopenAll();

  void Collect(MetricsSink* sink) override;

 private:
  absl::StatusOr<std::shared_ptr<AccessLogSink>> Open(std::string_view name, std::string_view path,
                                                      int fd);
  void CloseUnheldLocked();

  const size_t workers_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<AccessLogSink>, std::less<>> sinks_;
};

/// What a stage's access log is: where and how. Part of a snapshot.
struct AccessLogTarget {
  std::shared_ptr<AccessLogSink> sink;
  AccessLogFormat format;
};

/// One worker's access logging: writes lines and flushes them after a while. Loop thread only.
class AccessLogWorker {
 public:
  static constexpr uint64_t kFlushMs = 200;  ///< longest time that a line waits for others

  AccessLogWorker(Dispatcher* dispatcher, size_t worker);
  /// Hands over what is left.
  ~AccessLogWorker();
  AccessLogWorker(const AccessLogWorker&) = delete;
  AccessLogWorker& operator=(const AccessLogWorker&) = delete;

  /// Writes the line of an exchange that has ended. Takes hold of the sink until it is flushed.
  void Log(const AccessLogTarget& target, const RequestContext& context);
  /// The same with a line that is ready, its line feed included, for a log of another kind.
  void Append(const std::shared_ptr<AccessLogSink>& sink, std::string_view line);

  void Flush();

 private:
  void FlushLater(const std::shared_ptr<AccessLogSink>& sink);

  const size_t worker_;
  Timer timer_;
  std::vector<std::shared_ptr<AccessLogSink>> waiting_;  // sinks with lines of ours not handed over
};

}  // namespace postern
