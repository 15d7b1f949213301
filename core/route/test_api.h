#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/route/route.h"
#include "lib/text/path_template.h"

namespace postern {

/// Stands in tests where no exchange is made.
class NoIntegration final : public Integration {
 public:
  Exchange* NewExchange(const ExchangeEnv&) const override { return nullptr; }
  std::string_view type_name() const override { return "MOCK"; }
};

/// Resources with their methods.
using TestResources = std::vector<std::pair<std::string, std::vector<std::string>>>;

/// A deployment of these resources, without integrations.
inline std::shared_ptr<Deployment> MakeTestDeployment(const TestResources& resources,
                                                      std::vector<ReplySpec> replies = {}) {
  auto deployment = std::make_shared<Deployment>();
  RouteTree::Builder builder;
  std::vector<MethodFacts> methods;
  for (const auto& [path, names] : resources) {
    const PathTemplate parsed = *PathTemplate::Parse(path);
    for (const std::string& name : names) {
      MethodFacts& facts = methods.emplace_back();
      facts.resource_id = deployment->text.Intern("r" + std::to_string(methods.size()));
      facts.resource_path = deployment->text.Intern(path);
      facts.declared = ParseMethodBit(name);
      facts.variables = deployment->text.InternList(parsed.VariableNames());
      facts.variable_count = static_cast<uint32_t>(parsed.VariableNames().size());
      if (!builder.Add(parsed, facts.declared, static_cast<uint32_t>(methods.size() - 1)).ok()) {
        std::abort();
      }
    }
  }
  std::vector<uint32_t> numbers;
  deployment->tree = builder.Build(&numbers);
  for (uint32_t number : numbers) deployment->methods.push_back(methods[number]);
  deployment->replies = std::make_unique<const ApiReplies>(std::move(replies));
  return deployment;
}

/// The same of an HTTP API; the path "$default" is its default route.
inline std::shared_ptr<Deployment> MakeTestHttpDeployment(const TestResources& resources) {
  TestResources full, greedy;
  bool has_default = false;
  for (const auto& resource : resources) {
    if (resource.first == "$default") {
      has_default = true;
    } else {
      (resource.first.ends_with("+}") ? greedy : full).push_back(resource);
    }
  }
  auto deployment = MakeTestDeployment(full);
  auto rest = MakeTestDeployment(greedy);
  deployment->http_api = true;
  deployment->replies = ApiReplies::MakeHttpApi();
  deployment->greedy_tree = std::move(rest->tree);
  deployment->greedy_base = static_cast<uint32_t>(deployment->methods.size());
  const auto add = [&](std::string_view method, std::string_view path,
                       const std::vector<std::string_view>& variables) {
    MethodFacts& facts = deployment->methods.emplace_back();
    facts.resource_path = deployment->text.Intern(path);
    facts.declared = ParseMethodBit(method);
    facts.variables = deployment->text.InternList(variables);
    facts.variable_count = static_cast<uint32_t>(variables.size());
  };
  for (const MethodFacts& facts : rest->methods) {
    add(facts.method(), facts.resource_path,
        {facts.variables, facts.variables + facts.variable_count});
  }
  if (has_default) {
    deployment->default_route = static_cast<uint32_t>(deployment->methods.size());
    add("ANY", "$default", {"proxy"});
  }
  for (MethodFacts& facts : deployment->methods) {
    facts.resource_id = deployment->text.Intern(facts.resource_path == "$default"
                                                    ? std::string("$default")
                                                    : std::string(facts.method()) + " " +
                                                          std::string(facts.resource_path));
  }
  return deployment;
}

/// A deployment in service.
inline std::unique_ptr<Variant> MakeTestVariant(std::shared_ptr<const Deployment> deployment,
                                                std::string_view deployment_id = "dep001") {
  auto variant = std::make_unique<Variant>();
  variant->deployment_id = deployment_id;
  variant->integrations.push_back(std::make_unique<NoIntegration>());
  for (const MethodFacts& facts : deployment->methods) {
    Route& route = variant->routes.emplace_back();
    route.id = static_cast<uint32_t>(variant->routes.size() - 1);
    route.facts = &facts;
    route.integration = variant->integrations.front().get();
  }
  variant->deployment = std::move(deployment);
  return variant;
}

/// An API with stages of one variant each.
inline std::unique_ptr<Api> MakeTestApi(std::string_view id, const std::vector<std::string>& stages,
                                        const std::shared_ptr<const Deployment>& deployment) {
  auto api = std::make_unique<Api>();
  api->id = id;
  api->name = std::string(id) + "-name";
  api->endpoint_type = "REGIONAL";
  for (const std::string& name : stages) {
    auto stage = std::make_unique<Stage>();
    stage->name = name;
    stage->api = api.get();
    auto variant = MakeTestVariant(deployment);
    variant->stage = stage.get();
    stage->main = std::move(variant);
    api->stages.push_back(std::move(stage));
  }
  return api;
}

}  // namespace postern
