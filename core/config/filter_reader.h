#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/config/field.h"
#include "core/config/secret_values.h"
#include "core/filter/filter_set_builder.h"
#include "core/filter/module_loader.h"
#include "proto/snapshot/api.pb.h"
#include "proto/snapshot/filter.pb.h"

namespace postern {

/// The modules of a snapshot by name, as they are asked for.
using ModuleMap = std::map<std::string, ModuleLoader::Request, std::less<>>;

ModuleMap ReadModules(const google::protobuf::RepeatedPtrField<snapshot::v1::Module>& modules,
                      const Field& root);

/// A filter that is in force in a scope, as far as an override of it must agree.
struct PlacedFilter {
  std::string module;
  FilterPoint point = FilterPoint::kRequest;
};
using PlacedFilters = std::map<std::string, PlacedFilter, std::less<>>;

/// Reads the member `filters` of the message `field`: an API's (`is_api`), a resource's or a
/// method's. `in_force` has what the scopes above place, and gets what this one changes. `secrets`
/// puts values into configurations.
std::vector<FilterSpec> ReadFilters(
    const google::protobuf::RepeatedPtrField<snapshot::v1::FilterEntry>& filters,
    const ModuleMap& modules, bool is_api, SecretExpander* secrets, PlacedFilters* in_force,
    const Field& field);

/// Checks the names by which filters call upstreams.
void CheckFilterUpstreams(const snapshot::v1::Deployment& deployment, const Field& field);

}  // namespace postern
