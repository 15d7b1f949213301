#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "core/base/metrics_source.h"
#include "core/credentials/credential_cell.h"
#include "core/credentials/credential_run.h"
#include "core/event/dispatcher.h"
#include "core/event/file_watcher.h"
#include "core/event/timer.h"
#include "core/net/connection.h"
#include "core/net/dns.h"

namespace postern {

/// What the gateway does about a role that an integration names in its `credentials`.
struct RoleUse {
  enum class Kind : uint8_t {
    kAssume,   ///< STS AssumeRole, with the gateway's own credentials
    kGateway,  ///< the role is not assumed: the gateway's own credentials sign
    kProfile,  ///< a profile of the shared files stands for it
  };
  std::string role;  ///< ARN, '*' and '?' as in GlobMatch()
  Kind kind = Kind::kAssume;
  std::string profile;

  /// "ROLE=assume", "ROLE=gateway" or "ROLE=profile:NAME". InvalidArgument says what is wrong.
  static absl::StatusOr<RoleUse> Parse(std::string_view text);
};

/// Keeps the credentials that a process signs with: finds them by the standard chain
/// (authorization.md §12.2), renews them ahead of their end, again and again with longer and longer
/// pauses while that fails, and reads them anew when a file they came from changes. One at a time
/// is under way for each of them. Belongs to one thread, the loop's; the cells that it fills are
/// for any thread. Does nothing until somebody asks for credentials.
class CredentialService final : public MetricsSource {
 public:
  struct Options {
    CredentialSurroundings surroundings = CredentialSurroundings::OfProcess();
    aws::EndpointOverrides endpoints;
    std::vector<RoleUse> roles;        ///< the first that matches counts; none: kAssume
    std::string region = "us-east-1";  ///< of STS, where nothing else says so
    uint32_t first_pause_ms = 1000;    ///< after a failure; doubles up to
    uint32_t longest_pause_ms = 60000;
  };

  CredentialService(Dispatcher* dispatcher, Options options);
  ~CredentialService();
  CredentialService(const CredentialService&) = delete;
  CredentialService& operator=(const CredentialService&) = delete;

  /// The cell for an integration's role, empty for the gateway's own credentials. The same cell for
  /// the same credentials as long as somebody holds it; nobody does: they are forgotten. Never
  /// null; what it holds comes later.
  std::shared_ptr<CredentialCell> ForRole(std::string_view role_arn);

  /// Has `call` run, from the loop or from inside, once each cell that was asked for has been
  /// filled, or has failed to be for the first time, or after `limit_ms`. Its argument: whether all
  /// have.
  void WhenKnown(uint32_t limit_ms, absl::AnyInvocable<void(bool)> call);

  const aws::EndpointOverrides& endpoints() const { return options_.endpoints; }

  /// Any thread.
  void Collect(MetricsSink* sink) override;

 private:
  class Keeper;
  class KnownWaiter;

  Keeper* Find(const std::string& label);
  void KnownChanged();
  void Publish();
  CredentialRunEnv* Env();

  Dispatcher* const dispatcher_;
  const Options options_;
  // Made with the first request for credentials.
  std::unique_ptr<NetContext> net_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<HostResolver> host_resolver_;
  std::unique_ptr<CredentialRunEnv> env_;
  std::vector<std::unique_ptr<Keeper>> keepers_;
  std::vector<std::unique_ptr<KnownWaiter>> waiters_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);

  // What Collect() shows.
  struct Figures {
    std::string label;
    std::string source;
    uint64_t refreshes = 0;
    uint64_t failures = 0;
    int64_t obtained_ms = 0;    // wall clock; 0: there are none
    int64_t expires_at_ms = 0;  // 0: never
  };
  std::mutex mutex_;
  std::vector<Figures> figures_;  // guarded by mutex_
};

}  // namespace postern
