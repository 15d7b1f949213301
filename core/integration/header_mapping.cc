#include "core/integration/header_mapping.h"

#include <utility>

#include "lib/text/ascii.h"

namespace postern {

HeaderMapping::HeaderMapping(std::vector<NamedSource> mappings,
                             MappedHeaderAction (*action)(std::string_view name)) {
  for (NamedSource& mapping : mappings) {
    const HeaderId id = LookupHeader(mapping.name);
    const MappedHeaderAction what = action(mapping.name);
    if (what == MappedHeaderAction::kDrop) continue;
    targets_.push_back({std::move(mapping.name), id, what == MappedHeaderAction::kFail,
                        std::move(mapping.source)});
  }
}

HeaderMapping::Values HeaderMapping::Evaluate(const RequestContext& context, Arena* arena) const {
  Values out;
  if (targets_.empty()) return out;
  out.mapping_ = this;
  auto* values = arena->NewArray<std::string_view>(targets_.size());
  out.values_ = values;
  for (size_t i = 0; i < targets_.size(); ++i) {
    const Target& target = targets_[i];
    std::string_view value = target.source.Get(context, arena);
    // A missing or empty source drops the mapping (rest-api.md §6.2).
    if (!value.empty()) value = CleanFieldValue(value, arena);
    if (value.empty()) {
      values[i] = {};
      continue;
    }
    out.failed_ = out.failed_ || target.fails;
    if (target.id == HeaderId::kHost) {
      out.host_ = value;
      value = {};
    }
    values[i] = value;
    if (target.id != HeaderId::kOther) out.ids_ |= uint64_t{1} << static_cast<int>(target.id);
  }
  return out;
}

bool HeaderMapping::Values::OverridesOther(std::string_view name) const {
  for (size_t i = 0; i < mapping_->targets_.size(); ++i) {
    const Target& target = mapping_->targets_[i];
    if (target.id == HeaderId::kOther && !values_[i].empty() &&
        EqualsIgnoreCase(target.name, name)) {
      return true;
    }
  }
  return false;
}

void HeaderMapping::Values::AddTo(HeaderMap* headers) const {
  if (values_ == nullptr) return;
  for (size_t i = 0; i < mapping_->targets_.size(); ++i) {
    if (values_[i].empty()) continue;
    headers->Add(mapping_->targets_[i].id, mapping_->targets_[i].name, values_[i]);
  }
}

}  // namespace postern
