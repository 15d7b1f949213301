#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control/import/context.h"
#include "control/import/filters.h"
#include "control/import/model.h"
#include "control/import/security.h"
#include "lib/text/document.h"
#include "proto/snapshot/api.pb.h"

namespace postern {

/// Request validators by name (rest-api.md 5.1).
struct ValidatorFlags {
  bool body = false;
  bool parameters = false;
};

/// Imports operations: parameters, bodies, responses, security, validators, filters and
/// integrations.
class OperationImporter {
 public:
  OperationImporter(ImportContext& context, SecurityImporter& security, ModelImporter& models,
                    FilterImporter& filters)
      : context_(context), security_(security), models_(models), filters_(filters) {}

  /// Reads the root members that operations inherit from; absent nodes are fine.
  void ReadValidators(Node validators, Node default_validator);
  void SetConsumes(Node consumes) { consumes_ = consumes; }
  void SetHttpApi(bool http_api) { http_api_ = http_api; }

  /// Imports `operation` as method `http_method` of the resource `path`, whose path item has
  /// `shared_parameters` (or is absent); `filters_above` are those of path and API.
  snapshot::v1::Method Import(Node operation, Node shared_parameters, std::string_view http_method,
                              std::string_view path, const std::vector<std::string>& variables,
                              FiltersInForce filters_above);

 private:
  void ImportParameters(Node operation, Node shared, const std::vector<std::string>& variables,
                        snapshot::v1::Method& method);
  void ImportBody(Node schema, const std::vector<std::string>& content_types,
                  snapshot::v1::Method& method);
  void ImportRequestBody(Node body, snapshot::v1::Method& method);
  void ImportResponses(Node responses, snapshot::v1::Method& method);
  void ImportValidator(Node operation, snapshot::v1::Method& method);

  ImportContext& context_;
  SecurityImporter& security_;
  ModelImporter& models_;
  FilterImporter& filters_;
  std::map<std::string, ValidatorFlags, std::less<>> validators_;
  Node default_validator_;
  Node consumes_;
  bool http_api_ = false;
  bool has_body_model_ = false;  // of the operation at hand
};

}  // namespace postern
