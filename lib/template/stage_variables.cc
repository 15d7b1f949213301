#include "lib/template/stage_variables.h"

namespace postern {
namespace {

constexpr std::string_view kPrefix = "${stageVariables.";

struct Reference {
  size_t begin = 0;  // of "${"
  size_t end = 0;    // behind "}"
  std::string_view name;
};

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::optional<Reference> NextReference(std::string_view text, size_t from) {
  while (true) {
    const size_t begin = text.find(kPrefix, from);
    if (begin == std::string_view::npos) return std::nullopt;
    const size_t name = begin + kPrefix.size();
    size_t end = name;
    while (end < text.size() && IsNameCharacter(text[end])) ++end;
    if (end > name && end < text.size() && text[end] == '}') {
      return Reference{begin, end + 1, text.substr(name, end - name)};
    }
    from = name;
  }
}

}  // namespace

std::string ExpandStageVariables(std::string_view text, const StageVariableLookup& lookup) {
  std::string out;
  size_t done = 0;
  while (const std::optional<Reference> reference = NextReference(text, done)) {
    out.append(text.substr(done, reference->begin - done));
    if (const std::optional<std::string_view> value = lookup(reference->name)) out.append(*value);
    done = reference->end;
  }
  out.append(text.substr(done));
  return out;
}

bool HasStageVariables(std::string_view text) { return NextReference(text, 0).has_value(); }

void ForEachStageVariable(std::string_view text,
                          const std::function<void(std::string_view name)>& visit) {
  size_t done = 0;
  while (const std::optional<Reference> reference = NextReference(text, done)) {
    visit(reference->name);
    done = reference->end;
  }
}

}  // namespace postern
