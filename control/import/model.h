#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "control/import/context.h"
#include "lib/text/document.h"
#include "proto/snapshot/api.pb.h"

namespace postern {

/// The schemas of a definition as models (rest-api.md 5.4, 5.5). HTTP APIs do not validate: there
/// schemas only describe.
class ModelImporter {
 public:
  explicit ModelImporter(ImportContext& context) : context_(context) {}

  void SetHttpApi(bool http_api) { http_api_ = http_api; }

  /// Reads `definitions` (2.0) or `components.schemas` (3.x).
  void ReadSchemas(Node schemas);

  /// The name of the model for a schema: the one it refers to, or a generated one for a schema in
  /// place (management-and-import.md 3.5). Empty, with a Problem, for a reference that leads
  /// nowhere.
  std::string ModelOf(Node schema);

  /// Adds the models to `deployment`, which has all methods, and reports what is wrong with them.
  void Finish(snapshot::v1::Deployment& deployment);

 private:
  using Uses = std::set<std::string, std::less<>>;

  void Write(snapshot::v1::Deployment& deployment);
  void WriteSchema(Node schema, class JsonWriter& writer);
  void ReportDropped(Node schema);
  bool Check(const snapshot::v1::Deployment& deployment, const Uses& used);
  Node Find(std::string_view model);
  std::string ModelName(std::string_view schema_name);
  std::string Referred(Node reference);

  ImportContext& context_;
  std::map<std::string, Node, std::less<>> named_;   // by name of the schema
  std::map<std::string, Node, std::less<>> inline_;  // by generated name
  std::set<std::string> given_up_;                   // pointers of patterns that nobody checks
  bool http_api_ = false;
};

}  // namespace postern
