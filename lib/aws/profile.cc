#include "lib/aws/profile.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern::aws {
namespace {

constexpr size_t kMaxSteps = 8;

std::string_view NextLine(std::string_view* text) {
  const size_t end = std::min(text->find('\n'), text->size());
  std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

// The profile that the head of a section names; empty if it is no profile's.
std::string_view ProfileOf(std::string_view head, bool config) {
  head = TrimOws(head);
  if (!config || head == "default") return head;
  constexpr std::string_view kPrefix = "profile";
  if (!head.starts_with(kPrefix)) return {};
  head.remove_prefix(kPrefix.size());
  if (head.empty() || (head[0] != ' ' && head[0] != '\t')) return {};
  return TrimOws(head);
}

uint32_t Duration(std::string_view text) {
  uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) return RoleStep().duration_s;
  return std::clamp<uint32_t>(seconds, 900, 43200);
}

RoleStep RoleOf(const Profiles& profiles, std::string_view profile) {
  RoleStep step;
  step.role_arn = profiles.Get(profile, "role_arn");
  step.session_name = profiles.Get(profile, "role_session_name");
  step.external_id = profiles.Get(profile, "external_id");
  step.duration_s = Duration(profiles.Get(profile, "duration_seconds"));
  return step;
}

std::optional<ProfilePlan::Base> BaseOf(std::string_view source) {
  if (source == "Environment") return ProfilePlan::Base::kEnvironment;
  if (source == "EcsContainer") return ProfilePlan::Base::kContainer;
  if (source == "Ec2InstanceMetadata") return ProfilePlan::Base::kInstance;
  return std::nullopt;
}

}  // namespace

Profiles Profiles::Parse(std::string_view credentials, std::string_view config) {
  Profiles out;
  // The later one wins.
  for (const bool is_config : {true, false}) {
    std::string_view text = is_config ? config : credentials;
    std::map<std::string, std::string, std::less<>>* section = nullptr;
    while (!text.empty()) {
      const std::string_view raw = NextLine(&text);
      const std::string_view line = TrimOws(raw);
      if (line.empty() || line[0] == '#' || line[0] == ';') continue;
      if (line[0] == '[') {
        const size_t close = line.find(']');
        const std::string_view name = close == line.npos
                                          ? std::string_view()
                                          : ProfileOf(line.substr(1, close - 1), is_config);
        section = name.empty() ? nullptr : &out.sections_[std::string(name)];
        continue;
      }
      const size_t equals = line.find('=');
      if (section == nullptr || equals == line.npos) continue;
      // A setting of the setting above it, such as `s3 =`.
      if (is_config && raw[0] != line[0]) continue;
      (*section)[AsciiToLower(TrimOws(line.substr(0, equals)))] = TrimOws(line.substr(equals + 1));
    }
  }
  return out;
}

bool Profiles::Has(std::string_view profile) const {
  return sections_.find(profile) != sections_.end();
}

std::string_view Profiles::Get(std::string_view profile, std::string_view key) const {
  const auto section = sections_.find(profile);
  if (section == sections_.end()) return {};
  const auto found = section->second.find(key);
  return found == section->second.end() ? std::string_view() : std::string_view(found->second);
}

absl::StatusOr<std::optional<ProfilePlan>> PlanProfile(const Profiles& profiles,
                                                       std::string_view profile) {
  ProfilePlan plan;
  plan.region = profiles.Get(profile, "region");
  std::string at(profile);
  const auto error = [&at](std::string_view why) {
    return absl::FailedPreconditionError(Concat("AWS profile \"", at, "\": ", why));
  };
  for (size_t step = 0; step < kMaxSteps; ++step) {
    if (!profiles.Has(at)) {
      if (step == 0) return std::nullopt;
      return error("there is no such profile, though another has it for its source_profile");
    }
    Credentials keys(std::string(profiles.Get(at, "aws_access_key_id")),
                     std::string(profiles.Get(at, "aws_secret_access_key")),
                     std::string(profiles.Get(at, "aws_session_token")));
    const std::string_view source = profiles.Get(at, "source_profile");
    // A profile that is its own source has the keys for its role itself.
    const bool own_keys = source == at;
    if (!profiles.Get(at, "role_arn").empty()) {
      const std::string_view token_file = profiles.Get(at, "web_identity_token_file");
      if (!token_file.empty()) {
        plan.base = ProfilePlan::Base::kWebIdentity;
        plan.token_file = token_file;
        plan.web_identity = RoleOf(profiles, at);
        std::reverse(plan.roles.begin(), plan.roles.end());
        return plan;
      }
      plan.roles.push_back(RoleOf(profiles, at));
      const std::string_view from = profiles.Get(at, "credential_source");
      if (!from.empty()) {
        const std::optional<ProfilePlan::Base> base = BaseOf(from);
        if (!base.has_value()) {
          return error(Concat("credential_source \"", from,
                              "\" is none of Environment, EcsContainer, Ec2InstanceMetadata"));
        }
        plan.base = *base;
        std::reverse(plan.roles.begin(), plan.roles.end());
        return plan;
      }
      if (source.empty()) return error("role_arn needs source_profile or credential_source");
      if (!own_keys) {
        at = source;
        continue;
      }
    }
    if (keys.complete()) {
      plan.keys = std::move(keys);
      std::reverse(plan.roles.begin(), plan.roles.end());
      return plan;
    }
    for (const std::string_view key : {"credential_process", "sso_session", "sso_start_url"}) {
      if (!profiles.Get(at, key).empty()) return error(Concat(key, " is not supported"));
    }
    if (step == 0 && plan.roles.empty()) return std::nullopt;
    return error("it has no keys for the role that is to be assumed with it");
  }
  return error("its source_profile leads round in a circle");
}

}  // namespace postern::aws
