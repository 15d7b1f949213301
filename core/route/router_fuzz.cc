#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "core/context/test_request.h"
#include "core/route/router.h"
#include "core/route/test_api.h"

namespace postern {
namespace {

const Router& TestRouter() {
  static const Router* const router = [] {
    const auto deployment = MakeTestDeployment({{"/", {"GET"}},
                                                {"/a", {"GET", "POST"}},
                                                {"/a/{x}", {"ANY"}},
                                                {"/a/{x}/b", {"GET"}},
                                                {"/{y}/b/{rest+}", {"GET"}},
                                                {"/{proxy+}", {"ANY", "DELETE"}}});
    std::vector<std::unique_ptr<const Api>> apis;
    apis.push_back(MakeTestApi("api", {"prod", "dev"}, deployment));
    const Stage* stage = apis[0]->stages[0].get();
    std::vector<Router::Domain> domains;
    domains.push_back({"*", false, {}, {{"", stage}, {"v1", stage}, {"v1/x", stage}}});
    domains.push_back({"*.example.com", false, {}, {{"w", stage}}});
    Router::Domain rules{"rules.example.com", false, {}, {{"", stage}}};
    rules.rules.push_back({{{"X-A", "*b*"}}, "r", true, "id", stage});
    domains.push_back(std::move(rules));
    return new Router({"111122223333", "eu-west-1", "aws", true, true}, std::move(apis),
                      std::move(domains));
  }();
  return *router;
}

}  // namespace
}  // namespace postern

// One line each: method, authority, target, Authorization.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::string_view parts[4];
  for (std::string_view& part : parts) {
    const size_t end = rest.find('\n');
    part = rest.substr(0, end);
    rest = end == rest.npos ? std::string_view{} : rest.substr(end + 1);
  }
  TestRequest request(parts[0], parts[2], {}, parts[1]);
  if (!parts[3].empty()) request.head.headers.Add("Authorization", parts[3]);
  const RouteMatch match = TestRouter().Match(request.head, {}, &request.context, &request.arena);
  if ((match.route == nullptr) != (match.refusal != ResponseType::kNone)) __builtin_trap();
  const RequestContext& context = request.context;
  if (match.route != nullptr) {
    if (!context.method_path.starts_with('/') || !context.path.starts_with('/')) __builtin_trap();
    if (context.path_param_count != match.route->facts->variable_count) __builtin_trap();
    for (size_t i = 0; i < context.path_param_count; ++i) {
      if (context.path_params[i].value.empty()) __builtin_trap();
    }
  }
  match.replies().Render(match.route == nullptr ? match.refusal : ResponseType::kDefault5xx, 0,
                         &request.context, &request.arena);
  return 0;
}
