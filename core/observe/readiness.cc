#include "core/observe/readiness.h"

namespace postern {
namespace {

constexpr std::string_view kNames[] = {"snapshot", "listeners", "warm", "serving"};
constexpr std::string_view kAtFirst[] = {"no snapshot is active yet", "listeners are not open yet",
                                         "not warmed up yet", ""};
constexpr size_t kServing = static_cast<size_t>(Readiness::Condition::kServing);

}  // namespace

Readiness::Readiness() {
  for (size_t i = 0; i < entries_.size(); ++i) entries_[i].reason = kAtFirst[i];
  entries_[kServing].holds = true;
}

void Readiness::Set(Condition condition, bool holds, std::string_view reason) {
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[static_cast<size_t>(condition)];
  if (condition == Condition::kServing && draining_) return;
  entry.holds = holds;
  entry.reason = holds ? std::string_view() : reason;
  if (AllLocked()) started_ = true;
}

void Readiness::BeginDrain(std::string_view reason) {
  std::lock_guard lock(mutex_);
  draining_ = true;
  entries_[kServing].holds = false;
  entries_[kServing].reason = reason;
}

bool Readiness::AllLocked() const {
  for (const Entry& entry : entries_) {
    if (!entry.holds) return false;
  }
  return true;
}

bool Readiness::ready() const {
  std::lock_guard lock(mutex_);
  return AllLocked();
}

bool Readiness::started() const {
  std::lock_guard lock(mutex_);
  return started_;
}

bool Readiness::draining() const {
  std::lock_guard lock(mutex_);
  return draining_;
}

std::string_view Readiness::Name(Condition condition) {
  return kNames[static_cast<size_t>(condition)];
}

std::vector<Readiness::State> Readiness::States() const {
  std::lock_guard lock(mutex_);
  std::vector<State> states;
  for (size_t i = 0; i < entries_.size(); ++i) {
    states.push_back({kNames[i], entries_[i].holds, entries_[i].reason});
  }
  return states;
}

}  // namespace postern
