#include "core/credentials/credential_service.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "core/base/log.h"
#include "core/net/tls_context.h"
#include "core/upstream/host_resolver.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/glob.h"

namespace postern {
namespace {

// Credentials are renewed at a moment by chance between these before their end (authorization.md
// §12.2), so that many gateways do not ask at once; those that live less long, in the middle.
constexpr int64_t kEarliestMs = 15 * 60 * 1000;
constexpr int64_t kLatestMs = 5 * 60 * 1000;
constexpr int64_t kShortestMs = 500;
// A service that refuses credentials has them renewed no more often than this.
constexpr uint64_t kRefusedPauseMs = 5000;

std::string_view View(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

}  // namespace

absl::StatusOr<RoleUse> RoleUse::Parse(std::string_view text) {
  // Names of roles may have "=" in them.
  const size_t equals = text.rfind('=');
  RoleUse out;
  out.role = text.substr(0, std::min(equals, text.size()));
  std::string_view use = equals == text.npos ? std::string_view() : text.substr(equals + 1);
  constexpr std::string_view kProfilePrefix = "profile:";
  if (out.role.empty()) {
    return absl::InvalidArgumentError("write ROLE=assume, ROLE=gateway or ROLE=profile:NAME");
  }
  if (use == "assume") return out;
  if (use == "gateway") {
    out.kind = Kind::kGateway;
    return out;
  }
  if (use.starts_with(kProfilePrefix) && use.size() > kProfilePrefix.size()) {
    out.kind = Kind::kProfile;
    out.profile = use.substr(kProfilePrefix.size());
    return out;
  }
  return absl::InvalidArgumentError(
      Concat("\"", text, "\": write ROLE=assume, ROLE=gateway or ROLE=profile:NAME"));
}

// Who waits until the first outcomes are there.
class CredentialService::KnownWaiter {
 public:
  KnownWaiter(CredentialService* service, uint32_t limit_ms, absl::AnyInvocable<void(bool)> call)
      : call(std::move(call)),
        timer(
            service->dispatcher_->timers(),
            [](void* arg) {
              auto* self = static_cast<KnownWaiter*>(arg);
              self->late = true;
              self->service_->KnownChanged();
            },
            this),
        service_(service) {
    timer.Start(limit_ms);
  }

  absl::AnyInvocable<void(bool)> call;
  Timer timer;
  bool late = false;

 private:
  CredentialService* service_;
};

// Fills one cell.
class CredentialService::Keeper {
 public:
  Keeper(CredentialService* service, std::string label, std::string profile, std::string role)
      : service_(*service),
        profile_(std::move(profile)),
        role_(std::move(role)),
        cell_(std::make_shared<CredentialCell>()),
        timer_(
            service->dispatcher_->timers(), [](void* arg) { static_cast<Keeper*>(arg)->OnTimer(); },
            this) {
    figures.label = std::move(label);
    // From a worker: hands it to the loop.
    cell_->set_on_refused(
        [dispatcher = service->dispatcher_, alive = std::weak_ptr<int>(alive_), this] {
          dispatcher->Post([this, alive] {
            if (!alive.expired()) Refused();
          });
        });
  }
  ~Keeper() { cell_->set_on_refused(nullptr); }

  const std::shared_ptr<CredentialCell>& cell() const { return cell_; }
  bool known() const { return known_; }
  bool wanted() const { return cell_.use_count() > 1; }

  void Begin() {
    if (running_) return;
    running_ = true;
    timer_.Cancel();
    began_ms_ = service_.dispatcher_->NowMs();
    std::vector<std::string> files;
    absl::StatusOr<CredentialPlan> plan =
        PlanCredentials(service_.options_.surroundings, profile_, &files);
    Watch(std::move(files));
    if (!plan.ok()) {
      Ended(plan.status());
      return;
    }
    figures.source = plan->name;
    // Nobody is to be asked.
    if (role_.empty() && plan->roles.empty() && plan->source == CredentialPlan::Source::kKeys) {
      Ended(std::move(plan->keys));
      return;
    }
    if (!role_.empty()) {
      aws::RoleStep step;
      step.role_arn = role_;
      plan->roles.push_back(std::move(step));
    }
    run_ = std::make_unique<CredentialRun>(*service_.Env(), *std::move(plan), [this](auto result) {
      // It is on the stack.
      service_.dispatcher_->DeferDelete(std::move(run_));
      Ended(std::move(result));
    });
    CredentialRun* run = run_.get();
    run->Start();
  }

  Figures figures;

