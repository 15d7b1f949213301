#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

/// The calls that HTTP APIs make to AWS services by a subtype of their integration (http-api.md
/// §10): parameters by name in, an HTTP request out.
namespace postern::aws {

/// How an action of a service with JSON for its protocol is named, and its content declared.
struct JsonAction {
  std::string target;             ///< value of X-Amz-Target, e.g. "DynamoDB_20120810.PutItem"
  std::string_view content_type;  ///< "application/x-amz-json-1.0" or -1.1

  bool operator==(const JsonAction&) const = default;
};

/// Nothing for services whose actions are named by the query parameter Action alone ("sqs", "sns"),
/// and for those that are not known here. `action` is what follows "action/" of an integration's
/// URI, with parameters or not.
std::optional<JsonAction> JsonActionOf(std::string_view service, std::string_view action);

/// One of the ten subtypes.
class Subtype {
 public:
  struct Parameter {
    std::string_view name;
    bool required;
  };

  /// "SQS-SendMessage" and so on, case-sensitive. Null if there is no such subtype.
  static const Subtype* Find(std::string_view name);

  std::string_view name() const { return name_; }
  /// The service as EndpointOf() takes it.
  std::string_view service() const { return service_; }
  /// Without Region, which all have.
  std::span<const Parameter> parameters() const { return parameters_; }
  const Parameter* FindParameter(std::string_view name) const;

 private:
  friend struct SubtypeTable;
  friend class CallMaker;
  enum class Kind : uint8_t { kEvents, kSqs, kAppConfig, kKinesis, kStates };

  constexpr Subtype(std::string_view name, std::string_view service, Kind kind,
                    std::string_view operation, std::span<const Parameter> parameters)
      : name_(name),
        service_(service),
        kind_(kind),
        operation_(operation),
        parameters_(parameters) {}

  std::string_view name_;
  std::string_view service_;
  Kind kind_;
  std::string_view operation_;
  std::span<const Parameter> parameters_;
};

/// A parameter with its value.
using CallValue = std::pair<std::string_view, std::string_view>;

/// The request of a call, to be signed and sent.
struct ServiceCall {
  std::string_view method;        ///< "POST" or "GET"
  std::string target;             ///< path and query, percent-encoded
  std::string_view content_type;  ///< empty: none
  std::string amz_target;         ///< value of X-Amz-Target; empty: none
  std::string body;
};

/// Makes the call. `values` are of parameters of `subtype`, in any order; those without a value are
/// left out. InvalidArgument says which parameter is missing, or is not what it must be: JSON text
/// where it has parts, a number, a URL.
absl::StatusOr<ServiceCall> MakeServiceCall(const Subtype& subtype,
                                            std::span<const CallValue> values);

}  // namespace postern::aws
