#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern {

/// What became of one property of a definition.
enum class Disposition {
  kApplied,       // honoured in full
  kApproximated,  ///< works, with the difference that the reason states
  kIgnored,       // has no effect on the gateway
  kRefused,       // cannot be done; the reason says what that means for the method or the import
};

/// "applied", "approximated", "ignored", "refused".
std::string_view DispositionName(Disposition disposition);

/// Where in a definition something stands. Lines and columns count from 1; 0 means unknown.
struct Place {
  int line = 0;
  int column = 0;
  std::string pointer;  ///< RFC 6901; "" is the whole document
};

/// Where the configurations of filters stand, by scope ("" for the API, else "/pets" or "GET
/// /pets") and name of the filter; of those that a property asks for ("postern.cors"), where that
/// stands.
using FilterPlaces = std::map<std::pair<std::string, std::string>, Place>;

/// One line of an import report.
struct Finding {
  Disposition disposition = Disposition::kApplied;

  /// The import as a whole is refused because of it. Only with kRefused.
  bool blocking = false;

  /// Only counted in the text form, under `kind`; the JSON form has every one.
  bool aggregate = false;

  /// The property or the sort of thing that was met: "summary", "uri", "security requirement".
  std::string kind;

  /// Not empty: it guards the API, and `--allow-unenforced {guard}` (or one of `guard_names`) gives
  /// up the guard. Then the finding is kIgnored and not blocking.
  std::string guard;
  std::vector<std::string> guard_names;

  Place place;

  /// One or two sentences. Empty only for kApplied.
  std::string reason;
};

/// Everything that an import has to say about one file. A contract: each property of the definition
/// is covered by a finding for itself or for something that contains it.
class ImportReport {
 public:
  ImportReport() = default;
  explicit ImportReport(std::string file_name) : file_name_(std::move(file_name)) {}

  void Add(Finding finding);

  /// What the first line of the report says about the API once it is known.
  void SetSummary(std::string summary) { summary_ = std::move(summary); }

  const std::string& file_name() const { return file_name_; }
  const std::string& summary() const { return summary_; }
  const std::vector<Finding>& findings() const { return findings_; }

  /// Whether the import as a whole is refused.
  bool refused() const { return blocking_ > 0; }
  size_t blocking_count() const { return blocking_; }
  size_t count(Disposition disposition) const { return counts_[static_cast<int>(disposition)]; }

  /// For people. One line for each finding that needs attention, most serious first and in the
  /// order of the file, at most kMaxAlike of those that say the same; aggregates in one line for
  /// each disposition. With ANSI colours if `color`. Ends with a line feed.
  std::string ToText(bool color) const;

  /// For programs: {"file", "result": "imported" | "refused", "summary", "counts", "findings":
  /// [...]} with every finding. One line without a line feed.
  std::string ToJson() const;

  static constexpr size_t kMaxAlike = 5;
  static constexpr size_t kMaxGroups = 500;  ///< of findings that say the same

 private:
  std::string file_name_;
  std::string summary_;
  std::vector<Finding> findings_;
  size_t counts_[4] = {0, 0, 0, 0};
  size_t blocking_ = 0;
};

}  // namespace postern
