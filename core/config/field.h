#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config/runtime_snapshot.h"
#include "lib/text/concat.h"

namespace postern {

/// Gathers what is wrong with a snapshot.
class ProblemList {
 public:
  void Problem(std::string path, std::string text) {
    Problem(SnapshotProblem{std::move(path), std::move(text)});
  }
  void Problem(SnapshotProblem problem);
  void Note(std::string path, std::string text) {
    notes_.push_back({std::move(path), std::move(text)});
  }

  bool ok() const { return problems_.empty(); }
  std::vector<SnapshotProblem> TakeProblems() { return std::move(problems_); }
  std::vector<SnapshotProblem> TakeNotes() { return std::move(notes_); }

 private:
  std::vector<SnapshotProblem> problems_;
  std::vector<SnapshotProblem> notes_;
};

/// One message of a snapshot on its way through validation: knows its path.
class Field {
 public:
  explicit Field(ProblemList* list) : list_(list) {}

  Field Member(std::string_view name) const { return {list_, PathOf(name)}; }
  Field Item(std::string_view name, int index) const {
    return {list_, Concat(PathOf(name), "[", index, "]")};
  }
  /// Element of a map.
  Field Entry(std::string_view name, std::string_view key) const {
    return {list_, Concat(PathOf(name), "[\"", key, "\"]")};
  }

  /// Something about this message, or about its member `name`.
  void Problem(std::string text) const { list_->Problem(path_, std::move(text)); }
  void Problem(std::string_view name, std::string text) const {
    list_->Problem(PathOf(name), std::move(text));
  }
  void Note(std::string_view name, std::string text) const {
    list_->Note(PathOf(name), std::move(text));
  }

  /// Refuses a number outside of its range. Returns whether it is inside.
  bool InRange(std::string_view name, uint64_t value, uint64_t least, uint64_t most) const;
  /// Refuses text that is longer than `most` bytes, or empty where `least` is 1.
  bool Size(std::string_view name, std::string_view text, size_t least, size_t most) const;

  const std::string& path() const { return path_; }

 private:
  Field(ProblemList* list, std::string path) : list_(list), path_(std::move(path)) {}

  std::string PathOf(std::string_view name) const {
    return path_.empty() ? std::string(name) : Concat(path_, ".", name);
  }

  ProblemList* list_;
  std::string path_;
};

}  // namespace postern
