#include "api/sdk/testing/fake_host.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "api/sdk/testing/fake_internal.h"

namespace postern::testing {

using internal::AllOf;
using internal::Borrow;
using internal::kNameCharacters;

namespace {

constexpr uint32_t kKnownCapabilities =
    POSTERN_CAP_BODY | POSTERN_CAP_CALLOUT | POSTERN_CAP_SHARED | POSTERN_CAP_THREADS;

}  // namespace

FakeHost::FakeHost(const postern_manifest* manifest, decltype(&postern_module_init) init) {
  Load(manifest, init);
}

FakeHost::FakeHost(const std::string& path) {
  handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle_ == nullptr) Die(dlerror());
  const auto* manifest =
      static_cast<const postern_manifest*>(dlsym(handle_, "postern_module_manifest"));
  const auto init =
      reinterpret_cast<decltype(&postern_module_init)>(dlsym(handle_, "postern_module_init"));
  if (manifest == nullptr || init == nullptr) Die(path + " lacks a symbol of a module");
  Load(manifest, init);
}

void FakeHost::Load(const postern_manifest* manifest, decltype(&postern_module_init) init) {
  if (internal::current_host != nullptr) Die("there is a host already");
  internal::current_host = this;
  const auto text = [](const char* field, size_t size) {
    const char* end = std::find(field, field + size, '\0');
    return end == field + size ? std::string() : std::string(field, end);
  };
  const std::string name = text(manifest->name, sizeof manifest->name);
  const std::string version = text(manifest->version, sizeof manifest->version);
  if (manifest->magic != POSTERN_ABI_MAGIC || manifest->size < sizeof(postern_manifest) ||
      manifest->abi_major != POSTERN_ABI_MAJOR) {
    Die("the manifest is not one of this ABI");
  }
  if (manifest->abi_minor > POSTERN_ABI_MINOR) Die("the module needs a newer minor of the ABI");
  if (name.empty() || !AllOf(name, kNameCharacters)) Die("bad name in the manifest");
  if (version.empty() || !AllOf(version, std::string(kNameCharacters) + "+")) {
    Die("bad version in the manifest");
  }
  capabilities_ = manifest->capabilities;
  if ((capabilities_ & ~kKnownCapabilities) != 0) Die("unknown capability in the manifest");

  self_ = std::make_unique<postern_self>(postern_self{this});
  const postern_filter* table = nullptr;
  if (init(&internal::HostTable(), self_.get(), &module_, &table) != POSTERN_OK) {
    Die("postern_module_init failed");
  }
  if (table == nullptr) Die("postern_module_init gave no table");
  std::memcpy(&filter_, table, std::min<size_t>(table->size, sizeof filter_));
  if ((filter_.request_body != nullptr || filter_.response_body != nullptr) &&
      (capabilities_ & POSTERN_CAP_BODY) == 0) {
    Die("a body hook, but capability BODY is not declared");
  }
}

FakeHost::~FakeHost() {
  for (const auto& stream : streams_) stream->End(false);
  Run();
  current_ = nullptr;
  next_ = nullptr;
  RetireUnused();
  streams_.clear();
  if (filter_.module_destroy != nullptr) filter_.module_destroy(module_);
  posted_.clear();
  if (wakers_ > 0) Misuse(std::to_string(wakers_) + " wakers were not freed");
  if (bodies_held_ > 0) Misuse(std::to_string(bodies_held_) + " bodies were not released");
  const std::vector<std::string> misuses = TakeMisuses();
  internal::current_host = nullptr;
  if (misuses.empty()) return;
  std::string all = "the module broke the contract, and the test did not expect it:";
  for (const std::string& misuse : misuses) all += "\n  " + misuse;
  Die(all);
}

void FakeHost::Die(const std::string& message) {
  std::fprintf(stderr, "fake host: %s\n", message.c_str());
  std::abort();
}

void FakeHost::Misuse(const std::string& message) {
  const std::lock_guard<std::mutex> lock(mutex_);
  misuses_.push_back(message);
}

bool FakeHost::OnWorker(const char* function) {
  if (std::this_thread::get_id() == worker_) return true;
  Misuse(std::string(function) + ": wrong thread");
  return false;
}

std::vector<std::string> FakeHost::TakeMisuses() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(misuses_, {});
}

void FakeHost::AddUpstream(std::string name, UpstreamFn answer) {
  upstreams_[std::move(name)] = std::move(answer);
}

void FakeHost::SetInstance(std::string name, bool authorizer) {
  instance_ = std::move(name);
  authorizer_ = authorizer;
}

postern_ctx* FakeHost::NewContext(FakeStream* stream, FakeStream::Snapshot* worker) {
  contexts_.push_back(std::make_unique<postern_ctx>(
      postern_ctx{this, stream, true, false, worker != nullptr ? worker->worker_state : nullptr}));
  return contexts_.back().get();
}

