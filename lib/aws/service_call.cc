#include "lib/aws/service_call.h"

#include <algorithm>
#include <charconv>

#include "lib/aws/sts.h"
#include "lib/text/ascii.h"
#include "lib/text/char_sink.h"
#include "lib/text/concat.h"
#include "lib/text/json_reader.h"
#include "lib/text/json_writer.h"
#include "lib/text/percent.h"
#include "lib/text/query_string.h"
#include "lib/text/uri.h"

namespace postern::aws {

struct SubtypeTable {
  using P = Subtype::Parameter;
  static constexpr P kPutEvents[] = {
      {"Detail", true},        {"DetailType", true}, {"Source", true},      {"Time", false},
      {"EventBusName", false}, {"Resources", false}, {"TraceHeader", false}};
  static constexpr P kSend[] = {{"QueueUrl", true},
                                {"MessageBody", true},
                                {"DelaySeconds", false},
                                {"MessageAttributes", false},
                                {"MessageDeduplicationId", false},
                                {"MessageGroupId", false},
                                {"MessageSystemAttributes", false}};
  static constexpr P kReceive[] = {{"QueueUrl", true},
                                   {"AttributeNames", false},
                                   {"MaxNumberOfMessages", false},
                                   {"MessageAttributeNames", false},
                                   {"ReceiveRequestAttemptId", false},
                                   {"VisibilityTimeout", false},
                                   {"WaitTimeSeconds", false}};
  static constexpr P kDelete[] = {{"QueueUrl", true}, {"ReceiptHandle", true}};
  static constexpr P kPurge[] = {{"QueueUrl", true}};
  static constexpr P kConfiguration[] = {{"Application", true},
                                         {"Environment", true},
                                         {"Configuration", true},
                                         {"ClientId", true},
                                         {"ClientConfigurationVersion", false}};
  static constexpr P kPutRecord[] = {{"StreamName", true},
                                     {"Data", true},
                                     {"PartitionKey", true},
                                     {"SequenceNumberForOrdering", false},
                                     {"ExplicitHashKey", false}};
  static constexpr P kStart[] = {{"StateMachineArn", true}, {"Name", false}, {"Input", false}};
  static constexpr P kStartSync[] = {
      {"StateMachineArn", true}, {"Name", false}, {"Input", false}, {"TraceHeader", false}};
  static constexpr P kStop[] = {{"ExecutionArn", true}, {"Cause", false}, {"Error", false}};

  using K = Subtype::Kind;
  static constexpr Subtype kAll[] = {
      {"EventBridge-PutEvents", "events", K::kEvents, "PutEvents", kPutEvents},
      {"SQS-SendMessage", "sqs", K::kSqs, "SendMessage", kSend},
      {"SQS-ReceiveMessage", "sqs", K::kSqs, "ReceiveMessage", kReceive},
      {"SQS-DeleteMessage", "sqs", K::kSqs, "DeleteMessage", kDelete},
      {"SQS-PurgeQueue", "sqs", K::kSqs, "PurgeQueue", kPurge},
      {"AppConfig-GetConfiguration", "appconfig", K::kAppConfig, "GetConfiguration",
       kConfiguration},
      {"Kinesis-PutRecord", "kinesis", K::kKinesis, "PutRecord", kPutRecord},
      {"StepFunctions-StartExecution", "states", K::kStates, "StartExecution", kStart},
      {"StepFunctions-StartSyncExecution", "sync-states", K::kStates, "StartSyncExecution",
       kStartSync},
      {"StepFunctions-StopExecution", "states", K::kStates, "StopExecution", kStop},
  };
};

namespace {

struct JsonService {
  std::string_view service;
  std::string_view prefix;
  bool minor;  // JSON 1.1 rather than 1.0
};
constexpr JsonService kJsonServices[] = {
    {"acm", "CertificateManager", true},
    {"athena", "AmazonAthena", true},
    {"codebuild", "CodeBuild_20161006", true},
    {"codepipeline", "CodePipeline_20150709", true},
    {"cognito-identity", "AWSCognitoIdentityService", true},
    {"cognito-idp", "AWSCognitoIdentityProviderService", true},
    {"comprehend", "Comprehend_20171127", true},
    {"dynamodb", "DynamoDB_20120810", false},
    {"ecr", "AmazonEC2ContainerRegistry_V20150921", true},
    {"ecs", "AmazonEC2ContainerServiceV20141113", true},
    {"events", "AWSEvents", true},
    {"firehose", "Firehose_20150804", true},
    {"glue", "AWSGlue", true},
    {"kinesis", "Kinesis_20131202", true},
    {"kms", "TrentService", true},
    {"logs", "Logs_20140328", true},
    {"rekognition", "RekognitionService", true},
    {"secretsmanager", "secretsmanager", true},
    {"ssm", "AmazonSSM", true},
    {"states", "AWSStepFunctions", false},
    {"sync-states", "AWSStepFunctions", false},
    {"textract", "Textract", true},
    {"translate", "AWSShineFrontendService_20170701", true},
};

constexpr std::string_view kJson10 = "application/x-amz-json-1.0";
constexpr std::string_view kJson11 = "application/x-amz-json-1.1";

}  // namespace

std::optional<JsonAction> JsonActionOf(std::string_view service, std::string_view action) {
  action = action.substr(0, action.find('&'));
  for (const JsonService& known : kJsonServices) {
    if (known.service != service || action.empty()) continue;
    return JsonAction{Concat(known.prefix, '.', action), known.minor ? kJson11 : kJson10};
  }
  return std::nullopt;
}

const Subtype* Subtype::Find(std::string_view name) {
  for (const Subtype& subtype : SubtypeTable::kAll) {
    if (subtype.name() == name) return &subtype;
  }
  return nullptr;
}

const Subtype::Parameter* Subtype::FindParameter(std::string_view name) const {
  for (const Parameter& parameter : parameters_) {
    if (parameter.name == name) return &parameter;
  }
  return nullptr;
}

class CallMaker {
 public:
  CallMaker(const Subtype& subtype, std::span<const CallValue> values)
      : subtype_(subtype), values_(values) {}

