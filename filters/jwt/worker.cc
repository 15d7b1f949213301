#include "filters/jwt/worker.h"

#include <algorithm>
#include <string>
#include <utility>

#include "lib/text/concat.h"

namespace postern::jwt {

JwtWorker::JwtWorker(const Settings& settings)
    : cache(settings.rules->cache_tokens, settings.rules->cache_bytes), settings_(settings) {}

Status JwtWorker::Start(WorkerContext worker, JwtWorker* previous) {
  worker_ = worker;
  for (const Provider& provider : settings_.rules->providers) {
    std::shared_ptr<KeyState> state;
    const std::string identity = provider.Identity();
    for (size_t i = 0; previous != nullptr && i < previous->slots_.size(); ++i) {
      const KeySource& source = *previous->slots_[i].source;
      if (source.provider().Identity() == identity && source.loaded()) state = source.state();
    }
    slots_.push_back({std::make_unique<KeySource>(provider, settings_.rules->profile,
                                                  settings_.metrics, slots_.size() * 4),
                      {&provider}});
    slots_.back().source->Start(worker, std::move(state));
  }
  pending_ = !Settled();
  if (pending_) return Status::kPending;
  if (const std::optional<std::string> missing = Missing()) {
    Log(LogLevel::kError, *missing);
    return Status::kInternal;
  }
  return Status::kOk;
}

void JwtWorker::OnEvent(WorkerContext worker, const Event& event) {
  const size_t index = event.tag() / 4;
  if (index >= slots_.size()) return;
  slots_[index].source->OnEvent(event);
  if (!pending_ || !Settled()) return;
  pending_ = false;
  if (const std::optional<std::string> missing = Missing()) {
    worker.NotReady(*missing);
  } else {
    worker.Ready();
  }
}

bool JwtWorker::Settled() const {
  return std::all_of(slots_.begin(), slots_.end(),
                     [](const Slot& slot) { return slot.source->settled(); });
}

std::optional<std::string> JwtWorker::Missing() const {
  if (!settings_.rules->require_keys) return std::nullopt;
  for (const Slot& slot : slots_) {
    if (!slot.source->loaded()) {
      return Concat("there are no keys of ", slot.source->provider().issuer);
    }
  }
  return std::nullopt;
}

KeySource& JwtWorker::SourceOf(const Provider& provider, Profile profile) {
  for (Slot& slot : slots_) {
    if (std::find(slot.providers.begin(), slot.providers.end(), &provider) !=
        slot.providers.end()) {
      return *slot.source;
    }
  }
  const std::string identity = provider.Identity();
  for (Slot& slot : slots_) {
    if (slot.source->provider().Identity() == identity) {
      slot.providers.push_back(&provider);
      return *slot.source;
    }
  }
  slots_.push_back(
      {std::make_unique<KeySource>(provider, profile, settings_.metrics, slots_.size() * 4),
       {&provider}});
  slots_.back().source->Start(*worker_, nullptr);
  return *slots_.back().source;
}

}  // namespace postern::jwt
