#include "control/serve/push_hub.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "lib/text/concat.h"

namespace postern {
namespace {

namespace v1 = control::v1;

constexpr int kMaxHeld = 10'000;
constexpr uint32_t kSnapshotFormat = 1;
constexpr int kMaxProblems = 200;
constexpr size_t kMaxProblemPath = 1024;
constexpr size_t kMaxProblemText = 4096;
constexpr size_t kMaxGroupsAsked = 10'000;

bool IsDigest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

}  // namespace

class PushHub::Session {
 public:
  // Its own lock, for wake is called without the hub's.
  void Wake() {
    std::lock_guard lock(wake_mutex);
    if (wake) wake();
  }

  std::mutex wake_mutex;
  std::function<void()> wake;

  // The rest is guarded by the hub's lock.
  Group* group = nullptr;
  std::string group_name;
  v1::Node node;
  std::string address;
  uint64_t version = 0;  // in force there
  std::string digest;
  // Deployments it holds: those of a snapshot, or those it named.
  std::shared_ptr<const GroupSnapshot> holds;
  std::set<std::string> named;
  // On its way, or unanswered.
  std::shared_ptr<const GroupSnapshot> pushing;
  std::vector<std::string> missing;
  size_t chunk_offset = 0;
  bool pushed = false;
  uint64_t nonce = 0;
  int64_t pushed_ms = 0;
  // The last one it refused, not to be sent again.
  std::string refused_digest;
  std::vector<std::string> problems;
  bool told_current = false;
  int64_t last_seen_ms = 0;
  absl::Status end;
  bool gone = false;

  bool Holds(const std::string& deployment) const {
    if (holds != nullptr) return holds->deployments.count(deployment) > 0;
    return named.count(deployment) > 0;
  }
};

PushHub::PushHub(Options options)
    : options_([&options] {
        if (!options.now_ms) {
          options.now_ms = [] {
            return std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::steady_clock::now().time_since_epoch())
                .count();
          };
        }
        if (!options.wall_ms) {
          options.wall_ms = [] {
            return std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                .count();
          };
        }
        return std::move(options);
      }()) {}

PushHub::~PushHub() = default;

void PushHub::Log(std::string_view event, const Session& session, const std::string& detail) const {
  if (options_.log) options_.log(event, Concat(session.group_name, "/", session.node.id()), detail);
}

absl::StatusOr<std::shared_ptr<PushHub::Session>> PushHub::Join(const v1::Hello& hello,
                                                                const std::string& address,
                                                                std::function<void()> wake) {
  const auto refuse = [this](absl::Status status) {
    stats_.refused_joins.fetch_add(1, std::memory_order_relaxed);
    return status;
  };
  if (!IsGroupName(hello.group())) {
    return refuse(absl::InvalidArgumentError(
        "hello.group: 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-' are needed"));
  }
  if (hello.node().id().empty() || hello.node().id().size() > 256) {
    return refuse(absl::InvalidArgumentError("hello.node.id: 1 to 256 bytes are needed"));
  }
  if (hello.node().namespace_().size() > 256 || hello.node().host().size() > 256 ||
      hello.node().program_version().size() > 64) {
    return refuse(absl::InvalidArgumentError("hello.node: a field is too long"));
  }
  if ((!hello.digest().empty() && !IsDigest(hello.digest())) ||
      hello.deployments_size() > kMaxHeld ||
      !std::all_of(hello.deployments().begin(), hello.deployments().end(), IsDigest)) {
    return refuse(absl::InvalidArgumentError(
        Concat("hello: digests have 64 hexadecimal digits, and there are at most ", kMaxHeld)));
  }
  if (hello.format() < kSnapshotFormat) {
    return refuse(absl::FailedPreconditionError(
        Concat("the sidecar reads snapshots up to format ", hello.format(),
               "; this control plane writes format ", kSnapshotFormat, ": update the sidecar")));
  }
  auto session = std::make_shared<Session>();
  session->wake = std::move(wake);
  session->group_name = hello.group();
  session->node = hello.node();
  session->address = address;
  session->version = hello.version();
  session->digest = hello.digest();
  session->named.insert(hello.deployments().begin(), hello.deployments().end());
  session->last_seen_ms = options_.wall_ms();
  std::shared_ptr<Session> before;
  {
    std::lock_guard lock(mutex_);
    if (shut_down_) return refuse(absl::UnavailableError("the control plane ends"));
    auto group = groups_.find(hello.group());
    if (sessions_ >= options_.max_sidecars ||
        (group == groups_.end() && groups_.size() >= kMaxGroupsAsked)) {
      return refuse(absl::ResourceExhaustedError(
          Concat("the control plane has ", sessions_, " sidecars, which is its limit")));
    }
    if (group == groups_.end()) group = groups_.emplace(hello.group(), Group()).first;
    session->group = &group->second;
    ++group->second.members;
    std::shared_ptr<Session>& slot = group->second.sessions[hello.node().id()];
    before = std::exchange(slot, session);
    if (before != nullptr) {
      before->end = absl::AlreadyExistsError("another stream came with the same group and node id");
    }
    ++sessions_;
    left_ -= group->second.left.erase(hello.node().id());
  }
  stats_.joined.fetch_add(1, std::memory_order_relaxed);
  Log("sidecar_joined", *session, address);
  if (before != nullptr) before->Wake();
  return session;
}

