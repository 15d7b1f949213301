// Which parameters a request must have (docs: REST APIs, basic request validation).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern {

enum class ParameterPlace { kHeader, kPath, kQuery };

struct RequiredParameter {
  ParameterPlace place;
  std::string name;
};

// Reads "method.request.{header,path,querystring}.{name}"; nullopt for anything else.
std::optional<RequiredParameter> ParseRequiredParameter(std::string_view text);

// Puts parameters into the order in which API Gateway lists those that are missing: that of a hash
// set of Java with their bare names. (Recorded: [x-header-param, issuer, qs1], [divisor,
// dividend].)
void SortAsListed(std::vector<RequiredParameter>* parameters);

// Whether a value counts as none: empty, or white space alone.
bool IsBlank(std::string_view value);

}  // namespace postern
