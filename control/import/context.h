#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "control/import/import.h"
#include "control/import/report.h"
#include "lib/text/document.h"

namespace postern {

/// What all parts of an import share: the document, the options, and the report, with the ways to
/// write to it.
class ImportContext {
 public:
  ImportContext(const ImportOptions& options, const Document& document, ImportReport& report)
      : options_(options), document_(document), root_(document.root()), report_(report) {}
  ImportContext(const ImportContext&) = delete;
  ImportContext& operator=(const ImportContext&) = delete;

  const ImportOptions& options() const { return options_; }
  const GatewayCapabilities& capabilities() const { return options_.capabilities; }
  Node root() const { return root_; }

  // Findings. Each covers `node` and everything in it. One that is repeated for a node, because
  // several operations refer to it, is reported once.

  /// Honoured.
  void Applied(Node node, std::string_view kind);

  /// Honoured, and worth a look: what it does may not be what was meant.
  void Noted(Node node, std::string_view kind, std::string reason);

  /// Ignored, because it only describes. Counted, not listed.
  void Describes(Node node, std::string_view kind);

  /// Ignored, which may surprise.
  void Ignored(Node node, std::string_view kind, std::string reason);

  /// Left out, where API Gateway leaves it out with a warning.
  void Dropped(Node node, std::string_view kind, std::string reason);

  /// Works otherwise than written.
  void Approximated(Node node, std::string_view kind, std::string reason);

  /// Refuses the import.
  void Problem(Node node, std::string_view kind, std::string reason);

  /// Makes a method unavailable.
  void Unavailable(Node node, std::string_view kind, std::string reason);

  /// A guard that cannot be enforced: refuses the import, unless the user gave it up. Returns
  /// whether he did. `guard` is the kind for --allow-unenforced, `names` what else may be named.
  bool Guard(Node node, std::string_view kind, std::string_view guard,
             std::vector<std::string> names, std::string reason);

  /// A member that has no meaning in its object. `known` are the names that it may be a misspelling
  /// of.
  void Unknown(Node member, std::initializer_list<std::string_view> known = {});

  /// Says of what is left in `node` that it has no say, where something else in it decides.
  void Settle(Node node, std::string_view kind);

  /// Reports entries of --allow-unenforced that named nothing.
  void ReportUnusedAllowances();

  /// Says that the extension `node` is where it belongs.
  void LooksAt(Node node) { looked_at_.insert(node.Pointer()); }

  /// Refuses extensions of Postern, or what is meant as one, in places where they have no meaning
  /// and nothing has looked at them: they could be guards.
  void RefuseMisplaced();

  /// Reports what nothing has covered, so that the report is complete whatever was overlooked.
  void ReportUncovered();

  /// Remembers where what configures the filter `name` in `scope` stands (FilterPlaces).
  void PlacesFilter(std::string scope, std::string name, Node node);
  FilterPlaces TakeFilterPlaces() { return std::move(filter_places_); }

  /// Guards that were given up, a line each, for Deployment.unenforced.
  const std::vector<std::string>& unenforced() const { return unenforced_; }

  // Values. Each reports a Problem and returns nothing if the node is of another kind.

  /// A text; numbers and booleans count as their text. `${AWS::Region}` and the like are replaced,
  /// and a CloudFormation `Fn::Sub` is taken for its text.
  std::optional<std::string> Text(Node node, std::string_view kind);
  /// The same, with CloudFormation's functions as CloudFormationText() has them.
  std::optional<std::string> TextWithPlaceholders(Node node, std::string_view kind);
  std::optional<bool> Bool(Node node, std::string_view kind);
  std::optional<int64_t> Integer(Node node, std::string_view kind);
  bool IsObject(Node node, std::string_view kind);
  bool IsArray(Node node, std::string_view kind);

  /// The same, for lists and maps of which each entry is looked at in the light of the others.
  bool IsSmallObject(Node node, std::string_view kind);

  /// The most entries that a list, or a map that must be small, may have.
  static constexpr size_t kMaxEntries = 1000;

  /// The node itself, or what its `$ref` points to within the document, over several references if
  /// need be. Absent, with a Problem, if there is no such thing.
  Node Resolve(Node node);

  /// `text` with `${AWS::AccountId}`, `${AWS::Partition}` and `${AWS::Region}` replaced.
  std::string ReplaceAwsVariables(std::string_view text) const;

 private:
  /// Returns whether it was new.
  bool Add(Node node, Finding finding);

  const ImportOptions& options_;
  const Document& document_;
  const Node root_;
  ImportReport& report_;
  std::unordered_set<std::string> seen_;       // what has been reported of which node
  std::unordered_set<std::string> covered_;    // pointers of nodes with a finding
  std::unordered_set<std::string> looked_at_;  // pointers of extensions that were read
  std::unordered_set<std::string> allowances_used_;
  std::vector<std::string> unenforced_;
  FilterPlaces filter_places_;
};

/// Whether the name of an extension suggests that it guards something: it speaks of authorization,
/// policies, keys, validation, security, throttling and the like.
bool SoundsLikeGuard(std::string_view extension);

/// The one of `known` that differs from `name` in at most two characters, or nothing.
std::optional<std::string_view> Similar(std::string_view name,
                                        const std::vector<std::string_view>& known);

}  // namespace postern
