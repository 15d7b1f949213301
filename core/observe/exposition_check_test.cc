#include "core/observe/exposition_check_test.h"

#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "lib/text/utf8.h"

namespace postern {
namespace {

bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsNameChar(char c) { return IsNameStart(c) || (c >= '0' && c <= '9'); }

bool IsName(std::string_view text) {
  if (text.empty() || !IsNameStart(text[0])) return false;
  for (char c : text) {
    if (!IsNameChar(c)) return false;
  }
  return true;
}

bool ReadNumber(std::string_view text, double* value) {
  if (text == "+Inf" || text == "-Inf") {
    *value = (text[0] == '-' ? -1 : 1) * std::numeric_limits<double>::infinity();
    return true;
  }
  if (text == "NaN") {
    *value = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  if (text.empty() || !(text[0] == '-' || (text[0] >= '0' && text[0] <= '9'))) return false;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), *value);
  return result.ec == std::errc{} && result.ptr == text.data() + text.size();
}

class Reader {
 public:
  Reader(const std::string& text, ExpositionFormat format)
      : text_(text), open_metrics_(format == ExpositionFormat::kOpenMetrics) {}

  CheckedExposition Read() {
    if (!IsValidUtf8(text_)) Error("not UTF-8");
    if (text_.empty() || text_.back() != '\n') Error("does not end with a line feed");
    size_t at = 0;
    while (at < text_.size()) {
      size_t end = text_.find('\n', at);
      if (end == text_.npos) end = text_.size();
      line_ = std::string_view(text_).substr(at, end - at);
      at = end + 1;
      if (ended_) Error("text behind # EOF");
      if (line_.find('\r') != line_.npos) Error("carriage return");
      if (line_.empty()) {
        Error("empty line");
      } else if (line_[0] == '#') {
        Comment();
      } else {
        Sample();
      }
    }
    EndFamily();
    if (open_metrics_ && !ended_) Error("no # EOF");
    return std::move(result_);
  }

 private:
  struct Bucket {
    double bound;
    double count;
  };
  struct Group {  // the buckets of one labelled histogram
    std::vector<Bucket> buckets;
    double count = -1;
    bool sum = false;
  };

  void Error(const std::string& what) {
    result_.errors.push_back(what + ": " + std::string(line_));
  }

  void Comment() {
    if (line_ == "# EOF" && open_metrics_) {
      ended_ = true;
      return;
    }
    for (std::string_view keyword : {"HELP", "TYPE", "UNIT"}) {
      const std::string start = "# " + std::string(keyword) + " ";
      if (!line_.starts_with(start)) continue;
      std::string_view rest = line_.substr(start.size());
      const std::string name(rest.substr(0, rest.find(' ')));
      if (!IsName(name) || rest.size() <= name.size()) return Error("comment without name");
      rest.remove_prefix(name.size() + 1);
      StartFamily(name);
      if (samples_of_family_ != 0) Error("comment behind samples");
      std::string value;
      if (!Unescape(rest, keyword == "HELP" && open_metrics_, &value)) Error("escape");
      auto& where = keyword == "HELP"   ? result_.helps
                    : keyword == "TYPE" ? result_.types
                                        : result_.units;
      if (!where.emplace(name, value).second) Error("repeated comment");
      if (keyword == "TYPE" && value != "counter" && value != "gauge" && value != "histogram" &&
          !(open_metrics_ && value == "info")) {
        Error("unknown type");
      }
      if (keyword == "UNIT" && (!open_metrics_ || !name.ends_with("_" + value))) Error("unit");
      if (open_metrics_ && name.ends_with("_total")) Error("family ends in _total");
      return;
    }
    Error("unknown comment");
  }

  void StartFamily(const std::string& name) {
    if (name == family_) return;
    EndFamily();
    family_ = name;
    if (!families_.insert(name).second) Error("family in two places");
  }

  void EndFamily() {
    for (const auto& [labels, group] : groups_) {
      double before = -1;
      double bound = -std::numeric_limits<double>::infinity();
      for (const Bucket& bucket : group.buckets) {
        if (bucket.bound <= bound) Error("bounds do not rise in " + family_);
        if (bucket.count < before) Error("buckets fall in " + family_);
        before = bucket.count;
        bound = bucket.bound;
      }
      if (group.buckets.empty() || !std::isinf(bound)) Error("no +Inf bucket in " + family_);
      if (group.count != before) Error("count is not that of +Inf in " + family_);
      if (!group.sum) Error("no sum in " + family_);
    }
    groups_.clear();
    if (!family_.empty() && samples_of_family_ == 0) Error("no samples in " + family_);
    samples_of_family_ = 0;
  }

