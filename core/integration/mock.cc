#include "core/integration/mock.h"

#include <utility>

#include "core/integration/body_buffer.h"
#include "core/integration/held_body.h"
#include "core/integration/mock_status.h"
#include "lib/text/concat.h"

namespace postern {

class MockIntegration::MockExchange final : public Exchange {
 public:
  MockExchange(const MockIntegration* integration, const ExchangeEnv& env)
      : integration_(*integration), env_(env), payload_(env.arena), body_(env.sink) {}

  void Start(bool end) override {
    const RequestTemplates::Choice choice = integration_.templates_.Choose(*env_.request);
    if (choice.unsupported) {
      env_.sink->OnResponseFailure(ResponseType::kUnsupportedMediaType, 0);
      return;
    }
    if (choice.chosen == nullptr && integration_.templates_.empty()) {
      Answer(integration_.responses_.Default());
    } else if (choice.chosen != nullptr && choice.chosen->form == BodyTemplate::Form::kLiteral) {
      if (!end && IsBinary()) {
        // rest-api.md §7.8
        Fail("Unable to transform request");
        return;
      }
      const BodyTemplate* first = integration_.templates_.templates().data();
      status_ = choice.chosen->mock_status.value_or(0);
      Answer(integration_.selected_[static_cast<size_t>(choice.chosen - first)]);
    } else if (end) {
      AnswerPayload();
    } else {
      collecting_ = true;
    }
  }

  void OnRequestBody(std::string_view data) override {
    env_.sink->OnRequestConsumed(data.size());
    if (collecting_ && !payload_.Append(data)) {
      collecting_ = false;
      env_.sink->OnResponseFailure(ResponseType::kRequestTooLarge, 0);
    }
  }

  void OnRequestEnd(const HeaderMap*) override {
    if (std::exchange(collecting_, false)) AnswerPayload();
  }

  void ConsumeResponse(size_t size) override { body_.Consume(size); }

 private:
  bool IsBinary() const {
    const HeaderField* type = env_.request->headers.FindLast(HeaderId::kContentType);
    return integration_.handling_ != ContentHandling::kToText &&
           integration_.binary_.MatchesContentType(type != nullptr ? std::optional(type->value)
                                                                   : std::nullopt);
  }

  /// The request's own content stands for the template's output.
  void AnswerPayload() {
    const auto status = FindMockStatus(payload_.content());
    status_ = status.value_or(0);
    Answer(status.has_value() ? integration_.responses_.Select(Concat(status_)) : kUnparsable);
  }

  void Answer(size_t index) {
    if (index == kUnparsable) {
      Fail(
          "Unable to parse statusCode. It should be an integer that is defined in the request "
          "template.");
      return;
    }
    if (index == IntegrationResponses::kNone) {
      Fail(
          Concat("No match for output mapping and no default output mapping configured. Endpoint "
                 "Response Status Code: ",
                 status_));
      return;
    }
    const IntegrationResponses::Response response =
        integration_.responses_.Make(index, {}, env_.context, env_.arena);
    if (response.head == nullptr) {
      env_.sink->OnResponseFailure(ResponseType::kApiConfigurationError, 0);
      return;
    }
    env_.context->integration_status = response.head->status;
    body_.Send(response.head, response.body);
  }

  void Fail(std::string_view why) {
    env_.context->integration_error =
        env_.arena->Concat("Execution failed due to configuration error: ", why);
    env_.sink->OnResponseFailure(ResponseType::kApiConfigurationError, 0);
  }

  const MockIntegration& integration_;
  const ExchangeEnv env_;
  BodyBuffer payload_;
  HeldBody body_;
  int32_t status_ = 200;
  bool collecting_ = false;
};

MockIntegration::MockIntegration(Spec spec)
    : templates_(std::move(spec.request_templates), spec.passthrough),
      handling_(spec.handling),
      responses_(std::move(spec.responses), spec.binary_media_types),
      binary_(*spec.binary_media_types) {
  for (const BodyTemplate& candidate : templates_.templates()) {
    selected_.push_back(candidate.mock_status.has_value()
                            ? responses_.Select(Concat(*candidate.mock_status))
                            : kUnparsable);
  }
}

Exchange* MockIntegration::NewExchange(const ExchangeEnv& env) const {
  return new (env.arena->Allocate(sizeof(MockExchange), alignof(MockExchange)))
      MockExchange(this, env);
}

}  // namespace postern
