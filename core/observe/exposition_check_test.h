#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/observe/exposition.h"

namespace postern {

/// What a strict reader makes of an exposition. For tests.
struct CheckedExposition {
  std::map<std::string, double> samples;  ///< by series as written: `name{a="b"}`
  std::map<std::string, std::string> types;
  std::map<std::string, std::string> helps;
  std::map<std::string, std::string> units;
  std::vector<std::string> errors;

  bool Has(const std::string& series) const { return samples.count(series) != 0; }
  /// Fails the test if there is no such series.
  double Value(const std::string& series) const;
  /// The only series that starts so.
  double ValueOfLine(const std::string& start) const;
};

/// Reads `text` by the grammar of the format and fails the test for everything that a scraper, or
/// promtool, objects to: names, escapes, numbers, unknown or repeated comments, families that are
/// torn apart, series that come twice, samples that do not belong to their family's type,
/// histograms whose buckets fall or do not end in +Inf, text behind the end.
CheckedExposition CheckExposition(const std::string& text, ExpositionFormat format);

/// The same without failing the test: what is wrong is in `errors`.
CheckedExposition ReadExposition(const std::string& text, ExpositionFormat format);

}  // namespace postern