bool FakeHost::Configure(std::string_view json, const std::vector<Scope>& scopes) {
  if (next_ != nullptr) Die("the configuration before is not ready yet");
  errors_.clear();
  auto made = std::make_unique<FakeStream::Snapshot>();
  FakeStream::Snapshot* snapshot = made.get();
  snapshot->generation = ++generation_;
  snapshots_.push_back(std::move(made));

  std::vector<Scope> all = {{"", std::string(json)}};
  all.insert(all.end(), scopes.begin(), scopes.end());
  bool accepted = true;
  for (const Scope& scope : all) {
    void* config = nullptr;
    if (filter_.config_create == nullptr) {
      if (scope.json != "{}") errors_.push_back(": the module takes no configuration");
    } else {
      postern_config in{};
      in.size = sizeof in;
      in.encoding = POSTERN_CONFIG_JSON;
      in.instance = Borrow(instance_);
      in.scope = Borrow(scope.scope);
      in.bytes = Borrow(scope.json);
      in.parent = snapshot->configs.empty() ? nullptr : snapshot->configs.front().second;
      config_contexts_.push_back(std::make_unique<postern_config_ctx>(postern_config_ctx{
          this, generation_, scope.scope.empty() ? "" : scope.scope + ": ", true}));
      postern_config_ctx* ctx = config_contexts_.back().get();
      const postern_status status = filter_.config_create(module_, ctx, &in, &config);
      ctx->open = false;
      if (status != POSTERN_OK) {
        accepted = false;
        if (errors_.empty()) errors_.push_back(": config_create failed");
        break;  // What is below has no parent.
      }
    }
    snapshot->configs.emplace_back(scope.scope, config);
  }
  accepted = accepted && errors_.empty();
  next_ = snapshot;
  if (accepted && filter_.worker_create != nullptr) {
    snapshot->worker = NewContext(nullptr, snapshot);
    snapshot->worker->waiting = false;
    const postern_status status = filter_.worker_create(
        snapshot->configs.front().second, snapshot->worker,
        current_ != nullptr ? current_->worker_state : nullptr, &snapshot->worker_state);
    snapshot->worker->worker_state = snapshot->worker_state;
    snapshot->has_worker = status >= 0;
    if (status == POSTERN_PENDING) {
      snapshot->worker->waiting = true;
      Run();
      return true;
    }
    if (status != POSTERN_OK) {
      errors_.push_back("worker: worker_create failed");
      accepted = false;
    }
  }
  Commit(accepted);
  Run();
  return accepted;
}

void FakeHost::Commit(bool accepted) {
  FakeStream::Snapshot* snapshot = std::exchange(next_, nullptr);
  if (accepted) current_ = snapshot;
  RetireUnused();
}

