#include "filters/transform/message_view.h"

#include <algorithm>

#include "lib/mapping/header_rules.h"
#include "lib/text/ascii.h"

namespace postern {
namespace {

bool HasUpper(std::string_view name) {
  return std::any_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

void FieldsView::Read(Stream s, Map map) {
  fields_.clear();
  s.ForEachHeaderAsSent(map, [&](std::string_view name, std::string_view value) {
    if (name == ":authority") {
      fields_.push_back({"Host", value});
    } else if (!name.starts_with(':') &&
               (map != Map::kRequestHeaders || !IsHiddenRequestHeader(name))) {
      fields_.push_back({name, value});
    }
  });
}

void FieldsView::Keep() {
  size_t size = 0;
  for (const Field& field : fields_) size += field.name.size() + field.value.size();
  kept_.clear();
  kept_.reserve(size);
  const auto keep = [this](std::string_view* text) {
    const size_t at = kept_.size();
    kept_ += *text;
    *text = std::string_view(kept_).substr(at);
  };
  for (Field& field : fields_) {
    keep(&field.name);
    keep(&field.value);
  }
}

// Host is the gateway's spelling.
bool FieldsView::ignores_case() const {
  return std::none_of(fields_.begin(), fields_.end(), [](const Field& field) {
    return field.name != "Host" && HasUpper(field.name);
  });
}

std::optional<std::string_view> FieldsView::Last(std::string_view name) const {
  for (size_t i = fields_.size(); i-- > 0;) {
    if (fields_[i].name == name) return fields_[i].value;
  }
  if (!HasUpper(name) || !ignores_case()) return std::nullopt;
  for (size_t i = fields_.size(); i-- > 0;) {
    if (EqualsIgnoreCase(fields_[i].name, name)) return fields_[i].value;
  }
  return std::nullopt;
}

bool FieldsView::AppendAll(std::string_view name, std::string* out) const {
  const bool any_case = HasUpper(name) && ignores_case();
  bool found = false;
  for (const Field& field : fields_) {
    if (any_case ? !EqualsIgnoreCase(field.name, name) : field.name != name) continue;
    if (found) *out += ',';
    *out += field.value;
    found = true;
  }
  return found;
}

void RequestView::Keep(const TemplateNeeds& needs) {
  if (needs.headers) {
    headers();
    headers_.Keep();
  } else {
    headers_.Clear();
  }
  kept_query_.clear();
  if (needs.query) kept_query_ = raw_query();
  query_read_ = false;
  headers_read_ = true;
  stream_.reset();
}

const FieldsView& RequestView::headers() {
  if (!headers_read_ && stream_) {
    headers_.Read(*stream_, Map::kRequestHeaders);
    headers_read_ = true;
  }
  return headers_;
}

std::string_view RequestView::raw_query() const {
  if (!stream_) return kept_query_;
  const std::string_view target = stream_->Header(Map::kRequestHeaders, ":path").value_or("");
  const size_t at = target.find('?');
  return at == target.npos ? std::string_view() : target.substr(at + 1);
}

const QueryParameters& RequestView::query() {
  if (!query_read_) {
    // More parameters than a head can hold; those are none then.
    (void)query_.Parse(raw_query()).ok();
    query_read_ = true;
  }
  return query_;
}

}  // namespace postern