PushHub::Step PushHub::Next(Session* session, v1::ControlMessage* message, absl::Status* end) {
  std::lock_guard lock(mutex_);
  if (!session->end.ok()) {
    *end = session->end;
    return Step::kEnd;
  }
  if (session->pushed) return Step::kNothing;
  if (session->pushing == nullptr) {
    const std::shared_ptr<const GroupSnapshot>& target = session->group->snapshot;
    if (target == nullptr) return Step::kNothing;
    if (session->digest == target->digest) {
      session->holds = target;
      session->named.clear();
      if (std::exchange(session->told_current, true)) return Step::kNothing;
      message->mutable_current()->set_version(target->version);
      message->mutable_current()->set_digest(target->digest);
      return Step::kMessage;
    }
    if (session->refused_digest == target->digest) return Step::kNothing;
    session->pushing = target;
    session->chunk_offset = 0;
    session->missing.clear();
    for (const auto& [digest, content] : target->deployments) {
      if (!session->Holds(digest)) session->missing.push_back(digest);
    }
    std::reverse(session->missing.begin(), session->missing.end());
  }
  const GroupSnapshot& pushing = *session->pushing;
  if (!session->missing.empty()) {
    const std::string& digest = session->missing.back();
    const std::string& content = *pushing.deployments.at(digest);
    const size_t size = std::min(options_.chunk_bytes, content.size() - session->chunk_offset);
    v1::DeploymentChunk& chunk = *message->mutable_chunk();
    chunk.set_digest(digest);
    chunk.set_content(content.data() + session->chunk_offset, size);
    session->chunk_offset += size;
    stats_.chunk_bytes.fetch_add(size, std::memory_order_relaxed);
    if (session->chunk_offset == content.size()) {
      chunk.set_last(true);
      session->chunk_offset = 0;
      session->missing.pop_back();
    }
    return Step::kMessage;
  }
  v1::Push& push = *message->mutable_push();
  push.set_nonce(++session->nonce);
  push.set_version(pushing.version);
  push.set_digest(pushing.digest);
  push.set_snapshot(pushing.bytes);
  session->pushed = true;
  session->pushed_ms = options_.now_ms();
  session->told_current = true;
  stats_.pushes.fetch_add(1, std::memory_order_relaxed);
  return Step::kMessage;
}

absl::Status PushHub::OnAnswer(Session* session, const v1::Answer& answer) {
  if (answer.problems_size() > kMaxProblems) {
    return absl::InvalidArgumentError(Concat("answer: more than ", kMaxProblems, " problems"));
  }
  if (answer.accepted() != (answer.problems_size() == 0)) {
    return absl::InvalidArgumentError("answer: a refusal has problems, an acceptance has none");
  }
  std::string first;
  {
    std::lock_guard lock(mutex_);
    session->last_seen_ms = options_.wall_ms();
    if (!session->pushed || answer.nonce() != session->nonce) return absl::OkStatus();
    const std::shared_ptr<const GroupSnapshot> pushed = std::exchange(session->pushing, nullptr);
    session->pushed = false;
    session->problems.clear();
    if (answer.accepted()) {
      session->version = pushed->version;
      session->digest = pushed->digest;
      session->refused_digest.clear();
      session->holds = pushed;
      session->named.clear();
    } else {
      session->refused_digest = pushed->digest;
      for (const v1::Problem& problem : answer.problems()) {
        session->problems.push_back(
            problem.path().empty()
                ? problem.message().substr(0, kMaxProblemText)
                : Concat(std::string_view(problem.path()).substr(0, kMaxProblemPath), ": ",
                         std::string_view(problem.message()).substr(0, kMaxProblemText)));
      }
      first = session->problems.front();
    }
  }
  if (answer.accepted()) {
    stats_.accepted.fetch_add(1, std::memory_order_relaxed);
  } else {
    stats_.refused.fetch_add(1, std::memory_order_relaxed);
    Log("push_refused", *session, first);
  }
  return absl::OkStatus();
}

void PushHub::Leave(const std::shared_ptr<Session>& session) {
  {
    std::lock_guard lock(session->wake_mutex);
    session->wake = nullptr;
  }
  std::lock_guard lock(mutex_);
  if (std::exchange(session->gone, true)) return;
  --sessions_;
  --session->group->members;
  const auto it = session->group->sessions.find(session->node.id());
  if (it == session->group->sessions.end() || it->second != session) return;
  if (left_ < options_.max_sidecars) {
    v1::Sidecar left = Describe(*session);
    left.set_connected(false);
    left.set_last_seen_ms(options_.wall_ms());
    left_ += session->group->left.insert_or_assign(session->node.id(), std::move(left)).second;
  }
  session->group->sessions.erase(it);
  Log("sidecar_left", *session, "");
}

