#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace postern::aws {

/// Where a service is called, and what its signature is scoped to.
struct ServiceEndpoint {
  std::string host;
  std::string signing_name;    ///< service of the credential scope
  std::string signing_region;  ///< region of it

  bool operator==(const ServiceEndpoint&) const = default;
};

/// The endpoint of `service` as an integration's URI names it (rest-api.md §9.1), the prefix of
/// the service's host names: "sqs", "states", "events". With `subdomain`, "bucket" of
/// "bucket.s3", the host begins with it. Knows the partitions aws, aws-cn, aws-us-gov, aws-iso and
/// aws-iso-b by the names of their regions, services that are global in their partition (iam,
/// route53, cloudfront, …), and signing names that differ from the prefix.
ServiceEndpoint EndpointOf(std::string_view service, std::string_view region,
                           std::string_view subdomain = {});

/// "aws", "aws-cn", "aws-us-gov", …
std::string_view PartitionOf(std::string_view region);

/// Whether it can be the name of a region: part of a host name.
bool IsRegionName(std::string_view text);
/// The same of a service, dots allowed.
bool IsServiceName(std::string_view text);

/// Other endpoints in place of AWS's own, as the AWS SDKs take them: one for a service before one
/// for all. Immutable once it is in use.
class EndpointOverrides {
 public:
  /// "URL", for every service, or "SERVICE=URL". InvalidArgument says what is wrong.
  absl::Status Add(std::string_view text);

  /// From AWS_ENDPOINT_URL_<SERVICE> and AWS_ENDPOINT_URL, given as name and value; goes behind
  /// what Add() was told. <SERVICE> is the SDKs' id of the service, e.g. DYNAMODB, SFN,
  /// EVENTBRIDGE.
  absl::Status AddEnvironment(std::string_view name, std::string_view value);

  /// The URL for `service` as an integration's URI names it. Nothing: AWS's own.
  std::optional<std::string_view> Find(std::string_view service) const;

  bool empty() const { return added_.empty() && environment_.empty(); }

 private:
  std::map<std::string, std::string, std::less<>> added_;        // by service; "" for all
  std::map<std::string, std::string, std::less<>> environment_;  // by the SDKs' id; "" for all
};

}  // namespace postern::aws
