#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace postern {

/// Keeps texts, each once, for as long as it lives; views of them never move. For what a snapshot
/// says over and over: methods, names of path variables.
class TextPool {
 public:
  TextPool() = default;
  TextPool(TextPool&&) = default;
  TextPool& operator=(TextPool&&) = default;

  std::string_view Intern(std::string_view text) {
    if (text.empty()) return {};
    return *texts_.emplace(text).first;
  }

  /// The same for a list.
  const std::string_view* InternList(const std::vector<std::string_view>& list) {
    if (list.empty()) return nullptr;
    std::string key;
    for (std::string_view text : list) {
      key += text;
      key += '\0';
    }
    std::unique_ptr<std::string_view[]>& kept = lists_[key];
    if (kept == nullptr) {
      kept = std::make_unique<std::string_view[]>(list.size());
      for (size_t i = 0; i < list.size(); ++i) kept[i] = Intern(list[i]);
    }
    return kept.get();
  }

 private:
  std::unordered_set<std::string> texts_;  // nodes stay where they are
  std::unordered_map<std::string, std::unique_ptr<std::string_view[]>> lists_;
};

}  // namespace postern
