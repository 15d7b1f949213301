#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/sdk/sdk.h"
#include "filters/transform/message_view.h"
#include "filters/transform/transform_config.h"
#include "lib/jsonpath/value.h"

namespace postern {

/// A body as JSON, parsed when it is first asked for (rest-api.md §6.2, §8.2).
class BodyJson {
 public:
  BodyJson(std::string_view text, dyn::Arena* arena) : text_(text), arena_(*arena) {}

  /// Null if it is none.
  const dyn::Value* value();
  /// It begins like JSON and is not.
  bool broken() {
    value();
    return state_ == State::kBroken;
  }
  std::string_view text() const { return text_; }
  dyn::Arena& arena() { return arena_; }

 private:
  enum class State : uint8_t { kUnread, kJson, kOther, kBroken };

  const std::string_view text_;
  dyn::Arena& arena_;
  State state_ = State::kUnread;
  dyn::Value value_;
};

/// Reads the right sides of parameter mappings in one stream.
class ValueReader {
 public:
  /// `response` is null while there is none. All outlive this.
  ValueReader(Stream s, const TransformConfig& config, RequestView* request, BodyJson* body,
              const FieldsView* response)
      : stream_(s), config_(config), request_(*request), body_(*body), response_(response) {}

  /// Appends the value to `*out`. False, with nothing appended, if there is none.
  bool Append(const CompiledSource& source, std::string* out);

 private:
  bool AppendOfBody(const CompiledSource& source, std::string* out);

  const Stream stream_;
  const TransformConfig& config_;
  RequestView& request_;
  BodyJson& body_;
  const FieldsView* const response_;
};

/// Makes of what `*out` has from `begin` on a value that may stand in a header field (RFC 9110
/// §5.5): characters that would end or break the field become spaces, white space around it goes.
void CleanFieldValue(std::string* out, size_t begin);

}  // namespace postern
