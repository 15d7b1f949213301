#include "core/reply/reply_template.h"

#include <utility>

#include "lib/text/ascii.h"

namespace postern {
namespace {

constexpr CharSet kNameChars = kAlnumChars | CharSet("_-");

/// Length of the dotted name at the start of `text`. A dot belongs to it if a name follows.
size_t NameSize(std::string_view text) {
  size_t size = 0;
  while (size < text.size()) {
    const bool dot = size > 0 && text[size] == '.';
    if (dot && (size + 1 == text.size() || !kNameChars.Has(text[size + 1]))) break;
    if (!dot && !kNameChars.Has(text[size])) break;
    ++size;
  }
  return size;
}

/// The longest start of `name` that is a known variable and ends where a word may end; all of it if
/// there is none.
std::string_view LongestKnown(std::string_view name) {
  for (size_t size = name.size(); size > 0; --size) {
    if (size < name.size() && name[size] != '.' && name[size] != '-') continue;
    if (IsKnownVariable(name.substr(0, size))) return name.substr(0, size);
  }
  return name;
}

struct Prefix {
  std::string_view text;
  ValueSource::Kind kind;
};

constexpr Prefix kPrefixes[] = {
    {"$context.", ValueSource::Kind::kVariable},
    {"$stageVariables.", ValueSource::Kind::kStageVariable},
    {"$method.request.header.", ValueSource::Kind::kHeader},
    {"$method.request.querystring.", ValueSource::Kind::kQuery},
    {"$method.request.path.", ValueSource::Kind::kPath},
};

}  // namespace

ReplyTemplate::ReplyTemplate(std::string_view text) {
  std::string literal;
  while (!text.empty()) {
    const size_t dollar = text.find('$');
    literal += text.substr(0, dollar);
    if (dollar == text.npos) break;
    text.remove_prefix(dollar);
    const Prefix* found = nullptr;
    for (const Prefix& prefix : kPrefixes) {
      if (text.starts_with(prefix.text)) found = &prefix;
    }
    const size_t name_size = found != nullptr ? NameSize(text.substr(found->text.size())) : 0;
    if (name_size == 0) {
      literal += '$';
      text.remove_prefix(1);
      continue;
    }
    std::string_view name = text.substr(found->text.size(), name_size);
    Segment segment{std::exchange(literal, {}), -1, -1};
    if (found->kind == ValueSource::Kind::kVariable) {
      name = LongestKnown(name);
      segment.variable = static_cast<int32_t>(variables_.size());
      variables_.push_back(ResolveVariable(name));
    } else {
      segment.value = static_cast<int32_t>(values_.size());
      values_.emplace_back(found->kind, name);
    }
    segments_.push_back(std::move(segment));
    text.remove_prefix(found->text.size() + name.size());
  }
  if (!literal.empty()) segments_.push_back({std::move(literal), -1, -1});
}

void ReplyTemplate::Render(const RequestContext& context, Arena* arena, CharSink& sink) const {
  for (const Segment& segment : segments_) {
    sink.Append(segment.literal);
    if (segment.variable >= 0) {
      AppendVariable(variables_[static_cast<size_t>(segment.variable)], context, sink);
    } else if (segment.value >= 0) {
      const std::string_view value =
          values_[static_cast<size_t>(segment.value)].Get(context, arena);
      if (value.data() != nullptr) sink.Append(value);
    }
  }
}

}  // namespace postern