void PushHub::SetGroup(std::shared_ptr<const GroupSnapshot> snapshot) {
  std::vector<std::shared_ptr<Session>> wake;
  {
    std::lock_guard lock(mutex_);
    Group& group = groups_[snapshot->group];
    group.snapshot = std::move(snapshot);
    wake.reserve(group.sessions.size());
    for (const auto& [id, session] : group.sessions) wake.push_back(session);
  }
  for (const auto& session : wake) session->Wake();
}

void PushHub::Tick() {
  const int64_t now = options_.now_ms();
  const int64_t wall = options_.wall_ms();
  std::vector<std::shared_ptr<Session>> wake;
  {
    std::lock_guard lock(mutex_);
    for (auto& [name, group] : groups_) {
      for (const auto& [id, session] : group.sessions) {
        if (!session->pushed || !session->end.ok() ||
            now - session->pushed_ms <= options_.answer_limit_ms) {
          continue;
        }
        session->end = absl::DeadlineExceededError(
            Concat("the push of version ", session->pushing->version, " was not answered within ",
                   options_.answer_limit_ms, " ms"));
        wake.push_back(session);
      }
      for (auto it = group.left.begin(); it != group.left.end();) {
        // A clock that jumps forgets earlier or later who has left, nothing else.
        const int64_t age = wall - it->second.last_seen_ms();
        if (age > options_.remember_ms || age < 0) {
          it = group.left.erase(it);
          --left_;
        } else {
          ++it;
        }
      }
    }
    // Groups that sidecars asked for and nobody ever made.
    std::erase_if(groups_, [](const auto& entry) {
      return entry.second.snapshot == nullptr && entry.second.members == 0 &&
             entry.second.left.empty();
    });
  }
  for (const auto& session : wake) session->Wake();
}

void PushHub::Shutdown() {
  std::vector<std::shared_ptr<Session>> wake;
  {
    std::lock_guard lock(mutex_);
    shut_down_ = true;
    for (auto& [name, group] : groups_) {
      for (const auto& [id, session] : group.sessions) {
        session->end = absl::UnavailableError("the control plane ends");
        wake.push_back(session);
      }
    }
  }
  for (const auto& session : wake) session->Wake();
}

v1::Sidecar::State PushHub::StateOf(const Session& session) {
  const std::shared_ptr<const GroupSnapshot>& target = session.group->snapshot;
  if (target == nullptr) return v1::Sidecar::STATE_PENDING;
  if (session.digest == target->digest) return v1::Sidecar::STATE_APPLIED;
  if (session.refused_digest == target->digest) return v1::Sidecar::STATE_REFUSED;
  return v1::Sidecar::STATE_PENDING;
}

v1::Sidecar PushHub::Describe(const Session& session) const {
  v1::Sidecar out;
  out.set_group(session.group_name);
  out.set_id(session.node.id());
  out.set_namespace_(session.node.namespace_());
  out.set_host(session.node.host());
  out.set_program_version(session.node.program_version());
  out.set_connected(true);
  out.set_state(StateOf(session));
  out.set_version(session.version);
  if (session.group->snapshot != nullptr) out.set_target_version(session.group->snapshot->version);
  if (out.state() == v1::Sidecar::STATE_REFUSED) {
    for (const std::string& problem : session.problems) out.add_problems(problem);
  }
  out.set_address(session.address);
  out.set_last_seen_ms(session.last_seen_ms);
  return out;
}

void PushHub::List(std::string_view group, v1::ListSidecarsResponse* out) const {
  std::lock_guard lock(mutex_);
  for (const auto& [name, entry] : groups_) {
    if (!group.empty() && name != group) continue;
    std::map<std::string, v1::Sidecar> sidecars = entry.left;
    for (const auto& [id, session] : entry.sessions) sidecars[id] = Describe(*session);
    for (auto& [id, sidecar] : sidecars) *out->add_sidecars() = std::move(sidecar);
  }
}

PushHub::Counts PushHub::CountsOf(std::string_view group) const {
  std::lock_guard lock(mutex_);
  Counts out;
  const auto it = groups_.find(group);
  if (it == groups_.end()) return out;
  if (it->second.snapshot != nullptr) out.version = it->second.snapshot->version;
  for (const auto& [id, session] : it->second.sessions) {
    const v1::Sidecar::State state = StateOf(*session);
    ++(state == v1::Sidecar::STATE_APPLIED   ? out.applied
       : state == v1::Sidecar::STATE_REFUSED ? out.refused
                                             : out.pending);
  }
  return out;
}

std::map<std::string, PushHub::Counts> PushHub::AllCounts() const {
  std::vector<std::string> names;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, group] : groups_) names.push_back(name);
  }
  std::map<std::string, Counts> out;
  for (const std::string& name : names) out.emplace(name, CountsOf(name));
  return out;
}

}  // namespace postern
