#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "api/sdk/sdk.h"
#include "filters/transform/message_view.h"
#include "filters/transform/transform_config.h"
#include "lib/template/mapping_template.h"

namespace postern {

/// One stream, as a template sees it.
class Environment final : public TemplateEnvironment {
 public:
  /// `earlier` may be null. All outlive this.
  Environment(Stream s, const TransformConfig& config, RequestView* request, std::string_view body,
              const std::vector<TemplateOverride>* earlier)
      : stream_(s), config_(config), request_(*request), body_(body), earlier_(earlier) {}

  /// What the template has put into overrides.
  std::vector<TemplateOverride> TakeOverrides() { return std::move(overrides_); }

  // TemplateEnvironment.
  std::string_view Body() override { return body_; }
  std::optional<std::string_view> Param(ParamLocation location, std::string_view name) override;
  void ForEachParam(ParamLocation location, const Visitor& visit) override;
  dyn::Value ContextVariable(uint32_t number, dyn::Arena& arena) override {
    return config_.variables.Get(number, stream_, arena);
  }
  std::optional<std::string_view> StageVariable(std::string_view name) override;
  void ForEachStageVariable(const Visitor& visit) override;
  const std::vector<TemplateOverride>* EarlierOverrides() override { return earlier_; }
  void TakeOverrides(std::vector<TemplateOverride>&& overrides) override {
    overrides_ = std::move(overrides);
  }

 private:
  const Stream stream_;
  const TransformConfig& config_;
  RequestView& request_;
  const std::string_view body_;
  const std::vector<TemplateOverride>* const earlier_;
  std::vector<TemplateOverride> overrides_;
};

}  // namespace postern
