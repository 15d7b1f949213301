#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace postern::policy {

/// The condition keys that a call of an API can have (authorization.md §3.6). Every other key of
/// the language is absent from every call.
enum class ConditionKey : uint8_t {
  kCurrentTime,
  kEpochTime,
  kSecureTransport,
  kSourceIp,
  kVpcSourceIp,
  kSourceVpc,
  kSourceVpce,
  kUserAgent,
  kReferer,
  kSourceArn,
  kPrincipalArn,
  kPrincipalAccount,
  kPrincipalType,
  kUserId,
  kUserName,
  kPrincipalOrgId,
  kPrincipalOrgPaths,
  kTokenIssueTime,
  kMultiFactorAuthPresent,
  kMultiFactorAuthAge,
  kCount,
};

/// Who calls (authorization.md §2.3). Borrowed text.
struct Principal {
  enum class Kind : uint8_t {
    kAnonymous,  ///< nobody that IAM knows: no authorization, Lambda, Cognito, JWT
    kAccount,    ///< the root of an account
    kUser,
    kFederatedUser,
    kAssumedRole,
    kService,  ///< a service or an identity provider that the operator configured
  };

  Kind kind = Kind::kAnonymous;
  std::string_view account_id = {};  ///< 12 digits
  /// `aws:PrincipalArn`: of a session the ARN of its role, else the same as `user_arn`.
  std::string_view arn = {};
  /// `$context.identity.userArn`: of a session its own ARN.
  std::string_view user_arn = {};
  std::string_view user_id = {};    ///< `aws:userid`
  std::string_view user_name = {};  ///< `aws:username`, of a user
  std::string_view service = {};    ///< of kService: what `{"Service": ...}` names, or empty
  std::string_view federated = {};  ///< of kService: what `{"Federated": ...}` names, or empty
};

/// A tag of the principal: `aws:PrincipalTag/<key>`.
struct PrincipalTag {
  std::string_view key;
  std::string_view value;
};

/// An address, whatever its family: IPv4 as its mapped form (authorization.md §3.5), so that
/// `::ffff:192.0.2.1` and `192.0.2.1` are the same.
struct IpValue {
  bool v4 = false;
  std::array<uint8_t, 16> bytes{};
};
std::optional<IpValue> ParseIpValue(std::string_view text);

/// A condition key as a policy names it: one of ConditionKey, a tag, or one that no call has.
struct KeyName {
  enum class Kind : uint8_t { kKnown, kTag, kUnknown };

  /// Names are compared without case (§3.5). Never fails: what is not known is kUnknown.
  static KeyName Parse(std::string_view name);

  Kind kind = Kind::kUnknown;
  ConditionKey key = ConditionKey::kCount;
  std::string tag;
};

/// The condition keys of one call. All text is borrowed and must live as long as the context is
/// evaluated. Nothing allocates. Not thread-safe.
class ConditionContext {
 public:
  ConditionContext() = default;
  ConditionContext(const ConditionContext&) = delete;
  ConditionContext& operator=(const ConditionContext&) = delete;

  /// An empty value is present, too. Not for kPrincipalOrgPaths.
  void Set(ConditionKey key, std::string_view value);

  /// `aws:CurrentTime` and `aws:EpochTime`, in whole seconds.
  void SetTime(int64_t epoch_ms);

  /// `aws:PrincipalOrgPaths`, the one key with several values; none is the same as absent.
  void SetOrgPaths(std::span<const std::string_view> paths) { org_paths_ = paths; }

  void SetTags(std::span<const PrincipalTag> tags) { tags_ = tags; }

  /// The keys of the table in authorization.md §2.3.
  void SetPrincipal(const Principal& principal);

  /// The values of a key; none where it is absent.
  std::span<const std::string_view> Values(const KeyName& name) const;

  /// The one value of a key; nullopt where it is absent, or may have several (§3.7).
  std::optional<std::string_view> Single(const KeyName& name) const;

  /// What Values() of the key gives, parsed when it was set; nullopt where there is nothing parsed.
  const std::optional<IpValue>& source_ip() const { return source_ip_; }
  std::optional<int64_t> time_ms() const { return time_ms_; }

 private:
  static constexpr size_t kKeys = static_cast<size_t>(ConditionKey::kCount);

  std::array<std::string_view, kKeys> values_{};
  uint32_t present_ = 0;
  std::span<const std::string_view> org_paths_;
  std::span<const PrincipalTag> tags_;
  std::optional<IpValue> source_ip_;
  std::optional<int64_t> time_ms_;
  char iso_time_[24] = {};
  char epoch_time_[24] = {};
};

}  // namespace postern::policy
