#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/sdk/sdk.h"
#include "filters/transform/context_variables.h"
#include "lib/jsonpath/json_path.h"
#include "lib/mapping/content_handling.h"
#include "lib/mapping/expression.h"
#include "lib/mapping/header_rules.h"
#include "lib/mapping/selection_pattern.h"
#include "lib/mapping/uri_template.h"
#include "lib/template/mapping_template.h"
#include "lib/text/media_type.h"

namespace postern {

/// What a mapping is for, by what stands behind it.
enum class IntegrationKind : uint8_t { kMock, kHttp, kLambda, kAws };

enum class PassthroughBehavior : uint8_t { kWhenNoMatch, kWhenNoTemplates, kNever };

/// A right side, ready to be read.
struct CompiledSource {
  MappingSource::Kind kind = MappingSource::Kind::kLiteral;
  std::string text;                  ///< literal, name
  std::optional<Variable> variable;  ///< kContext, kPath; empty: never has a value
  std::optional<JsonPath> path;      ///< of a body; empty: the whole
};

struct CompiledTemplate {
  std::string content_type;
  MappingTemplate program;
  /// Of a template that is nothing but text.
  std::optional<std::string_view> constant;
  /// Of a constant one for the requests of a MOCK: the status that it yields, and the response that
  /// this selects, or -1.
  std::optional<int32_t> mock_status = {};
  int mock_response = -1;
};

/// A configuration of the filter. At the scope of an API it has what all methods share.
struct TransformConfig {
  struct RequestParameter {
    std::string name;
    MappedHeaderAction action = MappedHeaderAction::kSend;  ///< of a header
    CompiledSource source;
  };

  struct ResponseParameter {
    std::string name;  ///< as it goes out, renamed if need be
    CompiledSource source;
  };

  struct Response {
    std::optional<SelectionPattern> pattern;  ///< empty: the default
    uint16_t status = 200;
    std::string status_text;
    bool declared = true;
    bool has_content_type = false;  ///< a parameter is for Content-Type
    std::vector<ResponseParameter> parameters;
    std::vector<CompiledTemplate> templates;
    ContentHandling handling = ContentHandling::kNone;
  };

  /// Of a filter's class (api/sdk/module.h).
  static std::unique_ptr<TransformConfig> Parse(ConfigReader& in, const TransformConfig* parent);

  /// The response for the text that selects one (rest-api.md §8.1), or -1.
  int Select(std::string_view text) const;
  int Default() const { return default_response ? static_cast<int>(*default_response) : -1; }

  /// What mappings onto headers of this kind of backend do.
  MappedHeaderAction HeaderAction(std::string_view name) const;

  bool is_method = false;  ///< false: only for what methods share
  // Shared.
  std::map<std::string, std::string, std::less<>> stage_variables;
  BinaryMediaTypes binary_media_types;
  // Of a method.
  IntegrationKind kind = IntegrationKind::kMock;
  std::string http_method;  ///< empty: the client's
  std::string authority;    ///< empty: what is there
  std::optional<UriTemplate> uri;
  std::vector<std::pair<std::string, Variable>> path_parameters;
  std::vector<RequestParameter> path;
  std::vector<RequestParameter> query;
  std::vector<RequestParameter> headers;
  std::vector<CompiledTemplate> request_templates;
  PassthroughBehavior passthrough = PassthroughBehavior::kWhenNoMatch;
  ContentHandling handling = ContentHandling::kNone;
  std::vector<Response> responses;
  std::optional<size_t> default_response;
  bool chooses_by_accept = false;  ///< a response has several templates
  TemplateNeeds response_needs;    ///< of the request, by the responses' templates
  ContextVariables variables{nullptr};
  std::optional<Variable> error_type;  ///< $context.error.responseType
  Counter failures;
};

}  // namespace postern