  absl::StatusOr<ServiceCall> Make() {
    for (const Subtype::Parameter& parameter : subtype_.parameters()) {
      if (parameter.required && !Get(parameter.name).has_value()) {
        return absl::InvalidArgumentError(
            Concat("the parameter ", parameter.name, " has no value"));
      }
    }
    call_.method = "POST";
    call_.target = "/";
    absl::Status status;
    switch (subtype_.kind_) {
      case Subtype::Kind::kEvents:
        status = MakeEvents();
        break;
      case Subtype::Kind::kSqs:
        status = MakeSqs();
        break;
      case Subtype::Kind::kAppConfig:
        MakeAppConfig();
        break;
      case Subtype::Kind::kKinesis:
        MakeKinesis();
        break;
      case Subtype::Kind::kStates:
        MakeStates();
        break;
    }
    if (!status.ok()) return status;
    return std::move(call_);
  }

 private:
  std::optional<std::string_view> Get(std::string_view name) const {
    for (const auto& [key, value] : values_) {
      if (key == name) return value;
    }
    return std::nullopt;
  }

  absl::Status Wrong(std::string_view name, std::string_view what) const {
    return absl::InvalidArgumentError(Concat("the parameter ", name, " ", what));
  }

  void Json() {
    if (auto action = JsonActionOf(subtype_.service(), subtype_.operation_)) {
      call_.content_type = action->content_type;
      call_.amz_target = std::move(action->target);
    }
  }

  void Member(std::string_view name, std::string_view parameter, JsonWriter* json) const {
    const auto value = Get(parameter);
    if (!value.has_value()) return;
    json->PlainKey(name);
    json->String(*value);
  }

  absl::Status MakeEvents() {
    Json();
    StringSink sink(&call_.body);
    JsonWriter json(&sink);
    json.BeginObject();
    json.PlainKey("Entries");
    json.BeginArray();
    json.BeginObject();
    for (const std::string_view name :
         {"Source", "DetailType", "Detail", "EventBusName", "TraceHeader"}) {
      Member(name, name, &json);
    }
    if (const auto time = Get("Time")) {
      // Seconds since 1970 in the service's protocol.
      json.PlainKey("Time");
      double seconds = 0;
      const auto [end, error] = std::from_chars(time->data(), time->data() + time->size(), seconds);
      if (error == std::errc() && end == time->data() + time->size()) {
        json.Raw(*time);
      } else if (const auto ms = ParseIsoTime(*time)) {
        json.Int(*ms / 1000);
      } else {
        return Wrong("Time", "is no time");
      }
    }
    if (const auto resources = Get("Resources")) {
      std::vector<std::string> list;
      if (!ReadList(*resources, &list)) return Wrong("Resources", "is no list of texts");
      json.PlainKey("Resources");
      json.BeginArray();
      for (const std::string& one : list) json.String(one);
      json.EndArray();
    }
    json.EndObject();
    json.EndArray();
    json.EndObject();
    return absl::OkStatus();
  }

