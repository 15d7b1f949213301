#include "core/upstream/load_balancer.h"

#include <utility>

namespace postern {
namespace {

bool Usable(const LbEntry* entry, uint64_t now_ms, const LbEntry* avoid, bool any) {
  return entry != avoid && (any || entry->Usable(now_ms));
}

// Less busy, measured by weight: a.active / a.weight < b.active / b.weight.
bool LessBusy(const LbEntry* a, const LbEntry* b) {
  return uint64_t{a->active} * b->weight < uint64_t{b->active} * a->weight;
}

}  // namespace

LoadBalancer::LoadBalancer(LbPolicy policy, uint64_t seed) : policy_(policy), random_(seed) {}

void LoadBalancer::SetEntries(std::span<LbEntry* const> entries) {
  entries_ = entries;
  equal_weights_ = true;
  for (LbEntry* entry : entries) {
    entry->current = 0;
    equal_weights_ = equal_weights_ && entry->weight == entries.front()->weight;
  }
  // Workers that start together must not all begin with the same endpoint.
  next_ = entries.empty() ? 0 : random_.Below(static_cast<uint32_t>(entries.size()));
}

LbEntry* LoadBalancer::Pick(uint64_t now_ms, const LbEntry* avoid) {
  if (entries_.empty()) return nullptr;
  if (entries_.size() == 1) return entries_.front();
  const auto pick = [&](const LbEntry* but, bool any) {
    return policy_ == LbPolicy::kLeastRequest ? LeastRequest(now_ms, but, any)
                                              : RoundRobin(now_ms, but, any);
  };
  LbEntry* picked = pick(avoid, /*any=*/false);
  if (picked == nullptr && avoid != nullptr) picked = pick(nullptr, /*any=*/false);
  if (picked == nullptr) picked = pick(avoid, /*any=*/true);
  return picked;
}

LbEntry* LoadBalancer::RoundRobin(uint64_t now_ms, const LbEntry* avoid, bool any) {
  if (equal_weights_) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      LbEntry* entry = entries_[next_];
      next_ = next_ + 1 == entries_.size() ? 0 : next_ + 1;
      if (Usable(entry, now_ms, avoid, any)) return entry;
    }
    return nullptr;
  }
  // Smooth weighted round robin: everyone gains its weight, the richest is chosen and pays the sum.
  LbEntry* best = nullptr;
  int64_t total = 0;
  for (LbEntry* entry : entries_) {
    if (!Usable(entry, now_ms, avoid, any)) continue;
    entry->current += entry->weight;
    total += entry->weight;
    if (best == nullptr || entry->current > best->current) best = entry;
  }
  if (best != nullptr) best->current -= total;
  return best;
}

LbEntry* LoadBalancer::LeastRequest(uint64_t now_ms, const LbEntry* avoid, bool any) {
  const auto count = static_cast<uint32_t>(entries_.size());
  // Two different ones at random, the common case being that both are usable.
  const uint32_t first = random_.Below(count);
  const uint32_t second = (first + 1 + random_.Below(count - 1)) % count;
  LbEntry* a = entries_[first];
  LbEntry* b = entries_[second];
  if (!Usable(a, now_ms, avoid, any) || !Usable(b, now_ms, avoid, any)) {
    // Two of the usable ones, by reservoir sampling.
    a = b = nullptr;
    uint32_t seen = 0;
    for (LbEntry* entry : entries_) {
      if (!Usable(entry, now_ms, avoid, any)) continue;
      ++seen;
      if (seen == 1) {
        a = entry;
      } else if (seen == 2) {
        b = entry;
      } else if (const uint32_t place = random_.Below(seen); place < 2) {
        (place == 0 ? a : b) = entry;
      }
    }
    if (b == nullptr) return a;
    if (random_.Below(2) != 0) std::swap(a, b);  // a draw goes to the first
  }
  return LessBusy(b, a) ? b : a;
}

}  // namespace postern
