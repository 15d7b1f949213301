#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/import/context.h"
#include "lib/text/document.h"
#include "proto/snapshot/api.pb.h"
#include "proto/snapshot/filter.pb.h"

namespace postern {

/// A filter that is in force in a scope, with what an override of it takes over.
struct FilterInForce {
  std::string module;
  snapshot::v1::FilterPoint point = snapshot::v1::FILTER_POINT_UNSPECIFIED;
  snapshot::v1::FailurePolicy failure_policy = snapshot::v1::FAILURE_POLICY_DENY;
  std::optional<uint32_t> pause_limit_ms;
  bool required = true;
};
using FiltersInForce = std::map<std::string, FilterInForce, std::less<>>;

/// Imports `x-postern-filters`, `x-postern-modules` and `x-postern-upstreams`. Filters are guards:
/// whatever cannot be placed as it is written, a misspelt member included, refuses the import.
class FilterImporter {
 public:
  explicit FilterImporter(ImportContext& context) : context_(context) {}

  /// Reads the members of the document's root; absent nodes are fine. First of all.
  void ReadRoot(Node filters, Node modules, Node upstreams, snapshot::v1::Deployment& deployment);

  /// Reads the filters of a path or an operation, the `scope` "/pets" or "GET /pets". `in_force`
  /// has those of the scopes above, and gets what these change.
  void Import(Node filters, const std::string& scope, FiltersInForce& in_force,
              google::protobuf::RepeatedPtrField<snapshot::v1::FilterEntry>& out);

  /// Those of the whole API.
  const FiltersInForce& of_api() const { return of_api_; }

  /// The modules that the filters use, by name: as x-postern-modules pins them, else not pinned and
  /// with every capability; also pins of the gateway's own ("postern.…"), which it may place by
  /// itself. Reports pins that nothing uses. Last of all.
  std::vector<snapshot::v1::Module> TakeModules();

 private:
  struct Pin {
    snapshot::v1::Module module;
    Node node;
  };

  void ImportList(Node filters, const std::string& scope, FiltersInForce& in_force,
                  google::protobuf::RepeatedPtrField<snapshot::v1::FilterEntry>& out);
  bool ReadEntry(Node node, bool is_api, FiltersInForce& in_force, std::set<std::string>& names,
                 snapshot::v1::FilterEntry& entry);
  void ReadModules(Node modules);
  void ReadUpstreams(Node upstreams, snapshot::v1::Deployment& deployment);

  ImportContext& context_;
  FiltersInForce of_api_;
  std::map<std::string, Pin, std::less<>> pins_;
  std::set<std::string> used_;
};

}  // namespace postern
