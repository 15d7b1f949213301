#include "lib/policy/condition_context.h"

#include <algorithm>
#include <charconv>

#include "lib/text/ascii.h"
#include "lib/text/ip_address.h"
#include "lib/text/time_format.h"

namespace postern::policy {
namespace {

constexpr std::string_view kNames[] = {
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:SecureTransport",
    "aws:SourceIp",
    "aws:VpcSourceIp",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:UserAgent",
    "aws:Referer",
    "aws:SourceArn",
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalType",
    "aws:userid",
    "aws:username",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:TokenIssueTime",
    "aws:MultiFactorAuthPresent",
    "aws:MultiFactorAuthAge",
};
static_assert(std::size(kNames) == static_cast<size_t>(ConditionKey::kCount));

constexpr std::string_view kTagPrefix = "aws:PrincipalTag/";

constexpr uint32_t Bit(ConditionKey key) { return uint32_t{1} << static_cast<uint32_t>(key); }

}  // namespace

std::optional<IpValue> ParseIpValue(std::string_view text) {
  IpValue value;
  if (const std::optional<Ipv4Bytes> v4 = ParseIpv4(text)) {
    value.v4 = true;
    value.bytes[10] = value.bytes[11] = 0xFF;
    std::copy(v4->begin(), v4->end(), value.bytes.begin() + 12);
    return value;
  }
  const std::optional<Ipv6Bytes> v6 = ParseIpv6(text);
  if (!v6) return std::nullopt;
  value.bytes = *v6;
  value.v4 = value.bytes[10] == 0xFF && value.bytes[11] == 0xFF &&
             std::all_of(value.bytes.begin(), value.bytes.begin() + 10,
                         [](uint8_t byte) { return byte == 0; });
  return value;
}

KeyName KeyName::Parse(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (EqualsIgnoreCase(name, kNames[i])) {
      return {Kind::kKnown, static_cast<ConditionKey>(i), {}};
    }
  }
  if (name.size() > kTagPrefix.size() &&
      EqualsIgnoreCase(name.substr(0, kTagPrefix.size()), kTagPrefix)) {
    return {Kind::kTag, ConditionKey::kCount, std::string(name.substr(kTagPrefix.size()))};
  }
  return {};
}

void ConditionContext::Set(ConditionKey key, std::string_view value) {
  values_[static_cast<size_t>(key)] = value;
  present_ |= Bit(key);
  if (key == ConditionKey::kSourceIp) source_ip_ = ParseIpValue(value);
}

void ConditionContext::SetTime(int64_t epoch_ms) {
  int64_t seconds = epoch_ms / 1000;
  if (epoch_ms % 1000 < 0) --seconds;
  time_ms_ = seconds * 1000;
  FormatIsoTime(*time_ms_, iso_time_);
  constexpr size_t kToSeconds = 19;  // "2026-07-20T01:56:20"
  iso_time_[kToSeconds] = 'Z';
  Set(ConditionKey::kCurrentTime, {iso_time_, kToSeconds + 1});
  const char* end = std::to_chars(epoch_time_, epoch_time_ + sizeof(epoch_time_), seconds).ptr;
  Set(ConditionKey::kEpochTime, {epoch_time_, static_cast<size_t>(end - epoch_time_)});
}

void ConditionContext::SetPrincipal(const Principal& principal) {
  using Kind = Principal::Kind;
  const auto set = [this](ConditionKey key, std::string_view value) {
    if (!value.empty()) Set(key, value);
  };
  std::string_view type;
  switch (principal.kind) {
    case Kind::kAnonymous:
      Set(ConditionKey::kPrincipalType, "Anonymous");
      Set(ConditionKey::kUserId, "anonymous");
      return;
    case Kind::kService:
      return;
    case Kind::kAccount:
      type = "Account";
      break;
    case Kind::kUser:
      type = "User";
      set(ConditionKey::kUserName, principal.user_name);
      break;
    case Kind::kFederatedUser:
      type = "FederatedUser";
      break;
    case Kind::kAssumedRole:
      type = "AssumedRole";
      break;
  }
  Set(ConditionKey::kPrincipalType, type);
  set(ConditionKey::kUserId, principal.user_id);
  set(ConditionKey::kPrincipalArn, principal.arn);
  set(ConditionKey::kPrincipalAccount, principal.account_id);
}

std::span<const std::string_view> ConditionContext::Values(const KeyName& name) const {
  switch (name.kind) {
    case KeyName::Kind::kKnown:
      if (name.key == ConditionKey::kPrincipalOrgPaths) return org_paths_;
      if ((present_ & Bit(name.key)) == 0) return {};
      return {&values_[static_cast<size_t>(name.key)], 1};
    case KeyName::Kind::kTag:
      for (const PrincipalTag& tag : tags_) {
        if (EqualsIgnoreCase(tag.key, name.tag)) return {&tag.value, 1};
      }
      return {};
    case KeyName::Kind::kUnknown:
      return {};
  }
  return {};
}

std::optional<std::string_view> ConditionContext::Single(const KeyName& name) const {
  if (name.key == ConditionKey::kPrincipalOrgPaths) return std::nullopt;
  const std::span<const std::string_view> values = Values(name);
  if (values.empty()) return std::nullopt;
  return values.front();
}

}  // namespace postern::policy