  // A JSON list of texts, or texts with commas between them.
  static bool ReadList(std::string_view text, std::vector<std::string>* out) {
    text = TrimOws(text);
    if (text.starts_with('[')) {
      JsonReader reader;
      if (!reader.Parse(text).ok()) return false;
      for (size_t i = 0; i < reader.root().size(); ++i) {
        const auto one = reader.root().At(i).AsString();
        if (!one.has_value()) return false;
        out->emplace_back(*one);
      }
      return true;
    }
    while (!text.empty()) {
      const size_t comma = std::min(text.find(','), text.size());
      out->emplace_back(TrimOws(text.substr(0, comma)));
      text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return true;
  }

  void FormField(std::string_view name, std::string_view value) {
    StringSink sink(&call_.body);
    bool first = false;
    AppendQueryField(name, value, &first, sink);
  }

  absl::Status MakeSqs() {
    call_.content_type = "application/x-www-form-urlencoded";
    const std::string_view queue = *Get("QueueUrl");
    const absl::StatusOr<HttpUri> uri = ParseHttpUri(queue);
    if (!uri.ok() || uri->query.has_value() || uri->path.size() < 2) {
      return Wrong("QueueUrl", "is no URL of a queue");
    }
    call_.target = uri->path;
    call_.body = Concat("Action=", subtype_.operation_, "&Version=2012-11-05");
    FormField("QueueUrl", queue);
    for (const Subtype::Parameter& parameter : subtype_.parameters()) {
      const auto value = Get(parameter.name);
      if (!value.has_value() || parameter.name == "QueueUrl") continue;
      if (parameter.name == "MessageAttributes" || parameter.name == "MessageSystemAttributes") {
        std::string_view prefix = parameter.name;
        prefix.remove_suffix(1);
        if (!AddAttributes(prefix, *value)) {
          return Wrong(parameter.name, "is no JSON object of attributes");
        }
      } else if (parameter.name == "AttributeNames" || parameter.name == "MessageAttributeNames") {
        std::string_view prefix = parameter.name;
        prefix.remove_suffix(1);
        std::vector<std::string> list;
        if (!ReadList(*value, &list)) return Wrong(parameter.name, "is no list of texts");
        for (size_t i = 0; i < list.size(); ++i) {
          FormField(Concat(prefix, '.', i + 1), list[i]);
        }
      } else {
        FormField(parameter.name, *value);
      }
    }
    return absl::OkStatus();
  }

  // {"name": {"DataType": "String", "StringValue": "..."}}
  bool AddAttributes(std::string_view prefix, std::string_view text) {
    JsonReader reader;
    if (!reader.Parse(text).ok() || !reader.root().is_object()) return false;
    for (size_t i = 0; i < reader.root().size(); ++i) {
      const JsonValue attribute = reader.root().At(i);
      if (!attribute.is_object()) return false;
      const std::string place = Concat(prefix, '.', i + 1, '.');
      FormField(Concat(place, "Name"), reader.root().NameAt(i));
      for (const std::string_view part : {"DataType", "StringValue", "BinaryValue"}) {
        const auto value = attribute.Find(part).AsString();
        if (value.has_value()) FormField(Concat(place, "Value.", part), *value);
      }
    }
    return true;
  }

  void MakeAppConfig() {
    call_.method = "GET";
    const auto part = [this](std::string_view name) {
      return PercentEncode(*Get(name), kUnreservedChars);
    };
    call_.target = Concat("/applications/", part("Application"), "/environments/",
                          part("Environment"), "/configurations/", part("Configuration"), "?");
    StringSink sink(&call_.target);
    bool first = true;
    AppendQueryField("client_id", *Get("ClientId"), &first, sink);
    if (const auto version = Get("ClientConfigurationVersion")) {
      AppendQueryField("client_configuration_version", *version, &first, sink);
    }
  }

  void MakeKinesis() {
    Json();
    StringSink sink(&call_.body);
    JsonWriter json(&sink);
    json.BeginObject();
    for (const std::string_view name :
         {"StreamName", "PartitionKey", "SequenceNumberForOrdering", "ExplicitHashKey"}) {
      Member(name, name, &json);
    }
    json.PlainKey("Data");
    json.Base64(*Get("Data"));
    json.EndObject();
  }

  void MakeStates() {
    Json();
    StringSink sink(&call_.body);
    JsonWriter json(&sink);
    json.BeginObject();
    for (const Subtype::Parameter& parameter : subtype_.parameters()) {
      std::string name(parameter.name);
      name[0] = ToLower(name[0]);
      Member(name, parameter.name, &json);
    }
    json.EndObject();
  }

  const Subtype& subtype_;
  const std::span<const CallValue> values_;
  ServiceCall call_;
};

absl::StatusOr<ServiceCall> MakeServiceCall(const Subtype& subtype,
                                            std::span<const CallValue> values) {
  return CallMaker(subtype, values).Make();
}

}  // namespace postern::aws
