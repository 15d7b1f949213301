#include "filters/transform/environment.h"

namespace postern {

std::optional<std::string_view> Environment::Param(ParamLocation location, std::string_view name) {
  switch (location) {
    case ParamLocation::kPath:
      for (const auto& [known, variable] : config_.path_parameters) {
        if (known == name) return stream_.Text(variable);
      }
      return std::nullopt;
    case ParamLocation::kQueryString:
      return request_.query().Last(name);
    case ParamLocation::kHeader:
      return request_.headers().Last(name);
  }
  return std::nullopt;
}

void Environment::ForEachParam(ParamLocation location, const Visitor& visit) {
  switch (location) {
    case ParamLocation::kPath:
      for (const auto& [name, variable] : config_.path_parameters) {
        if (const auto value = stream_.Text(variable)) visit(name, *value);
      }
      return;
    case ParamLocation::kQueryString:
      for (const auto& [name, value] : request_.query().fields()) visit(name, value);
      return;
    case ParamLocation::kHeader:
      for (const auto& [name, value] : request_.headers().fields()) visit(name, value);
      return;
  }
}

std::optional<std::string_view> Environment::StageVariable(std::string_view name) {
  const auto found = config_.stage_variables.find(name);
  if (found == config_.stage_variables.end()) return std::nullopt;
  return found->second;
}

void Environment::ForEachStageVariable(const Visitor& visit) {
  for (const auto& [name, value] : config_.stage_variables) visit(name, value);
}

}  // namespace postern
