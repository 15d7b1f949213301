#include "core/observe/loop_watch.h"

#include <uv.h>

#include <algorithm>
#include <string>
#include <utility>

namespace postern {
namespace {

uint64_t NowUs() { return uv_hrtime() / 1000; }

}  // namespace

LoopWatch::LoopWatch(Dispatcher* own, Options options) : options_(options) {
  if (own == nullptr) return;
  timer_ = std::make_unique<Timer>(
      own->timers(),
      [](void* arg) {
        auto* self = static_cast<LoopWatch*>(arg);
        self->Tick();
        self->Arm();
      },
      this);
  Arm();
}

LoopWatch::~LoopWatch() = default;

void LoopWatch::Arm() { timer_->Start(options_.interval_ms); }

void LoopWatch::Add(Dispatcher* worker) {
  auto lane = std::make_shared<Lane>();
  lane->dispatcher = worker;
  lanes_.push_back(std::move(lane));
}

void LoopWatch::Clear() { lanes_.clear(); }

void LoopWatch::Tick() {
  for (const std::shared_ptr<Lane>& lane : lanes_) {
    const uint64_t heartbeat = lane->dispatcher->Heartbeat();
    const bool answered = lane->answered.load(std::memory_order_acquire);
    if (answered || heartbeat != lane->heartbeat) {
      lane->heartbeat = heartbeat;
      lane->turned_at_us = NowUs();
    }
    if (!answered) continue;
    lane->answered.store(false, std::memory_order_relaxed);
    lane->asked_at_us = NowUs();
    lane->dispatcher->Post([lane, asked_at_us = lane->asked_at_us] {
      const uint64_t lag = NowUs() - asked_at_us;
      lane->lag_us.store(lag, std::memory_order_relaxed);
      lane->lag.Observe(lag);
      lane->answered.store(true, std::memory_order_release);
    });
  }
}

std::vector<LoopWatch::Stall> LoopWatch::Stalled() const {
  std::vector<Stall> stalled;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    const Lane& lane = *lanes_[i];
    if (lane.answered.load(std::memory_order_acquire)) continue;
    // It may have turned without coming to the task yet; then it is busy, not stuck.
    if (lane.dispatcher->Heartbeat() != lane.heartbeat) continue;
    const uint64_t for_ms = (NowUs() - lane.turned_at_us) / 1000;
    if (for_ms >= options_.limit_ms) stalled.push_back({i, for_ms});
  }
  return stalled;
}

void LoopWatch::Collect(MetricsSink* sink) {
  HistogramTotal<ShortTimeBuckets> lag;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    const Lane& lane = *lanes_[i];
    const std::string worker = std::to_string(i);
    uint64_t last_us = lane.lag_us.load(std::memory_order_relaxed);
    // One that has not answered yet shows how long it has been taking.
    if (!lane.answered.load(std::memory_order_acquire)) {
      last_us = std::max(last_us, NowUs() - lane.asked_at_us);
    }
    lane.lag.AddTo(&lag);
    sink->Gauge({"postern_worker_loop_last_lag_seconds",
                 "Time that the worker's loop took to come to a task the last time it was asked.",
                 "seconds"},
                {{"worker", worker}}, static_cast<double>(last_us) / 1e6);
    sink->Counter({"postern_worker_loop_turns", "Iterations of the worker's event loop."},
                  {{"worker", worker}}, lane.dispatcher->Heartbeat());
  }
  sink->Histogram(
      {"postern_loop_lag_seconds",
       "Time that workers' loops took to come to a task, asked once a second.", "seconds"},
      {}, lag);
}

}  // namespace postern
