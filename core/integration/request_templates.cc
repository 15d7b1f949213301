#include "core/integration/request_templates.h"

#include "lib/text/ascii.h"
#include "lib/text/media_type.h"

namespace postern {

const BodyTemplate* RequestTemplates::Find(std::string_view content_type) const {
  for (const BodyTemplate& candidate : templates_) {
    if (EqualsIgnoreCase(candidate.content_type, content_type)) return &candidate;
  }
  return nullptr;
}

RequestTemplates::Choice RequestTemplates::Choose(const RequestHead& request) const {
  if (templates_.empty()) return {nullptr, passthrough_ == Passthrough::kNever};
  const HeaderField* field = request.headers.FindLast(HeaderId::kContentType);
  const auto type = field != nullptr ? ParseMediaType(field->value) : std::nullopt;
  // A missing field counts as application/json; a malformed one matches nothing.
  const std::string_view key = type.has_value()   ? type->essence
                               : field == nullptr ? std::string_view("application/json")
                                                  : field->value;
  if (const BodyTemplate* found = Find(key)) return {found, false};
  if (const BodyTemplate* found = Find("$default")) return {found, false};
  return {nullptr, passthrough_ != Passthrough::kWhenNoMatch};
}

}  // namespace postern
