#include "core/session/filtered_exchange.h"

#include <new>
#include <utility>

#include "core/observe/metrics.h"

namespace postern {

FilteredExchange* FilteredExchange::New(const ExchangeEnv& env, const Plan& plan, Client* client,
                                        WorkerMetrics* metrics) {
  return new (env.arena->Allocate(sizeof(FilteredExchange), alignof(FilteredExchange)))
      FilteredExchange(env, plan, client, metrics);
}

FilteredExchange::FilteredExchange(const ExchangeEnv& env, const Plan& plan, Client* client,
                                   WorkerMetrics* metrics)
    : env_(env),
      plan_(plan),
      client_(client),
      metrics_(metrics),
      chain_(FilterChain::New({.arena = env.arena,
                               .plan = plan.chain,
                               .filters = plan.filters,
                               .request = env.request,
                               .context = env.context,
                               .replies = plan.replies,
                               .ends = this})) {}

FilteredExchange::~FilteredExchange() {
  if (integration_ != nullptr) integration_->~Exchange();
  chain_->~FilterChain();
}

// What the filters have let through begins only now: one that they refuse costs the integration
// nothing.
void FilteredExchange::SendRequestHead(bool end) {
  if (plan_.integration == nullptr) {
    chain_->ResponseFailure(plan_.refusal, 0);
    return;
  }
  ExchangeEnv env = env_;
  env.request = chain_->request();
  env.sink = this;
  integration_ = plan_.integration->NewExchange(env);
  if (!end) client_->OnRequestWanted();
  integration_->Start(end);
}

void FilteredExchange::SendRequestBody(std::string_view data) {
  if (integration_ != nullptr && !cancelled_) integration_->OnRequestBody(data);
}

void FilteredExchange::SendRequestEnd(const HeaderMap* trailers) {
  if (integration_ != nullptr && !cancelled_) integration_->OnRequestEnd(trailers);
}

void FilteredExchange::ConsumeIntegration(size_t size) {
  if (integration_ != nullptr && !cancelled_) integration_->ConsumeResponse(size);
}

// It may be one of its own calls that led here.
void FilteredExchange::CancelIntegration() {
  cancelled_ = true;
  if (integration_ != nullptr) env_.dispatcher->AtEndOfIteration(this);
}

void FilteredExchange::OnEndOfIteration() {
  if (integration_ != nullptr) std::exchange(integration_, nullptr)->~Exchange();
}

void FilteredExchange::LocalReply() { metrics_->local_replies.Add(); }

}  // namespace postern
