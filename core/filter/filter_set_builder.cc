#include "core/filter/filter_set_builder.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "core/filter/config_host.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

// 1 to 65,535, then from the start.
uint32_t NextIdTag() {
  static std::atomic<uint32_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) % 0xffff + 1;
}

postern_str Str(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

FilterSetBuilder::FilterSetBuilder(std::shared_ptr<RetiredConfigs> retired)
    : set_(new FilterSet(std::move(retired))), id_tag_(NextIdTag()) {}

void FilterSetBuilder::Begin(Place place, const std::vector<FilterSpec>& api_filters) {
  place_ = std::move(place);
  layers_.clear();
  shared_.clear();
  api_ = Apply({}, "", api_filters);
}

const ChainPlan* FilterSetBuilder::Chain(const std::vector<FilterScope>& scopes) {
  const Layer* layer = &api_;
  for (const FilterScope& scope : scopes) {
    if (scope.filters.empty()) continue;
    const auto known = layers_.find(scope.name);
    layer =
        known != layers_.end()
            ? &known->second
            : &layers_.emplace(scope.name, Apply(*layer, scope.name, scope.filters)).first->second;
  }
  return Plan(*layer, /*only_unrouted=*/false);
}

const ChainPlan* FilterSetBuilder::UnroutedChain() { return Plan(api_, /*only_unrouted=*/true); }

FilterSetBuilder::Layer FilterSetBuilder::Apply(const Layer& above, std::string_view scope,
                                                const std::vector<FilterSpec>& filters) {
  Layer out = above;
  for (const FilterSpec& spec : filters) {
    const auto over = std::find_if(out.begin(), out.end(),
                                   [&](const Active& one) { return one.name == spec.name; });
    if (over == out.end()) {
      if (spec.disabled) continue;
      if (auto added = Add(scope, spec)) out.push_back(*std::move(added));
    } else if (spec.disabled) {
      out.erase(over);
    } else {
      over->failure_policy = spec.failure_policy;
      over->pause_limit_ms = spec.pause_limit_ms;
      over->required = spec.required;
      over->only_below = false;
      if (!spec.config.empty()) {
        over->config = Configure(over->instance, scope, spec.config, over->config);
      }
    }
  }
  return out;
}

std::optional<FilterSetBuilder::Active> FilterSetBuilder::Add(std::string_view scope,
                                                              const FilterSpec& spec) {
  const auto module = modules_.find(spec.module);
  // One that could not be loaded has been reported.
  if (module == modules_.end() || module->second == nullptr) return std::nullopt;
  const std::string config = spec.config.empty() ? "{}" : spec.config;
  const std::string key = Concat(spec.name, "\n", spec.module, "\n", config);
  if (const auto same = shared_.find(key); !scope.empty() && same != shared_.end()) {
    Active active = same->second;
    active.point = *spec.point;
    active.failure_policy = spec.failure_policy;
    active.pause_limit_ms = spec.pause_limit_ms;
    active.required = spec.required;
    return active;
  }
  FilterInstance* const instance =
      instances_.emplace_back(std::make_unique<FilterInstance>()).get();
  instance->id = static_cast<uint32_t>(instances_.size() - 1);
  instance->name = spec.name;
  instance->handover_key =
      Concat(place_.api_id, "/", place_.stage, place_.canary ? "/canary/" : "/", spec.name,
             scope.empty() ? "" : " at ", scope);
  instance->api_id = place_.api_id;
  instance->stage = place_.stage;
  instance->module = module->second;
  instance->id_tag = id_tag_;
  instance->config = Configure(instance, scope, config, nullptr);
  Active active{spec.name,           instance,  instance->config, *spec.point,  spec.failure_policy,
                spec.pause_limit_ms, spec.side, spec.only_below,  spec.required};
  if (!scope.empty()) shared_.emplace(key, active);
  return active;
}

const void* FilterSetBuilder::Configure(FilterInstance* instance, std::string_view scope,
                                        const std::string& config, const void* parent) {
  postern_config message{};
  message.size = sizeof(message);
  message.encoding = POSTERN_CONFIG_JSON;
  message.instance = Str(instance->name);
  message.scope = Str(scope);
  message.type_url = Str("");
  message.bytes = Str(config);
  message.parent = parent;
  ConfigCall call;
  call.module = instance->module;
  call.instance = instance;
  call.upstreams = &place_.upstreams;
  void* const made = ConfigureScope(message, &call);
  if (call.errors.empty()) {
    if (made != nullptr) set_->configs_.push_back({instance->module, made});
    return made;
  }
  // An object that came with errors was made all the same.
  if (made != nullptr) set_->retired_->Retire({{instance->module, made}});
  for (ConfigError& error : call.errors) {
    std::string where =
        Concat(place_.label, place_.label.empty() ? "" : " ", scope.empty() ? "whole API" : scope,
               ", filter \"", instance->name, "\" (", instance->module->title(), ")",
               error.field.empty() ? "" : ": ", error.field);
    // Stages of one API have the same to say.
    if (!reported_.emplace(where, error.text).second) continue;
    problems_.push_back({std::move(where), std::move(error.text), place_.api_id, std::string(scope),
                         instance->name});
  }
  return nullptr;
}

const ChainPlan* FilterSetBuilder::Plan(const Layer& layer, bool only_unrouted) {
  Layer chosen;
  for (const Active& one : layer) {
    if (one.only_below) continue;
    if (!one.required && quarantined_.count(one.instance->module) > 0) continue;
    if (only_unrouted && one.point != FilterPoint::kResponse &&
        one.point != FilterPoint::kRequest) {
      continue;
    }
    if (one.side != FilterSide::kListed &&
        std::any_of(layer.begin(), layer.end(), [&one](const Active& other) {
          return other.side == FilterSide::kListed && !other.only_below &&
                 other.instance->module->name() == one.instance->module->name();
        })) {
      continue;
    }
    chosen.push_back(one);
  }
  std::stable_sort(chosen.begin(), chosen.end(), [](const Active& a, const Active& b) {
    return std::pair(a.point, a.side) < std::pair(b.point, b.side);
  });
  std::vector<FilterBinding> filters;
  for (const Active& one : chosen) {
    FilterBinding& binding = filters.emplace_back();
    binding.instance = one.instance;
    binding.config = one.config;
    binding.hooks = one.instance->module->hook_mask();
    binding.pause_limit_ms = one.pause_limit_ms;
    binding.point = one.point;
    binding.failure_policy = one.failure_policy;
    binding.is_authorizer = one.point == FilterPoint::kAuthorize;
    binding.required = one.required;
  }
  if (filters.empty()) return nullptr;
  std::string key;
  for (const FilterBinding& filter : filters) {
    key += Concat(filter.instance->id, " ", reinterpret_cast<uintptr_t>(filter.config), " ",
                  filter.pause_limit_ms, " ", static_cast<int>(filter.point), " ",
                  static_cast<int>(filter.failure_policy), filter.required ? "" : "?", "\n");
  }
  const auto known = plans_.find(key);
  if (known != plans_.end()) return known->second;
  set_->plans_.push_back(std::make_unique<const ChainPlan>(std::move(filters)));
  return plans_.emplace(std::move(key), set_->plans_.back().get()).first->second;
}

std::shared_ptr<const FilterSet> FilterSetBuilder::Finish() {
  for (auto& instance : instances_) set_->instances_.push_back(std::move(instance));
  instances_.clear();
  return std::exchange(set_, nullptr);
}

}  // namespace postern
