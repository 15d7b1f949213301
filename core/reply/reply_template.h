#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/arena.h"
#include "core/context/request_context.h"
#include "core/context/value_source.h"
#include "core/context/variables.h"
#include "lib/text/char_sink.h"

namespace postern {

/// The body of a customised gateway response (rest-api.md §4.4), compiled to segments. Not a
/// template language: `$context.X`, `$stageVariables.X` and
/// `$method.request.{header|querystring|path}.X` are replaced, all else is text. A name is made of
/// parts of [A-Za-z0-9_-] joined by dots; of what could name a variable the longest known one is
/// taken, so that "$context.requestId-x" is the request id and "-x". Immutable.
class ReplyTemplate {
 public:
  explicit ReplyTemplate(std::string_view text);

  /// Appends the text, with nothing in place of what has no value. Values are raw.
  void Render(const RequestContext& context, Arena* arena, CharSink& sink) const;

 private:
  struct Segment {
    std::string literal;  // before the value
    int32_t variable;     // index in variables_, or -1
    int32_t value;        // index in values_, or -1
  };

  std::vector<Segment> segments_;
  std::vector<Variable> variables_;
  std::vector<ValueSource> values_;
};

}  // namespace postern
