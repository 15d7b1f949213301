#include "core/config/field.h"

namespace postern {

void ProblemList::Problem(SnapshotProblem problem) {
  if (problems_.size() == RuntimeSnapshot::kMaxProblems) return;
  if (problems_.size() == RuntimeSnapshot::kMaxProblems - 1) {
    problems_.push_back({"", "there are more problems than are shown here"});
    return;
  }
  problems_.push_back(std::move(problem));
}

bool Field::InRange(std::string_view name, uint64_t value, uint64_t least, uint64_t most) const {
  if (value < least) {
    Problem(name, Concat(value, " is below ", least));
    return false;
  }
  if (value > most) {
    Problem(name, Concat(value, " is above ", most));
    return false;
  }
  return true;
}

bool Field::Size(std::string_view name, std::string_view text, size_t least, size_t most) const {
  if (text.size() < least) {
    Problem(name, "is empty");
    return false;
  }
  if (text.size() > most) {
    Problem(name, Concat("has ", text.size(), " bytes; at most ", most, " are allowed"));
    return false;
  }
  return true;
}

}  // namespace postern
