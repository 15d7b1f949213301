#include "core/integration/http_integration.h"

#include <utility>

#include "core/integration/backend_call.h"
#include "core/integration/gateway_fields.h"
#include "lib/text/concat.h"

namespace postern {

class HttpIntegration::HttpCall final : public BackendCall {
 public:
  HttpCall(const HttpIntegration& integration, const ExchangeEnv& env)
      : BackendCall({integration.spec_.cluster, integration.spec_.https ? "https" : "http",
                     integration.spec_.timeout_ms},
                    env),
        integration_(integration) {}

 private:
  bool Prepare(RequestHead* head, std::string_view) override {
    AddGatewayFields(*env().context, integration_.spec_.api_id, integration_.user_agent_,
                     &head->headers);
    return true;
  }

  const HttpIntegration& integration_;
};

HttpIntegration::HttpIntegration(Spec spec)
    : spec_(std::move(spec)), user_agent_(Concat("AmazonAPIGateway_", spec_.api_id)) {}

Exchange* HttpIntegration::NewExchange(const ExchangeEnv& env) const {
  return new (env.arena->Allocate(sizeof(HttpCall), alignof(HttpCall))) HttpCall(*this, env);
}

}  // namespace postern