 private:
  int64_t WallMs() const { return service_.dispatcher_->WallMs(); }
  uint32_t Below(uint32_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void OnTimer() {
    // Only the table here holds it: it is in no snapshot any more.
    if (wanted()) Begin();
  }

  void Refused() {
    const uint64_t now = service_.dispatcher_->NowMs();
    if (!running_ && now - began_ms_ >= kRefusedPauseMs) Begin();
  }

  void Ended(absl::StatusOr<aws::Credentials> result) {
    running_ = false;
    if (result.ok()) {
      Succeeded(*std::move(result));
    } else {
      Failed(result.status());
    }
    known_ = true;
    service_.Publish();
    service_.KnownChanged();
  }

  void Succeeded(aws::Credentials credentials) {
    const int64_t now = WallMs();
    ++figures.refreshes;
    figures.obtained_ms = now;
    figures.expires_at_ms = credentials.expires_at_ms;
    pause_ms_ = 0;
    const bool news = current_ == nullptr || *current_ != credentials;
    int64_t left = -1;
    if (credentials.expires_at_ms != 0) {
      left = std::max<int64_t>(credentials.expires_at_ms - now, 0);
      int64_t in = left / 2;
      if (left > kEarliestMs + kLatestMs) {
        in = left - kLatestMs - Below(static_cast<uint32_t>(kEarliestMs - kLatestMs));
      }
      timer_.Start(static_cast<uint64_t>(std::max(in, kShortestMs)));
    }
    if (!news) return;
    Log(LogLevel::kInfo, "credentials_obtained",
        {{"credentials", figures.label},
         {"source", figures.source},
         {"access_key_id", Shown(credentials.access_key_id)},
         {"expires_in_s", left < 0 ? int64_t{-1} : left / 1000}});
    current_ = std::make_shared<const aws::Credentials>(std::move(credentials));
    cell_->Set(current_);
  }

  // Enough to recognise a key by.
  static std::string Shown(const std::string& id) {
    return id.size() <= 8 ? "…" : Concat(id.substr(0, 4), "…", id.substr(id.size() - 4));
  }

  void Failed(const absl::Status& status) {
    ++figures.failures;
    pause_ms_ = pause_ms_ == 0 ? service_.options_.first_pause_ms
                               : std::min(2 * pause_ms_, service_.options_.longest_pause_ms);
    const uint32_t pause = pause_ms_ / 2 + Below(pause_ms_ / 2 + 1);
    timer_.Start(pause);
    const int64_t now = WallMs();
    if (current_ != nullptr && current_->expires_at_ms != 0 && current_->expires_at_ms <= now) {
      current_ = nullptr;
    }
    if (current_ == nullptr) {
      figures.obtained_ms = figures.expires_at_ms = 0;
      cell_->Set(nullptr, std::string(View(status)));
    }
    Log(current_ == nullptr ? LogLevel::kError : LogLevel::kWarn, "credentials_failed",
        {{"credentials", figures.label},
         {"why", View(status)},
         {"retry_ms", pause},
         {"usable", current_ != nullptr}});
  }

  void Watch(std::vector<std::string> files) {
    if (files == files_) return;
    files_ = files;
    watcher_.reset();
    if (files.empty()) return;
    watcher_ =
        std::make_unique<FileWatcher>(service_.dispatcher_, std::move(files), [this](const auto&) {
          pause_ms_ = 0;
          if (wanted()) Begin();
        });
  }

  CredentialService& service_;
  const std::string profile_;
  const std::string role_;
  const std::shared_ptr<CredentialCell> cell_;
  CredentialCell::Value current_;
  std::unique_ptr<CredentialRun> run_;
  std::vector<std::string> files_;
  std::unique_ptr<FileWatcher> watcher_;
  Timer timer_;
  std::minstd_rand random_{std::random_device()()};
  uint64_t began_ms_ = 0;
  uint32_t pause_ms_ = 0;
  bool running_ = false;
  bool known_ = false;
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

CredentialService::CredentialService(Dispatcher* dispatcher, Options options)
    : dispatcher_(dispatcher), options_(std::move(options)) {}

CredentialService::~CredentialService() {
  waiters_.clear();
  keepers_.clear();
}

CredentialRunEnv* CredentialService::Env() {
  if (env_ != nullptr) return env_.get();
  net_ = std::make_unique<NetContext>(dispatcher_);
  resolver_ = std::make_unique<Resolver>(dispatcher_);
  host_resolver_ = std::make_unique<DnsHostResolver>(resolver_.get());
  env_ = std::make_unique<CredentialRunEnv>();
  env_->upstream = {.net = net_.get(), .resolver = host_resolver_.get()};
  env_->surroundings = &options_.surroundings;
  env_->endpoints = &options_.endpoints;
  env_->region = options_.region;
  env_->session_name = Concat("postern-", dispatcher_->WallMs());
  TlsClientOptions tls;
  tls.truststore.file = options_.surroundings.Get("AWS_CA_BUNDLE");
  tls.alpn = {"http/1.1"};
  auto context = TlsClientContext::Create(std::move(tls));
  if (context.ok()) {
    env_->tls = *std::move(context);
  } else {
    Log(LogLevel::kError, "credentials_tls", {{"why", View(context.status())}});
  }
  return env_.get();
}

CredentialService::Keeper* CredentialService::Find(const std::string& label) {
  for (const auto& keeper : keepers_) {
    if (keeper->figures.label == label) return keeper.get();
  }
  return nullptr;
}

std::shared_ptr<CredentialCell> CredentialService::ForRole(std::string_view role_arn) {
  std::string label = "gateway";
  std::string profile;
  std::string role;
  if (!role_arn.empty()) {
    const auto use =
        std::find_if(options_.roles.begin(), options_.roles.end(),
                     [&](const RoleUse& candidate) { return GlobMatch(candidate.role, role_arn); });
    const RoleUse::Kind kind = use == options_.roles.end() ? RoleUse::Kind::kAssume : use->kind;
    if (kind == RoleUse::Kind::kAssume) label = role = std::string(role_arn);
    if (kind == RoleUse::Kind::kProfile) {
      profile = use->profile;
      label = Concat("profile:", profile);
    }
  }
  if (Keeper* keeper = Find(label); keeper != nullptr) {
    // One that nobody wanted for a while has not been renewed meanwhile.
    if (!keeper->wanted()) keeper->Begin();
    return keeper->cell();
  }
  // Those of earlier snapshots; the one that is asked for is still to come.
  std::erase_if(keepers_, [](const auto& keeper) { return !keeper->wanted(); });
  auto& keeper = keepers_.emplace_back(
      std::make_unique<Keeper>(this, std::move(label), std::move(profile), std::move(role)));
  std::shared_ptr<CredentialCell> cell = keeper->cell();
  keeper->Begin();
  return cell;
}

void CredentialService::WhenKnown(uint32_t limit_ms, absl::AnyInvocable<void(bool)> call) {
  waiters_.push_back(std::make_unique<KnownWaiter>(this, limit_ms, std::move(call)));
  KnownChanged();
}

void CredentialService::KnownChanged() {
  const bool known = std::all_of(keepers_.begin(), keepers_.end(),
                                 [](const auto& keeper) { return keeper->known(); });
  std::vector<std::unique_ptr<KnownWaiter>> due;
  for (auto& waiter : waiters_) {
    if (known || waiter->late) due.push_back(std::move(waiter));
  }
  std::erase(waiters_, nullptr);
  for (auto& waiter : due) {
    waiter->call(known);
    // Its timer may be on the stack.
    waiter->timer.Cancel();
  }
  if (due.empty()) return;
  struct Bin final : Deferred {
    std::vector<std::unique_ptr<KnownWaiter>> waiters;
  };
  auto bin = std::make_unique<Bin>();
  bin->waiters = std::move(due);
  dispatcher_->DeferDelete(std::move(bin));
}

void CredentialService::Publish() {
  std::vector<Figures> figures;
  for (const auto& keeper : keepers_) figures.push_back(keeper->figures);
  std::lock_guard lock(mutex_);
  figures_ = std::move(figures);
}

void CredentialService::Collect(MetricsSink* sink) {
  std::vector<Figures> figures;
  {
    std::lock_guard lock(mutex_);
    figures = figures_;
  }
  const int64_t now = std::chrono::duration_cast<std::chrono::milliseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  for (const Figures& one : figures) {
    const MetricLabel label = {"credentials", one.label};
    sink->Counter({"postern_credentials_refreshes", "Times that credentials were obtained"},
                  {label, {"source", one.source}}, one.refreshes);
    sink->Counter({"postern_credentials_failures", "Times that they could not be"}, {label},
                  one.failures);
    sink->Gauge({"postern_credentials_usable", "1 while there are credentials to sign with"},
                {label}, one.obtained_ms != 0 ? 1 : 0);
    if (one.obtained_ms == 0) continue;
    sink->Gauge({"postern_credentials_age_seconds", "Time since they were obtained", "seconds"},
                {label}, static_cast<double>(now - one.obtained_ms) / 1000);
    if (one.expires_at_ms == 0) continue;
    sink->Gauge({"postern_credentials_expiry_seconds",
                 "Time until they end, negative once they have", "seconds"},
                {label}, static_cast<double>(one.expires_at_ms - now) / 1000);
  }
}

}  // namespace postern
