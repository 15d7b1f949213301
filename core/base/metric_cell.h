#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace postern {

/// The numbers that metrics are made of. A cell has one writing thread, for which an increment is a
/// load, an addition and a store without a lock prefix; any thread may read at any time and sees a
/// value that was true a moment ago. Cells of one writer belong together on the same cache lines,
/// and cells of different writers on different ones.

/// A number that only rises.
class CounterCell {
 public:
  /// The writing thread only.
  void Add(uint64_t count = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  /// Shows a total that the writing thread keeps elsewhere in plain memory.
  void Publish(uint64_t total) { value_.store(total, std::memory_order_relaxed); }
  /// For the rare counter that several threads raise; then nobody may call Add() or Publish().
  void AddShared(uint64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }

  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// A number that rises and falls. Same threading as CounterCell.
class GaugeCell {
 public:
  void Add(int64_t change) {
    value_.store(value_.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }

  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

/// Times of requests, in milliseconds: the resolution of the loop's clock. The last bound is what
/// API Gateway allows an integration by default (rest-api.md §6.6).
struct LatencyBuckets {
  static constexpr std::array<uint64_t, 14> kUpper = {1,   2,   5,    10,   25,   50,    100,
                                                      250, 500, 1000, 2500, 5000, 10000, 29000};
  static constexpr double kPerUnit = 1e3;  ///< values observed that make one second
};

/// Short times, in microseconds.
struct ShortTimeBuckets {
  static constexpr std::array<uint64_t, 12> kUpper = {
      50, 100, 250, 500, 1000, 2500, 10000, 25000, 100000, 250000, 1000000, 10000000};
  static constexpr double kPerUnit = 1e6;
};

/// What the cells of several writers come to.
template <typename Buckets>
struct HistogramTotal {
  static constexpr size_t kCount = Buckets::kUpper.size() + 1;
  std::array<uint64_t, kCount> counts = {};  ///< of each bucket alone; the last has no upper bound
  uint64_t sum = 0;                          ///< Buckets::kPerUnit of them make one base unit
};

/// How often values fell into each of some fixed ranges. Same threading as CounterCell. `Buckets`
/// names the upper bounds (inclusive, rising) and the unit of the values.
template <typename Buckets>
class HistogramCell {
 public:
  void Observe(uint64_t value) {
    size_t at = 0;
    while (at < Buckets::kUpper.size() && value > Buckets::kUpper[at]) ++at;
    counts_[at].Add();
    sum_.Add(value);
  }

  /// Adds what this cell holds to `total`. Counts and sum are read one after another, so they may
  /// differ by what is observed meanwhile.
  void AddTo(HistogramTotal<Buckets>* total) const {
    for (size_t i = 0; i < counts_.size(); ++i) total->counts[i] += counts_[i].value();
    total->sum += sum_.value();
  }

 private:
  std::array<CounterCell, Buckets::kUpper.size() + 1> counts_;
  CounterCell sum_;
};

using LatencyHistogram = HistogramCell<LatencyBuckets>;
using ShortTimeHistogram = HistogramCell<ShortTimeBuckets>;

}  // namespace postern
