#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/arena.h"
#include "core/context/request_context.h"
#include "core/http/header_map.h"
#include "core/integration/target_template.h"
#include "lib/mapping/header_rules.h"

namespace postern {

/// The mappings onto `integration.request.header.X` of one integration, compiled (rest-api.md §6.2,
/// §6.8). Immutable.
class HeaderMapping {
 public:
  /// `action` says what a mapping onto a field of that name does.
  HeaderMapping(std::vector<NamedSource> mappings,
                MappedHeaderAction (*action)(std::string_view name));

  /// The values for one request.
  class Values {
   public:
    /// A mapping onto a field that no mapping may set has a value: the request fails (500).
    bool failed() const { return failed_; }
    /// A mapping onto this field has a value, which takes the place of the client's.
    bool Overrides(const HeaderField& field) const {
      if (values_ == nullptr) return false;
      return field.id != HeaderId::kOther ? (ids_ >> static_cast<int>(field.id) & 1) != 0
                                          : OverridesOther(field.name);
    }
    bool Overrides(HeaderId id) const { return (ids_ >> static_cast<int>(id) & 1) != 0; }
    /// The mapped Host; null data if there is none.
    std::string_view host() const { return host_; }
    /// Adds what is mapped, but for Host.
    void AddTo(HeaderMap* headers) const;

   private:
    friend class HeaderMapping;
    bool OverridesOther(std::string_view name) const;

    const HeaderMapping* mapping_ = nullptr;
    const std::string_view* values_ = nullptr;  // by position; null data: the mapping is dropped
    uint64_t ids_ = 0;
    std::string_view host_;
    bool failed_ = false;
  };

  Values Evaluate(const RequestContext& context, Arena* arena) const;

 private:
  struct Target {
    std::string name;
    HeaderId id;
    bool fails;
    ValueSource source;
  };
  static_assert(static_cast<size_t>(HeaderId::kCount) <= 64);

  std::vector<Target> targets_;
};

}  // namespace postern
