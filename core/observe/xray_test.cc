#include "core/observe/xray.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <tuple>

#include "core/context/execution_trace.h"
#include "core/context/test_request.h"

namespace postern {
namespace {

class XRayTest : public ::testing::Test {
 protected:
  XRayTest() : trace_(&request_.arena, ExecutionLevel::kOff, false) {
    RequestContext& context = request_.context;
    context.request_id = "8db3b4dd-ecd5-436d-9eeb-a544e39d3e12";
    context.extended_request_id = "AyD6KEwwPHcEKxg=";
    context.api_id = "abc";
    context.api_name = "Pets";
    context.account_id = "000000000000";
    context.partition = "aws";
    context.region = "us-east-1";
    context.stage = "prod";
    context.path = "/prod/pets";
    context.domain_name = "api.example.com";
    context.forwarded_proto = "https";
    context.source_ip = "192.0.2.1";
    context.peer_ip = "192.0.2.1";
    context.trace_id = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=x;Sampled=1";
    context.request_time_ms = 1465510280005;
    context.response_latency_ms = 120;
    context.integration_latency_ms = 100;
    context.status = 200;
    context.response_bytes = 7;
    context.execution = &trace_;
    segment_ = {"70de5b6f19ff9a0a", "53995c3f42cd8ad8", ""};
    context.segment = &segment_;
  }

  rapidjson::Document Written() {
    char buffer[XRayTracer::kMaxDatagram];
    const std::string text(WriteSegment(request_.context, buffer, sizeof(buffer)));
    const std::string header = "{\"format\":\"json\",\"version\":1}\n";
    EXPECT_EQ(text.substr(0, header.size()), header);
    rapidjson::Document document;
    document.Parse(text.c_str() + header.size());
    EXPECT_FALSE(document.HasParseError()) << text;
    return document;
  }

