#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/context/test_request.h"
#include "core/route/router.h"
#include "core/route/test_api.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

/// Paths of three segments below four services, so that trees of all sizes have the same shape and
/// only their breadth differs; every tenth has a greedy variable.
TestResources MakeResources(int routes) {
  TestResources resources;
  for (int i = 0; i < routes; ++i) {
    resources.emplace_back(i % 10 == 9 ? Concat("/service", i % 4, "/files", i, "/{proxy+}")
                                       : Concat("/service", i % 4, "/resource", i, "/{id}"),
                           std::vector<std::string>{i % 3 == 0 ? "ANY" : "GET"});
  }
  return resources;
}

/// Requests for all routes, each once, in random order. They lie one behind the other, as what was
/// just received is in the cache.
struct Targets {
  explicit Targets(int routes) {
    std::vector<std::string> shuffled;
    for (int i = 0; i < routes; ++i) {
      shuffled.push_back(i % 10 == 9 ? Concat("/service", i % 4, "/files", i, "/a/b/c.txt")
                                     : Concat("/service", i % 4, "/resource", i, "/4711"));
    }
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(1));
    for (const std::string& target : shuffled) text += target;
    size_t at = 0;
    for (const std::string& target : shuffled) {
      views.push_back(std::string_view(text).substr(at, target.size()));
      at += target.size();
    }
  }
  std::string_view Next() {
    const std::string_view view = views[at];
    if (++at == views.size()) at = 0;
    return view;
  }

  std::string text;
  std::vector<std::string_view> views;
  size_t at = 0;
};

void BM_TreeFind(benchmark::State& state) {
  const auto routes = static_cast<int>(state.range(0));
  const auto deployment = MakeTestDeployment(MakeResources(routes));
  Targets targets(routes);
  for (auto _ : state) {
    RouteTree::Match match;
    benchmark::DoNotOptimize(
        deployment->tree.Find(targets.Next(), MethodBit(Method::kGet), &match));
    benchmark::DoNotOptimize(match.route);
  }
  state.counters["bytes/route"] =
      static_cast<double>(deployment->tree.memory()) / static_cast<double>(routes);
}
BENCHMARK(BM_TreeFind)->Arg(10)->Arg(1000)->Arg(10000);

// The whole of Router::Match(), as a session calls it: host, stage, route, context, parameters.
void BM_RouterMatch(benchmark::State& state) {
  const auto routes = static_cast<int>(state.range(0));
  std::vector<std::unique_ptr<const Api>> apis;
  apis.push_back(MakeTestApi("a1b2c3", {"prod"}, MakeTestDeployment(MakeResources(routes))));
  const Stage* stage = apis[0]->stages[0].get();
  std::vector<Router::Domain> domains;
  domains.push_back({"*", false, {}, {{"", stage}}});
  const Router router({"111122223333", "eu-west-1", "aws", true, true}, std::move(apis),
                      std::move(domains));
  Targets targets(routes);
  TestRequest request("GET", "/", {{"Accept", "*/*"}, {"User-Agent", "bench"}}, "localhost:8080");
  for (auto _ : state) {
    request.head.target = targets.Next();
    request.context = {};
    Arena arena(&request.pool);
    benchmark::DoNotOptimize(router.Match(request.head, {}, &request.context, &arena));
  }
}
BENCHMARK(BM_RouterMatch)->Arg(10)->Arg(1000)->Arg(10000);

}  // namespace
}  // namespace postern
