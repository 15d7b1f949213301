#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/message.h"

namespace postern {

/// A mapping template that needs no template language.
struct BodyTemplate {
  enum class Form : uint8_t {
    kLiteral,  ///< `body` is the result
    kPayload,  ///< the payload is the result; an empty one counts as `{}` (rest-api.md §7.2)
  };
  std::string content_type;  ///< without parameters, or "$default"
  Form form = Form::kLiteral;
  std::string body;
  std::optional<int32_t> mock_status;  ///< request templates of MOCK: the statusCode they yield
};

enum class Passthrough : uint8_t { kWhenNoMatch, kWhenNoTemplates, kNever };

/// Which template forms the backend's request (rest-api.md §6.4).
class RequestTemplates {
 public:
  RequestTemplates(std::vector<BodyTemplate> templates, Passthrough passthrough)
      : templates_(std::move(templates)), passthrough_(passthrough) {}

  /// What becomes of a request's content.
  struct Choice {
    const BodyTemplate* chosen = nullptr;  ///< null: passed through, unless unsupported
    bool unsupported = false;              ///< 415
  };
  Choice Choose(const RequestHead& request) const;

  bool empty() const { return templates_.empty(); }
  const std::vector<BodyTemplate>& templates() const { return templates_; }

 private:
  const BodyTemplate* Find(std::string_view content_type) const;

  std::vector<BodyTemplate> templates_;
  Passthrough passthrough_;
};

}  // namespace postern
