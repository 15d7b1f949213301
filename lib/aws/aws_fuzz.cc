#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/aws/profile.h"
#include "lib/aws/service_call.h"
#include "lib/aws/sts.h"

// The first line is a profile's name, or that of a parameter; the rest a file, or an answer.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern::aws;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\n');
  const std::string_view first = input.substr(0, end);
  const std::string_view rest = end == input.npos ? std::string_view{} : input.substr(end + 1);
  for (const bool config : {false, true}) {
    const Profiles profiles = Profiles::Parse(config ? "" : rest, config ? rest : "");
    const auto plan = PlanProfile(profiles, first);
    if (plan.ok() && plan->has_value() && (*plan)->base == ProfilePlan::Base::kKeys &&
        !(*plan)->keys.complete()) {
      std::abort();
    }
  }
  for (const int status : {200, 400}) {
    const auto credentials = ParseStsAnswer(status, rest);
    if (credentials.ok() && !credentials->complete()) std::abort();
  }
  const auto credentials = ParseEndpointAnswer(rest);
  if (credentials.ok() && !credentials->complete()) std::abort();
  ParseIsoTime(rest);
  ParseHttpDate(rest);
  const CallValue values[] = {{"QueueUrl", "https://h/1/q"}, {"MessageBody", rest},
                              {"MessageAttributes", rest},   {"Detail", rest},
                              {"DetailType", first},         {"Source", first},
                              {"Resources", rest},           {"Time", rest},
                              {"ReceiptHandle", rest}};
  for (const std::string_view name :
       {"SQS-SendMessage", "SQS-DeleteMessage", "EventBridge-PutEvents"}) {
    const auto call = MakeServiceCall(*Subtype::Find(name), values);
    if (call.ok() && call->body.empty()) std::abort();
  }
  return 0;
}
