#include "core/filter/chain_plan.h"

namespace postern {

std::string_view FilterPointName(FilterPoint point) {
  switch (point) {
    case FilterPoint::kResponse:
      return "response";
    case FilterPoint::kRequest:
      return "request";
    case FilterPoint::kAuthorize:
      return "authorize";
    case FilterPoint::kBeforeIntegration:
      return "before_integration";
    case FilterPoint::kAfterIntegration:
      return "after_integration";
  }
  return "";
}

}  // namespace postern