  TestRequest request_{"GET", "/prod/pets"};
  ExecutionTrace trace_;
  TraceSegment segment_;
};

TEST_F(XRayTest, Segment_RestApi13_9) {
  const rapidjson::Document segment = Written();
  EXPECT_STREQ(segment["name"].GetString(), "Pets/prod");
  EXPECT_STREQ(segment["id"].GetString(), "70de5b6f19ff9a0a");
  EXPECT_STREQ(segment["trace_id"].GetString(), "1-5759e988-bd862e3fe1be46a994272793");
  EXPECT_FALSE(segment.HasMember("parent_id"));
  EXPECT_NEAR(segment["start_time"].GetDouble(), 1465510280.005, 1e-6);
  EXPECT_NEAR(segment["end_time"].GetDouble(), 1465510280.125, 1e-6);
  EXPECT_STREQ(segment["origin"].GetString(), "AWS::ApiGateway::Stage");
  EXPECT_STREQ(segment["resource_arn"].GetString(),
               "arn:aws:apigateway:us-east-1::/restapis/abc/stages/prod");
  EXPECT_STREQ(segment["annotations"]["aws:api_id"].GetString(), "abc");
  EXPECT_STREQ(segment["annotations"]["aws:api_stage"].GetString(), "prod");
  const auto& gateway = segment["aws"]["api_gateway"];
  EXPECT_STREQ(gateway["account_id"].GetString(), "000000000000");
  EXPECT_STREQ(gateway["rest_api_id"].GetString(), "abc");
  EXPECT_STREQ(gateway["stage"].GetString(), "prod");
  EXPECT_STREQ(gateway["request_id"].GetString(), "8db3b4dd-ecd5-436d-9eeb-a544e39d3e12");
  EXPECT_STREQ(segment["aws"]["xray"]["sampling_rule_name"].GetString(), "Default");
  const auto& metadata = segment["metadata"]["default"];
  EXPECT_STREQ(metadata["extended_request_id"].GetString(), "AyD6KEwwPHcEKxg=");
  EXPECT_STREQ(metadata["request_id"].GetString(), "8db3b4dd-ecd5-436d-9eeb-a544e39d3e12");
  const auto& http = segment["http"];
  EXPECT_STREQ(http["request"]["url"].GetString(), "https://api.example.com/prod/pets");
  EXPECT_STREQ(http["request"]["method"].GetString(), "GET");
  EXPECT_STREQ(http["request"]["client_ip"].GetString(), "192.0.2.1");
  EXPECT_FALSE(http["request"]["x_forwarded_for"].GetBool());
  EXPECT_EQ(http["response"]["status"].GetInt(), 200);
  EXPECT_EQ(http["response"]["content_length"].GetInt(), 7);
  for (const char* flag : {"error", "fault", "throttle", "subsegments"}) {
    EXPECT_FALSE(segment.HasMember(flag)) << flag;
  }
}

TEST_F(XRayTest, FlagsByStatus_RestApi13_9) {
  for (const auto& [status, error, throttle, fault] :
       {std::tuple(404, true, false, false), std::tuple(429, true, true, false),
        std::tuple(502, false, false, true)}) {
    request_.context.status = static_cast<uint16_t>(status);
    const rapidjson::Document segment = Written();
    EXPECT_EQ(segment.HasMember("error"), error) << status;
    EXPECT_EQ(segment.HasMember("throttle"), throttle) << status;
    EXPECT_EQ(segment.HasMember("fault"), fault) << status;
  }
}

TEST_F(XRayTest, TheCallOfAFunctionIsASubsegment_RestApi13_9) {
  segment_.parent_id = "1122334455667788";
  RequestHead call(&request_.arena);
  call.method_text = "POST";
  call.scheme = "http";
  call.authority = "lambda:9001";
  call.target = "/2015-03-31/functions/orders/invocations";
  trace_.SetEndpointRequest(call);
  request_.context.integration_service_status = 200;
  const rapidjson::Document segment = Written();
  EXPECT_STREQ(segment["parent_id"].GetString(), "1122334455667788");
  ASSERT_EQ(segment["subsegments"].Size(), 1u);
  const auto& sub = segment["subsegments"][0];
  EXPECT_STREQ(sub["name"].GetString(), "Lambda");
  EXPECT_STREQ(sub["id"].GetString(), "53995c3f42cd8ad8");
  EXPECT_STREQ(sub["namespace"].GetString(), "aws");
  EXPECT_STREQ(sub["aws"]["function_name"].GetString(), "orders");
  EXPECT_STREQ(sub["aws"]["operation"].GetString(), "Invoke");
  EXPECT_STREQ(sub["http"]["request"]["url"].GetString(),
               "http://lambda:9001/2015-03-31/functions/orders/invocations");
  EXPECT_STREQ(sub["http"]["request"]["method"].GetString(), "POST");
  EXPECT_EQ(sub["http"]["response"]["status"].GetInt(), 200);
  EXPECT_NEAR(sub["end_time"].GetDouble() - sub["start_time"].GetDouble(), 0.1, 1e-6);
}

TEST_F(XRayTest, WhatDoesNotFitIsLeftOut) {
  char buffer[64];
  EXPECT_TRUE(WriteSegment(request_.context, buffer, sizeof(buffer)).empty());
}

TEST_F(XRayTest, SendsDatagramsAndSamplesByTheDefaultRule_RestApi13_9) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  socklen_t size = sizeof(address);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  const std::string port = std::to_string(ntohs(address.sin_port));
  for (const std::string& text : {"127.0.0.1:" + port, "tcp:127.0.0.1:1 udp:127.0.0.1:" + port}) {
    XRayTracer tracer;
    tracer.Send(request_.context);  // to nowhere
    EXPECT_FALSE(tracer.connected());
    ASSERT_TRUE(tracer.Connect(text).ok());
    EXPECT_TRUE(tracer.connected());
    tracer.Send(request_.context);
    char buffer[XRayTracer::kMaxDatagram];
    EXPECT_GT(::recv(fd, buffer, sizeof(buffer), 0), 100) << text;
    // The first of a second, and five of a hundred.
    EXPECT_TRUE(tracer.Sample(5000, UINT32_MAX));
    EXPECT_FALSE(tracer.Sample(5999, UINT32_MAX));
    EXPECT_TRUE(tracer.Sample(5999, UINT32_MAX / 21));
    EXPECT_TRUE(tracer.Sample(6000, UINT32_MAX));
  }
  ::close(fd);
  EXPECT_FALSE(XRayTracer().Connect("nowhere").ok());
  EXPECT_FALSE(XRayTracer().Connect("").ok());
}

}  // namespace
}  // namespace postern
