#include "core/filter/filter_set.h"

#include <utility>

namespace postern {

FilterSet::~FilterSet() { retired_->Retire(std::move(configs_)); }

}  // namespace postern