void FakeHost::RetireUnused() {
  for (size_t i = 0; i < snapshots_.size();) {
    FakeStream::Snapshot* snapshot = snapshots_[i].get();
    if (snapshot == current_ || snapshot == next_ || snapshot->streams > 0) {
      ++i;
      continue;
    }
    Retire(snapshot);
    snapshots_.erase(snapshots_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

void FakeHost::Retire(FakeStream::Snapshot* snapshot) {
  if (snapshot->worker != nullptr) EndOwner(snapshot->worker);
  if (snapshot->has_worker && filter_.worker_destroy != nullptr) {
    filter_.worker_destroy(snapshot->worker_state);
  }
  while (!snapshot->configs.empty()) {
    if (filter_.config_destroy != nullptr && snapshot->configs.back().second != nullptr) {
      filter_.config_destroy(snapshot->configs.back().second);
    }
    snapshot->configs.pop_back();
  }
}

std::string FakeHost::ErrorText() const {
  std::string all;
  for (const std::string& error : errors_) all += error + "\n";
  return all;
}

FakeStream& FakeHost::NewStream(std::string_view scope) {
  if (current_ == nullptr) Die("no configuration is in force");
  const auto& configs = current_->configs;
  if (std::none_of(configs.begin(), configs.end(),
                   [scope](const auto& config) { return config.first == scope; })) {
    Die("there is no scope \"" + std::string(scope) + "\"");
  }
  streams_.emplace_back(new FakeStream(this, current_, current_->ConfigOf(scope)));
  return *streams_.back();
}

void FakeHost::Post(std::function<void()> run) { posted_.push_back(std::move(run)); }

void FakeHost::Schedule(uint64_t delay_ms, Task task) {
  const uint64_t never = std::numeric_limits<uint64_t>::max();
  tasks_.emplace(delay_ms > never - now_ms_ ? never : now_ms_ + delay_ms, std::move(task));
}

bool FakeHost::CancelTask(postern_ctx* owner, uint64_t id, bool callout) {
  return std::erase_if(tasks_, [&](const auto& entry) {
           return entry.second.owner == owner && entry.second.id == id &&
                  entry.second.callout == callout;
         }) > 0;
}

void FakeHost::EndOwner(postern_ctx* owner) {
  std::erase_if(tasks_, [owner](const auto& entry) { return entry.second.owner == owner; });
  const std::lock_guard<std::mutex> lock(mutex_);
  owner->alive = false;
  std::erase_if(wakes_, [owner](const auto& wake) { return wake.first == owner; });
}

void FakeHost::Notify(postern_ctx* owner, const postern_event& event) {
  if (in_hook_) Die("a hook would be re-entered: do not drive the host from one");
  in_hook_ = true;
  if (owner->stream == nullptr) {
    if (filter_.worker_event != nullptr) filter_.worker_event(owner->worker_state, owner, &event);
  } else if (filter_.stream_event != nullptr) {
    filter_.stream_event(owner->stream->self_, owner, &event);
  }
  in_hook_ = false;
  if (owner->stream != nullptr) owner->stream->FreshenBorrowed();
}

void FakeHost::FinishCallout(postern_ctx* owner, uint64_t id, uint64_t tag, uint64_t started_ms,
                             const CalloutAnswer& answer) {
  postern_callout_result result{};
  result.size = sizeof result;
  result.outcome = answer.outcome;
  result.latency_ms = static_cast<uint32_t>(now_ms_ - started_ms);
  std::vector<postern_header> headers;
  std::vector<postern_str> slices;
  if (answer.outcome == POSTERN_CALLOUT_OK) {
    result.status = answer.status;
    for (const auto& [name, value] : answer.headers)
      headers.push_back({Borrow(name), Borrow(value)});
    const std::string_view body = answer.body;
    const size_t middle = whole_slices_ ? 0 : body.size() / 2;
    for (const std::string_view part : {body.substr(0, middle), body.substr(middle)}) {
      if (!part.empty()) slices.push_back(Borrow(part));
    }
  }
  result.headers = headers.data();
  result.header_count = headers.size();
  result.body = slices.data();
  result.body_count = slices.size();
  Notify(owner, {sizeof(postern_event), POSTERN_EVENT_CALLOUT, tag, id, &result});
}

// Runs one thing that is due by a time, moving the clock to it. False when there is nothing.
bool FakeHost::RunOne(uint64_t until_ms) {
  if (!posted_.empty()) {
    const std::function<void()> run = std::move(posted_.front());
    posted_.pop_front();
    run();
    return true;
  }
  std::optional<std::pair<postern_ctx*, uint64_t>> wake;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!wakes_.empty()) {
      wake = wakes_.front();
      wakes_.pop_front();
    }
  }
  if (wake) {
    Notify(wake->first, {sizeof(postern_event), POSTERN_EVENT_WAKE, wake->second, 0, nullptr});
    return true;
  }
  if (tasks_.empty() || tasks_.begin()->first > until_ms) return false;
  now_ms_ = std::max(now_ms_, tasks_.begin()->first);
  const Task task = std::move(tasks_.begin()->second);
  tasks_.erase(tasks_.begin());
  task.run();
  return true;
}

void FakeHost::Run() {
  if (in_hook_) Die("a hook would be re-entered: do not drive the host from one");
  constexpr int kMaxTurns = 100000;
  for (int turn = 0; RunOne(now_ms_); ++turn) {
    if (turn == kMaxTurns) Die("the module keeps the loop busy for ever");
  }
}

void FakeHost::AdvanceTime(uint64_t ms) {
  const uint64_t until = now_ms_ + ms;
  Run();
  while (RunOne(until)) Run();
  now_ms_ = until;
  Run();
}

bool FakeHost::RunUntil(const std::function<bool()>& done, uint64_t real_ms) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(real_ms);
  while (true) {
    Run();
    if (done()) return true;
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::vector<int64_t> FakeHost::Observations(const std::string& name,
                                            const std::vector<std::string>& labels) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = recorded_.find({name, labels});
  return found == recorded_.end() ? std::vector<int64_t>() : found->second;
}

int64_t FakeHost::MetricValue(const std::string& name,
                              const std::vector<std::string>& labels) const {
  const std::vector<int64_t> values = Observations(name, labels);
  if (values.empty()) return 0;
  const auto is_it = [&name](const auto& metric) { return metric.name == name; };
  const auto metric = std::find_if(metrics_.begin(), metrics_.end(), is_it);
  if (metric->kind == POSTERN_GAUGE) return values.back();
  int64_t sum = 0;
  for (const int64_t value : values) sum += value;
  return sum;
}

bool FakeHost::Logged(std::string_view text) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::any_of(logs_.begin(), logs_.end(), [text](const LogLine& line) {
    return line.message.find(text) != std::string::npos;
  });
}

std::optional<std::string> FakeHost::Shared(const std::string& key) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = shared_.find(key);
  if (found == shared_.end() || !Alive(found->second)) return std::nullopt;
  return found->second.value;
}

void FakeHost::SetShared(const std::string& key, std::string value) {
  const std::lock_guard<std::mutex> lock(mutex_);
  shared_[key] = {std::move(value), ++shared_version_, std::numeric_limits<uint64_t>::max()};
}

}  // namespace postern::testing