  bool Unescape(std::string_view text, bool quotes, std::string* out) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '"' && quotes) return false;
      if (text[i] != '\\') {
        out->push_back(text[i]);
        continue;
      }
      if (++i == text.size()) return false;
      if (text[i] == 'n') {
        out->push_back('\n');
      } else if (text[i] == '\\' || (text[i] == '"' && quotes)) {
        out->push_back(text[i]);
      } else {
        return false;
      }
    }
    return true;
  }

  void Sample() {
    size_t at = 0;
    while (at < line_.size() && IsNameChar(line_[at])) ++at;
    const std::string name(line_.substr(0, at));
    if (!IsName(name)) return Error("name");
    std::map<std::string, std::string> labels;
    std::string bare;  // labels without le
    if (at < line_.size() && line_[at] == '{') {
      ++at;
      for (bool first = true;; first = false) {
        if (at < line_.size() && line_[at] == '}' && first) return Error("empty braces");
        size_t end = at;
        while (end < line_.size() && IsNameChar(line_[end])) ++end;
        const std::string label(line_.substr(at, end - at));
        if (!IsName(label) || label.starts_with("__")) return Error("label name");
        if (line_.substr(end, 2) != "=\"") return Error("label");
        at = end + 2;
        end = at;
        while (end < line_.size() && line_[end] != '"') end += line_[end] == '\\' ? 2 : 1;
        if (end >= line_.size()) return Error("label value does not end");
        std::string value;
        if (!Unescape(line_.substr(at, end - at), true, &value)) return Error("escape");
        if (!labels.emplace(label, value).second) return Error("label twice");
        if (label != "le") bare += label + "=" + value + "\n";
        at = end + 1;
        if (at < line_.size() && line_[at] == ',') {
          ++at;
          continue;
        }
        break;
      }
      if (at >= line_.size() || line_[at] != '}') return Error("braces");
      ++at;
    }
    const std::string series(line_.substr(0, at));
    if (at >= line_.size() || line_[at] != ' ') return Error("no value");
    double value = 0;
    if (!ReadNumber(line_.substr(at + 1), &value)) return Error("number");
    if (!result_.samples.emplace(series, value).second) Error("series twice");
    Belongs(name, labels, bare, value);
  }

  // Checks a sample against the family that the comments before it opened.
  void Belongs(const std::string& name, const std::map<std::string, std::string>& labels,
               const std::string& bare, double value) {
    ++samples_of_family_;
    const std::string& type = result_.types[family_];
    if (type.empty()) return Error("no type");
    const std::string suffix =
        name.starts_with(family_) ? name.substr(family_.size()) : std::string("?");
    if (type == "histogram") {
      Group& group = groups_[bare];
      if (suffix == "_bucket" && labels.count("le") != 0) {
        const std::string& le = labels.at("le");
        double bound = 0;
        if (!ReadNumber(le, &bound)) return Error("bound");
        if (open_metrics_ && le.find_first_of(".eI") == le.npos) return Error("bound's form");
        group.buckets.push_back({bound, value});
        if (group.count >= 0) Error("bucket behind count");
      } else if (suffix == "_sum") {
        group.sum = true;
      } else if (suffix == "_count") {
        group.count = value;
      } else {
        Error("suffix");
      }
      return;
    }
    if (labels.count("le") != 0) Error("le outside of a histogram");
    if (type == "counter") {
      if (suffix != (open_metrics_ ? "_total" : "") || !name.ends_with("_total")) Error("suffix");
      if (!(value >= 0)) Error("counter below zero");
    } else if (type == "info") {
      if (suffix != "_info" || value != 1) Error("info");
    } else if (!suffix.empty()) {
      Error("suffix");
    }
  }

  const std::string& text_;
  const bool open_metrics_;
  std::string_view line_;
  CheckedExposition result_;
  std::string family_;
  std::set<std::string> families_;
  std::map<std::string, Group> groups_;
  size_t samples_of_family_ = 0;
  bool ended_ = false;
};

}  // namespace

double CheckedExposition::Value(const std::string& series) const {
  const auto found = samples.find(series);
  if (found == samples.end()) {
    ADD_FAILURE() << "no series " << series;
    return -1;
  }
  return found->second;
}

double CheckedExposition::ValueOfLine(const std::string& start) const {
  const auto found = samples.lower_bound(start);
  if (found == samples.end() || !found->first.starts_with(start)) {
    ADD_FAILURE() << "no series starts with " << start;
    return -1;
  }
  return found->second;
}

CheckedExposition ReadExposition(const std::string& text, ExpositionFormat format) {
  return Reader(text, format).Read();
}

CheckedExposition CheckExposition(const std::string& text, ExpositionFormat format) {
  CheckedExposition result = ReadExposition(text, format);
  for (const std::string& error : result.errors) ADD_FAILURE() << error;
  return result;
}

}  // namespace postern
