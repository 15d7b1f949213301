#pragma once

#include <string>
#include <string_view>

#include "lib/crypto/digest.h"
#include "lib/text/concat.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {

/// A small sound snapshot for tests to change: API "pets" with stage "prod" behind the domain "*",
/// one cluster "backend", one function "fn".
struct TestSnapshot {
  TestSnapshot() {
    message.set_format(1);
    message.set_version(7);
    auto* listener = message.add_listeners();
    listener->set_name("http");
    listener->mutable_address()->mutable_tcp()->set_host("127.0.0.1");
    auto* api = message.add_apis();
    api->set_id("pets");
    api->set_name("Petstore");
    api->set_type(snapshot::v1::API_TYPE_REST);

    auto* cluster = message.add_clusters();
    cluster->set_name("backend");
    auto* tcp = cluster->add_endpoints()->mutable_address()->mutable_tcp();
    tcp->set_host("127.0.0.1");
    tcp->set_port(9000);
    auto* function = message.add_functions();
    function->set_name("fn");
    function->set_cluster("backend");
    function->set_mode(snapshot::v1::INVOKE_MODE_RUNTIME_INTERFACE);

    deployment.set_type(snapshot::v1::API_TYPE_REST);
    AddResource("root", "/");
    SetLambda(AddMethod(AddResource("pets", "/pets"), "GET"));
    SetHttpProxy(AddMethod(AddResource("pet", "/pets/{id}"), "ANY"));
    SetLambda(AddMethod(AddResource("fn", "/fn"), "POST"));

    auto* stage = message.add_stages();
    stage->set_api_id("pets");
    stage->set_name("prod");
    Bind(stage);
    auto* domain = message.add_domains();
    domain->set_name("*");
    auto* mapping = domain->add_mappings();
    mapping->set_api_id("pets");
    mapping->set_stage("prod");
  }

  snapshot::v1::Resource* AddResource(std::string_view id, std::string_view path) {
    auto* resource = deployment.add_resources();
    resource->set_id(std::string(id));
    resource->set_path(std::string(path));
    return resource;
  }
  static snapshot::v1::Method* AddMethod(snapshot::v1::Resource* resource,
                                         std::string_view http_method) {
    auto* method = resource->add_methods();
    method->set_http_method(std::string(http_method));
    method->add_responses()->set_status_code(200);
    return method;
  }
  /// Needs the filter postern.transform, when it is built.
  static snapshot::v1::Method* SetMock(snapshot::v1::Method* method) {
    method->clear_integration();
    auto* integration = method->mutable_integration();
    integration->set_type(snapshot::v1::INTEGRATION_TYPE_MOCK);
    integration->mutable_mock();
    auto* body = integration->add_request_templates();
    body->set_content_type("application/json");
    body->set_body("{\"statusCode\": 200}");
    integration->add_responses()->set_status_code(200);
    return method;
  }
  static snapshot::v1::Method* SetHttpProxy(snapshot::v1::Method* method) {
    auto* integration = method->mutable_integration();
    integration->set_type(snapshot::v1::INTEGRATION_TYPE_HTTP_PROXY);
    integration->set_http_method("ANY");
    integration->mutable_http()->set_upstream("http://backend");
    integration->mutable_http()->set_path("/pets/{id}");
    auto* mapping = integration->add_request_parameters();
    mapping->set_target(snapshot::v1::RequestMapping::TARGET_PATH);
    mapping->set_name("id");
    mapping->mutable_source()->mutable_request()->set_location(
        snapshot::v1::RequestValue::LOCATION_PATH);
    mapping->mutable_source()->mutable_request()->set_name("id");
    return method;
  }
  static snapshot::v1::Method* SetLambda(snapshot::v1::Method* method) {
    auto* integration = method->mutable_integration();
    integration->set_type(snapshot::v1::INTEGRATION_TYPE_AWS_PROXY);
    integration->set_http_method("POST");
    integration->mutable_lambda()->set_function("fn");
    return method;
  }
  /// Binds what the deployment of the constructor asks for.
  template <typename Message>
  static void Bind(Message* stage) {
    auto* upstream = stage->add_upstreams();
    upstream->set_upstream("http://backend");
    upstream->set_cluster("backend");
    upstream->set_authority("backend");
    auto* function = stage->add_functions();
    function->set_function("fn");
    function->set_target("fn");
  }

  snapshot::v1::Stage* stage() { return message.mutable_stages(0); }
  snapshot::v1::Method* method(int resource) {
    return deployment.mutable_resources(resource)->mutable_methods(0);
  }

  /// Stores `other` and returns its digest.
  std::string Store(const snapshot::v1::Deployment& other) {
    auto* stored = message.add_deployments();
    stored->set_content(other.SerializeAsString());
    stored->set_digest(Sha256Hex(stored->content()));
    return stored->digest();
  }

  /// The whole, with the deployment put under its digest.
  const snapshot::v1::Snapshot& Finish() {
    if (!finished) stage()->set_deployment_digest(Store(deployment));
    finished = true;
    return message;
  }

  snapshot::v1::Snapshot message;
  snapshot::v1::Deployment deployment;
  bool finished = false;
};

/// An API of `routes` methods, at least four, most behind paths of three segments. The root has
/// none, so that 9,999 fit into the 10,000 resources of a deployment.
inline TestSnapshot MakeLargeSnapshot(int routes) {
  TestSnapshot snapshot;
  for (int i = 3; i < routes; ++i) {
    TestSnapshot::SetHttpProxy(TestSnapshot::AddMethod(
        snapshot.AddResource(Concat("r", i), Concat("/group", i / 100, "/item", i, "/{id}")),
        i % 2 == 0 ? "GET" : "ANY"));
  }
  return snapshot;
}

}  // namespace postern
