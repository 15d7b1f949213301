#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/context/test_request.h"
#include "core/integration/http_api_event.h"
#include "core/integration/http_api_result.h"
#include "core/integration/lambda_result.h"
#include "core/integration/target_template.h"
#include "lib/mapping/mock_status.h"

// Texts from outside that integrations take apart: results of functions, contents passed through a
// mock, queries of clients.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern;
  static const BinaryMediaTypes* const binary = new BinaryMediaTypes({"*/*"});
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  FindMockStatus(input);

  TestRequest request("GET", "/");
  const std::string_view text = request.arena.Copy(input);
  const LambdaResult result = ReadLambdaResult(const_cast<char*>(text.data()), text.size(),
                                               request.head, *binary, &request.arena);
  if ((result.kind == LambdaResult::Kind::kResponse) != (result.head != nullptr)) __builtin_trap();
  if (result.head != nullptr) {
    for (const HeaderField& field : result.head->headers) {
      if (!IsToken(field.name) || !IsFieldValue(field.value)) __builtin_trap();
    }
  }

  for (const bool version2 : {false, true}) {
    const HttpApiResult simple =
        ReadHttpApiResult(request.arena.Copy(input), version2, &request.arena);
    if ((simple.kind == HttpApiResult::Kind::kResponse) != (simple.head != nullptr)) {
      __builtin_trap();
    }
    if (simple.head == nullptr) continue;
    for (const HeaderField& field : simple.head->headers) {
      if (!IsToken(field.name) || !IsFieldValue(field.value)) __builtin_trap();
    }
  }

  TestRequest query("GET", "/");
  query.head.target = query.arena.Concat("/?", input.substr(0, input.find('#')));
  static const TargetTemplate* const target = new TargetTemplate(
      {"", "/base", {}, {{"m", ValueSource(ValueSource::Kind::kQueryAll, "a")}}, true});
  const std::string_view made = target->Make(query.context, &query.arena);
  // Whatever came in, what goes out is printable ASCII and canonical.
  for (char c : made) {
    if (c <= ' ' || c > '~') __builtin_trap();
  }

  query.head.headers.Add("cookie", input);
  query.head.headers.Add("content-type", input);
  const NameValue param = {"p", input};
  query.context.path_params = &param;
  query.context.path_param_count = 1;
  for (const std::string_view event : {MakeHttpApiEvent(query.context, input, &query.arena),
                                       MakeHttpApiEventV1(query.context, input, &query.arena)}) {
    if (!event.starts_with('{') || !event.ends_with('}')) __builtin_trap();
  }
  return 0;
}
