#include "core/filter/config_host.h"

#include <algorithm>
#include <utility>

#include "core/filter/breadcrumb.h"
#include "core/filter/filter_metric_definitions.h"
#include "lib/text/concat.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

// The call that this thread is inside of. A context that is kept and used later, or elsewhere, is
// not it, and is never looked into.
thread_local ConfigCall* current_call = nullptr;

postern_config_ctx* ContextOf(ConfigCall* call) {
  return reinterpret_cast<postern_config_ctx*>(call);
}

ConfigCall* CallOf(postern_config_ctx* context) {
  return current_call != nullptr && ContextOf(current_call) == context ? current_call : nullptr;
}

std::string_view View(postern_str text) {
  return text.data == nullptr ? std::string_view() : std::string_view(text.data, text.len);
}

// What a module says, fit for a report: bounded, one line, UTF-8.
std::string Presentable(std::string_view text) {
  std::string out = ReplaceInvalidUtf8(text.substr(0, ConfigCall::kMaxText));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return out;
}

void AddError(ConfigCall* call, std::string_view field, std::string_view text) {
  if (call->errors.size() > ConfigCall::kMaxErrors) return;
  if (call->errors.size() == ConfigCall::kMaxErrors) {
    call->errors.push_back({"", "there are more problems"});
    return;
  }
  call->errors.push_back({Presentable(field), Presentable(text)});
}

void HostConfigError(postern_config_ctx* context, postern_str field_path, postern_str message) {
  ConfigCall* const call = CallOf(context);
  if (call != nullptr) AddError(call, View(field_path), View(message));
}

postern_status HostUpstreamResolve(postern_config_ctx* context, postern_str name, uint32_t* id) {
  ConfigCall* const call = CallOf(context);
  if (call == nullptr) return POSTERN_E_STATE;
  if (!call->module->may(POSTERN_CAP_CALLOUT)) return POSTERN_E_DENIED;
  FilterInstance& instance = *call->instance;
  const auto give = [&](size_t at) {
    *id = instance.id_tag << 16 | static_cast<uint32_t>(at);
    return POSTERN_OK;
  };
  for (size_t i = 0; i < instance.upstreams.size(); ++i) {
    if (instance.upstreams[i].name == View(name)) return give(i);
  }
  std::optional<CalloutUpstream> found = (*call->upstreams)(View(name));
  if (!found.has_value()) return POSTERN_E_NOT_FOUND;
  if (instance.upstreams.size() >= ConfigCall::kMaxIds) return POSTERN_E_LIMIT;
  found->name = View(name);
  instance.upstreams.push_back(*std::move(found));
  return give(instance.upstreams.size() - 1);
}

postern_status HostVarResolve(postern_config_ctx* context, postern_str name, uint32_t* id) {
  ConfigCall* const call = CallOf(context);
  if (call == nullptr) return POSTERN_E_STATE;
  FilterInstance& instance = *call->instance;
  Variable variable = ResolveFilterVariable(View(name));
  if (variable.id == VariableId::kUnknown) return POSTERN_E_NOT_FOUND;
  const auto give = [&](size_t at) {
    *id = instance.id_tag << 16 | static_cast<uint32_t>(at);
    return POSTERN_OK;
  };
  for (size_t i = 0; i < instance.variables.size(); ++i) {
    if (instance.variables[i].id == variable.id && instance.variables[i].key == variable.key) {
      return give(i);
    }
  }
  if (instance.variables.size() >= ConfigCall::kMaxIds) return POSTERN_E_LIMIT;
  instance.variables.push_back(std::move(variable));
  return give(instance.variables.size() - 1);
}

postern_status HostMetricDefine(postern_config_ctx* context, uint32_t kind, postern_str name,
                                const postern_str* label_names, size_t n, uint32_t* id) {
  ConfigCall* const call = CallOf(context);
  if (call == nullptr) return POSTERN_E_STATE;
  if (n > FilterMetricDefinitions::kMaxLabels || (n > 0 && label_names == nullptr)) {
    return POSTERN_E_INVALID;
  }
  std::vector<std::string_view> labels;
  for (size_t i = 0; i < n; ++i) labels.push_back(View(label_names[i]));
  const absl::StatusOr<uint32_t> defined =
      FilterMetricDefinitions::Instance().Define(call->module->name(), kind, View(name), labels);
  if (defined.ok()) {
    *id = *defined;
    return POSTERN_OK;
  }
  return absl::IsResourceExhausted(defined.status()) ? POSTERN_E_LIMIT : POSTERN_E_INVALID;
}

}  // namespace

void AddConfigFunctions(postern_host* host) {
  host->config_error = HostConfigError;
  host->upstream_resolve = HostUpstreamResolve;
  host->var_resolve = HostVarResolve;
  host->metric_define = HostMetricDefine;
}

void* ConfigureScope(const postern_config& config, ConfigCall* call) {
  const postern_filter& hooks = call->module->hooks();
  if (hooks.config_create == nullptr) {
    if (View(config.bytes) != "{}") AddError(call, "", "this module takes no configuration");
    return nullptr;
  }
  void* made = nullptr;
  postern_status status = POSTERN_E_INTERNAL;
  ConfigCall* const outer = std::exchange(current_call, call);
  try {
    const ModuleCall scope(HookName::kConfigCreate, call->module, call->instance);
    status = hooks.config_create(call->module->module(), ContextOf(call), &config, &made);
  } catch (...) {
    AddError(call, "", "its config_create threw an exception");
  }
  current_call = outer;
  if (status == POSTERN_OK) return made;
  if (call->errors.empty()) {
    AddError(call, "", Concat("refused with status ", status, ", without a reason"));
  }
  return nullptr;
}

}  // namespace postern
