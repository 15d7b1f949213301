#include "lib/aws/service_call.h"

#include <gtest/gtest.h>

namespace postern::aws {
namespace {

ServiceCall Make(std::string_view subtype, std::vector<CallValue> values) {
  const Subtype* found = Subtype::Find(subtype);
  EXPECT_NE(found, nullptr) << subtype;
  auto call = MakeServiceCall(*found, values);
  EXPECT_TRUE(call.ok()) << call.status();
  return call.ok() ? *std::move(call) : ServiceCall();
}

std::string ErrorOf(std::string_view subtype, std::vector<CallValue> values) {
  const auto call = MakeServiceCall(*Subtype::Find(subtype), values);
  return call.ok() ? "no error" : std::string(call.status().message());
}

// http-api.md §10: exactly ten, each with these required parameters.
TEST(ServiceCallTest, Subtypes) {
  const std::pair<std::string_view, size_t> required[] = {
      {"EventBridge-PutEvents", 3},
      {"SQS-SendMessage", 2},
      {"SQS-ReceiveMessage", 1},
      {"SQS-DeleteMessage", 2},
      {"SQS-PurgeQueue", 1},
      {"AppConfig-GetConfiguration", 4},
      {"Kinesis-PutRecord", 3},
      {"StepFunctions-StartExecution", 1},
      {"StepFunctions-StartSyncExecution", 1},
      {"StepFunctions-StopExecution", 1},
  };
  for (const auto& [name, count] : required) {
    const Subtype* subtype = Subtype::Find(name);
    ASSERT_NE(subtype, nullptr) << name;
    size_t found = 0;
    for (const auto& parameter : subtype->parameters()) found += parameter.required;
    EXPECT_EQ(found, count) << name;
    EXPECT_EQ(subtype->FindParameter("Nothing"), nullptr);
  }
  EXPECT_EQ(Subtype::Find("SQS-SendMessageBatch"), nullptr);
  EXPECT_EQ(Subtype::Find("sqs-sendmessage"), nullptr);
}

// rest-api.md §9.1, `action/{Action}[&{Param}=…]`.
TEST(ServiceCallTest, JsonActions) {
  EXPECT_EQ(JsonActionOf("dynamodb", "PutItem"),
            (JsonAction{"DynamoDB_20120810.PutItem", "application/x-amz-json-1.0"}));
  EXPECT_EQ(JsonActionOf("events", "PutEvents&a=b"),
            (JsonAction{"AWSEvents.PutEvents", "application/x-amz-json-1.1"}));
  EXPECT_FALSE(JsonActionOf("sqs", "SendMessage").has_value());
  EXPECT_FALSE(JsonActionOf("dynamodb", "").has_value());
}

TEST(ServiceCallTest, EventBridge) {
  const ServiceCall call = Make("EventBridge-PutEvents", {{"Detail", "{\"a\":\"b\"}"},
                                                          {"DetailType", "order"},
                                                          {"Source", "shop"},
                                                          {"Time", "2026-07-20T01:56:20Z"},
                                                          {"Resources", "[\"r1\",\"r2\"]"}});
  EXPECT_EQ(call.method, "POST");
  EXPECT_EQ(call.target, "/");
  EXPECT_EQ(call.content_type, "application/x-amz-json-1.1");
  EXPECT_EQ(call.amz_target, "AWSEvents.PutEvents");
  EXPECT_EQ(call.body,
            "{\"Entries\":[{\"Source\":\"shop\",\"DetailType\":\"order\","
            "\"Detail\":\"{\\\"a\\\":\\\"b\\\"}\",\"Time\":1784512580,"
            "\"Resources\":[\"r1\",\"r2\"]}]}");
  EXPECT_EQ(ErrorOf("EventBridge-PutEvents", {{"Detail", "{}"}, {"Source", "s"}}),
            "the parameter DetailType has no value");
  EXPECT_EQ(ErrorOf("EventBridge-PutEvents",
                    {{"Detail", "{}"}, {"Source", "s"}, {"DetailType", "t"}, {"Time", "soon"}}),
            "the parameter Time is no time");
}

TEST(ServiceCallTest, Sqs) {
  const ServiceCall send =
      Make("SQS-SendMessage",
           {{"QueueUrl", "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"},
            {"MessageBody", "a&b=c d"},
            {"DelaySeconds", "5"},
            {"MessageAttributes", R"({"k":{"DataType":"String","StringValue":"v"}})"}});
  EXPECT_EQ(send.target, "/123456789012/orders");
  EXPECT_EQ(send.content_type, "application/x-www-form-urlencoded");
  EXPECT_EQ(send.amz_target, "");
  EXPECT_EQ(send.body,
            "Action=SendMessage&Version=2012-11-05&QueueUrl=https%3A%2F%2Fsqs.eu-west-1.amazonaws."
            "com%2F123456789012%2Forders&MessageBody=a%26b%3Dc%20d&DelaySeconds=5&"
            "MessageAttribute.1.Name=k&MessageAttribute.1.Value.DataType=String&"
            "MessageAttribute.1.Value.StringValue=v");
  const ServiceCall receive =
      Make("SQS-ReceiveMessage", {{"QueueUrl", "http://127.0.0.1:9324/000000000000/q"},
                                  {"AttributeNames", "All"},
                                  {"MessageAttributeNames", "a, b"},
                                  {"MaxNumberOfMessages", "3"}});
  EXPECT_EQ(receive.target, "/000000000000/q");
  EXPECT_TRUE(
      receive.body.ends_with("&AttributeName.1=All&MaxNumberOfMessages=3&MessageAttributeName.1=a&"
                             "MessageAttributeName.2=b"))
      << receive.body;
  EXPECT_EQ(ErrorOf("SQS-PurgeQueue", {{"QueueUrl", "orders"}}),
            "the parameter QueueUrl is no URL of a queue");
  EXPECT_EQ(
      ErrorOf("SQS-SendMessage",
              {{"QueueUrl", "http://h/1/q"}, {"MessageBody", "x"}, {"MessageAttributes", "[1]"}}),
      "the parameter MessageAttributes is no JSON object of attributes");
}

TEST(ServiceCallTest, AppConfig) {
  const ServiceCall call = Make("AppConfig-GetConfiguration", {{"Application", "my app"},
                                                               {"Environment", "prod"},
                                                               {"Configuration", "a/b"},
                                                               {"ClientId", "c&d"}});
  EXPECT_EQ(call.method, "GET");
  EXPECT_EQ(call.target,
            "/applications/my%20app/environments/prod/configurations/a%2Fb?client_id=c%26d");
  EXPECT_EQ(call.body, "");
}

TEST(ServiceCallTest, KinesisDataIsEncoded) {
  const ServiceCall call =
      Make("Kinesis-PutRecord", {{"StreamName", "s"}, {"Data", "hello"}, {"PartitionKey", "p"}});
  EXPECT_EQ(call.amz_target, "Kinesis_20131202.PutRecord");
  EXPECT_EQ(call.body, R"({"StreamName":"s","PartitionKey":"p","Data":"aGVsbG8="})");
}

TEST(ServiceCallTest, StepFunctions) {
  const ServiceCall start = Make("StepFunctions-StartExecution",
                                 {{"Input", "{}"}, {"StateMachineArn", "arn:m"}, {"Name", "n"}});
  EXPECT_EQ(start.content_type, "application/x-amz-json-1.0");
  EXPECT_EQ(start.amz_target, "AWSStepFunctions.StartExecution");
  EXPECT_EQ(start.body, R"({"stateMachineArn":"arn:m","name":"n","input":"{}"})");
  EXPECT_EQ(Make("StepFunctions-StopExecution", {{"ExecutionArn", "e"}, {"Cause", "c"}}).body,
            R"({"executionArn":"e","cause":"c"})");
  EXPECT_EQ(Subtype::Find("StepFunctions-StartSyncExecution")->service(), "sync-states");
}

}  // namespace
}  // namespace postern::aws
