#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/context/request_context.h"
#include "core/context/value_source.h"
#include "core/http/message.h"
#include "core/integration/body_conversion.h"
#include "core/integration/request_templates.h"
#include "lib/text/media_type.h"

namespace re2 {
class RE2;
}

namespace postern {

/// Where a mapped header of a method response gets its value (rest-api.md §8.2).
struct ResponseSource {
  enum class Kind : uint8_t {
    kValue,      ///< context, stage variable, literal
    kHeader,     ///< integration.response.header.X: last value
    kHeaderAll,  ///< integration.response.multivalueheader.X
    kBody,       ///< integration.response.body
  };
  Kind kind = Kind::kValue;
  ValueSource value{ValueSource::Kind::kLiteral, ""};
  std::string header;
};

/// One integration response (rest-api.md §8).
struct IntegrationResponseSpec {
  std::string selection_pattern;  ///< empty: the default
  uint16_t status = 200;
  bool declared = true;  ///< the method declares this status
  std::vector<std::pair<std::string, ResponseSource>> headers;
  std::vector<BodyTemplate> templates;
  ContentHandling handling = ContentHandling::kNone;
};

/// The integration responses of a non-proxy integration, compiled: chooses one and makes the method
/// response of it. Immutable.
class IntegrationResponses {
 public:
  IntegrationResponses(std::vector<IntegrationResponseSpec> specs,
                       const BinaryMediaTypes* binary_media_types);
  ~IntegrationResponses();
  IntegrationResponses(const IntegrationResponses&) = delete;
  IntegrationResponses& operator=(const IntegrationResponses&) = delete;

  /// Says why `pattern` cannot be used as a selection pattern; nullopt if it can.
  static std::optional<std::string> CheckPattern(const std::string& pattern);

  static constexpr size_t kNone = SIZE_MAX;

  /// The first whose pattern matches all of `text`, else the default; kNone if there is none.
  size_t Select(std::string_view text) const;
  /// The default one; kNone if there is none.
  size_t Default() const { return default_; }

  /// What a method response is made of.
  struct Backend {
    const ResponseHead* head = nullptr;  ///< null for MOCK
    std::string_view body;
  };
  struct Response {
    ResponseHead* head = nullptr;  ///< null: the request fails with API_CONFIGURATION_ERROR
    std::string_view body;
  };
  /// Makes the response `index` (not kNone). On failure sets integration_error.
  Response Make(size_t index, const Backend& backend, RequestContext* context, Arena* arena) const;

 private:
  struct Header {
    std::string name;  // as it goes out, renamed if need be
    HeaderId id;
    ResponseSource source;
    HeaderId source_id;
  };
  struct Entry {
    std::unique_ptr<re2::RE2> pattern;  // null: literal text
    std::string text;                   // of a pattern without special characters
    uint16_t status;
    bool declared;
    bool has_content_type;
    std::vector<Header> headers;
    std::vector<BodyTemplate> templates;
    ContentHandling handling;
  };

  static std::string_view Value(const Header& header, const Backend& backend,
                                const RequestContext& context, Arena* arena);
  static const BodyTemplate* ChooseTemplate(const Entry& entry, const RequestHead& request);

  std::vector<Entry> entries_;
  size_t default_ = kNone;
  const BinaryMediaTypes& binary_;
};

}  // namespace postern
