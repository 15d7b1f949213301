#include "lib/aws/endpoint.h"

#include "absl/status/statusor.h"
#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/uri.h"

namespace postern::aws {
namespace {

struct Partition {
  std::string_view region_prefix;
  std::string_view name;
  std::string_view suffix;
  std::string_view global_region;  ///< where global services are signed for
};
constexpr Partition kPartitions[] = {
    {"cn-", "aws-cn", "amazonaws.com.cn", "cn-northwest-1"},
    {"us-gov-", "aws-us-gov", "amazonaws.com", "us-gov-west-1"},
    {"us-isob-", "aws-iso-b", "sc2s.sgov.gov", "us-isob-east-1"},
    {"us-iso-", "aws-iso", "c2s.ic.gov", "us-iso-east-1"},
    {"", "aws", "amazonaws.com", "us-east-1"},
};

const Partition& Find(std::string_view region) {
  for (const Partition& partition : kPartitions) {
    if (region.starts_with(partition.region_prefix)) return partition;
  }
  return kPartitions[4];
}

bool IsGlobal(std::string_view service) {
  for (const std::string_view name :
       {"iam", "route53", "cloudfront", "organizations", "waf", "budgets", "importexport"}) {
    if (service == name) return true;
  }
  return false;
}

// Hosts of global services that no rule gives.
constexpr std::pair<std::string_view, std::string_view> kGlobalHosts[] = {
    {"aws-cn iam", "iam.cn-north-1.amazonaws.com.cn"},
    {"aws-us-gov iam", "iam.us-gov.amazonaws.com"},
    {"aws-us-gov route53", "route53.us-gov.amazonaws.com"},
    {"aws-us-gov organizations", "organizations.us-gov-west-1.amazonaws.com"},
    {"aws organizations", "organizations.us-east-1.amazonaws.com"},
};

// Signing names that are not the prefix of the host.
constexpr std::pair<std::string_view, std::string_view> kSigningNames[] = {
    {"email", "ses"},
    {"data.iot", "iotdata"},
    {"data.jobs.iot", "iot-jobs-data"},
    {"runtime.lex", "lex"},
    {"models.lex", "lex"},
    {"runtime-v2-lex", "lex"},
    {"models-v2-lex", "lex"},
    {"bedrock-runtime", "bedrock"},
    {"bedrock-agent-runtime", "bedrock"},
    {"appstream2", "appstream"},
    {"streams.dynamodb", "dynamodb"},
    {"entitlement.marketplace", "aws-marketplace"},
    {"metering.marketplace", "aws-marketplace"},
    {"sync-states", "states"},
};

// Ids of the SDKs where they are not the prefix of the host.
constexpr std::pair<std::string_view, std::string_view> kServiceIds[] = {
    {"states", "SFN"},
    {"sync-states", "SFN"},
    {"events", "EVENTBRIDGE"},
    {"monitoring", "CLOUDWATCH"},
    {"logs", "CLOUDWATCH_LOGS"},
    {"email", "SES"},
    {"elasticloadbalancing", "ELASTIC_LOAD_BALANCING_V2"},
    {"cognito-idp", "COGNITO_IDENTITY_PROVIDER"},
    {"cognito-identity", "COGNITO_IDENTITY"},
    {"secretsmanager", "SECRETS_MANAGER"},
};

std::string ServiceId(std::string_view service) {
  for (const auto& [prefix, id] : kServiceIds) {
    if (prefix == service) return std::string(id);
  }
  std::string out;
  for (char c : service) {
    out += IsLower(c) ? static_cast<char>(c - 'a' + 'A') : (IsAlnum(c) ? c : '_');
  }
  return out;
}

constexpr CharSet kLabelChars = kAlnumChars | CharSet("-");

absl::Status CheckUrl(std::string_view what, std::string_view url) {
  const absl::StatusOr<HttpUri> parsed = ParseHttpUri(url);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(Concat(
        what, ": \"", url, "\": ",
        std::string_view(parsed.status().message().data(), parsed.status().message().size())));
  }
  if (parsed->query.has_value()) {
    return absl::InvalidArgumentError(Concat(what, ": \"", url, "\" must not have a query"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view PartitionOf(std::string_view region) { return Find(region).name; }

bool IsRegionName(std::string_view text) {
  return !text.empty() && text.size() <= 32 && kLabelChars.HasAll(text);
}

bool IsServiceName(std::string_view text) {
  constexpr CharSet kChars = kLabelChars | CharSet(".");
  return !text.empty() && text.size() <= 128 && kChars.HasAll(text) && text.front() != '.' &&
         text.back() != '.' && text.find("..") == text.npos;
}

ServiceEndpoint EndpointOf(std::string_view service, std::string_view region,
                           std::string_view subdomain) {
  const Partition& partition = Find(region);
  ServiceEndpoint out;
  out.signing_region = region;
  out.signing_name = service;
  const std::string full =
      subdomain.empty() ? std::string(service) : Concat(subdomain, '.', service);
  for (const auto& [prefix, name] : kSigningNames) {
    if (full == prefix || service == prefix) out.signing_name = name;
  }
  if (IsGlobal(service) && subdomain.empty()) {
    out.signing_region = partition.global_region;
    out.host = Concat(service, '.', partition.suffix);
    const std::string key = Concat(partition.name, ' ', service);
    for (const auto& [name, host] : kGlobalHosts) {
      if (name == key) out.host = host;
    }
    return out;
  }
  out.host = Concat(full, '.', region, '.', partition.suffix);
  return out;
}

absl::Status EndpointOverrides::Add(std::string_view text) {
  // A URL has a colon before any "=".
  const size_t equals = text.find('=');
  std::string_view service;
  if (equals < text.find(':')) {
    service = text.substr(0, equals);
    text.remove_prefix(equals + 1);
    if (!IsServiceName(service)) {
      return absl::InvalidArgumentError(Concat("\"", service, "\" is no name of a service"));
    }
  }
  if (absl::Status status = CheckUrl(service.empty() ? "every service" : service, text);
      !status.ok()) {
    return status;
  }
  added_[AsciiToLower(service)] = text;
  return absl::OkStatus();
}

absl::Status EndpointOverrides::AddEnvironment(std::string_view name, std::string_view value) {
  constexpr std::string_view kPrefix = "AWS_ENDPOINT_URL";
  if (!name.starts_with(kPrefix) || value.empty()) return absl::OkStatus();
  std::string_view id = name.substr(kPrefix.size());
  if (!id.empty() && id[0] != '_') return absl::OkStatus();
  if (!id.empty()) id.remove_prefix(1);
  if (absl::Status status = CheckUrl(name, value); !status.ok()) return status;
  environment_[std::string(id)] = value;
  return absl::OkStatus();
}

std::optional<std::string_view> EndpointOverrides::Find(std::string_view service) const {
  const auto look = [](const auto& map, std::string_view key) -> std::optional<std::string_view> {
    const auto found = map.find(key);
    if (found == map.end()) return std::nullopt;
    return found->second;
  };
  // StartSyncExecution has a host of its own, but is of the same service.
  if (service == "sync-states") service = "states";
  if (auto url = look(added_, service)) return url;
  if (auto url = look(added_, "")) return url;
  if (auto url = look(environment_, ServiceId(service))) return url;
  return look(environment_, "");
}

}  // namespace postern::aws
