#include "core/integration/http_api_value.h"

#include <utility>

#include "core/context/arena_sink.h"
#include "core/context/value_source.h"
#include "lib/text/ascii.h"

namespace postern {
namespace {

using Kind = HttpApiValuePart::Kind;

constexpr size_t kMaxBodyForPaths = 100 * 1024;
constexpr uint64_t kMaxPathSteps = 100'000;
constexpr size_t kMaxJsonMemory = 4 << 20;

// An empty text that is there.
constexpr std::string_view kEmpty = "";

std::string_view FromBody(const JsonPath& path, std::string_view body, Arena* arena) {
  dyn::Arena memory(kMaxJsonMemory);
  dyn::Value root;
  if (!dyn::ParseJson(body.substr(0, kMaxBodyForPaths), memory, {}, &root)) return {};
  uint64_t steps = kMaxPathSteps;
  const std::optional<dyn::Value> value = path.Read(root, memory, &steps);
  if (!value.has_value() || value->is_null()) return {};
  if (value->is_string()) return value->text().empty() ? kEmpty : arena->Copy(value->text());
  ArenaSink sink(arena);
  return dyn::AppendJson(*value, sink) ? sink.written() : std::string_view{};
}

std::string_view Join(std::string_view all, std::string_view value, Arena* arena) {
  if (all.data() == nullptr) return value.data() == nullptr ? kEmpty : value;
  return arena->Concat(all, ",", value);
}

}  // namespace

HttpApiValue::HttpApiValue(std::vector<HttpApiValuePart> parts) {
  for (HttpApiValuePart& part : parts) {
    Part& made = parts_.emplace_back();
    made.kind = part.kind;
    if (part.kind == Kind::kHeader) {
      part.text = AsciiToLower(part.text);
      made.header = LookupHeader(part.text);
    }
    if (part.kind == Kind::kContext) made.variable = ResolveVariable(part.text);
    if (part.kind == Kind::kBody && !part.text.empty()) {
      if (auto path = JsonPath::Compile(part.text); path.ok()) made.path = *std::move(path);
    }
    made.text = std::move(part.text);
  }
}

std::string_view HttpApiValue::GetPart(const Part& part, const RequestContext& context,
                                       std::string_view body, Arena* arena) {
  std::string_view all;
  switch (part.kind) {
    case Kind::kText:
      return part.text;
    case Kind::kHeader:
      for (const HeaderField& field : context.request->headers) {
        const bool same = part.header != HeaderId::kOther ? field.id == part.header
                                                          : EqualsIgnoreCase(field.name, part.text);
        if (same) all = Join(all, field.value, arena);
      }
      return all;
    case Kind::kQuery:
      ForEachQueryValue(context.request->query(), part.text, arena,
                        [&](std::string_view value) { all = Join(all, value, arena); });
      return all;
    case Kind::kBody:
      if (part.text.empty()) return body.empty() ? std::string_view{} : body;
      return part.path.has_value() ? FromBody(*part.path, body, arena) : std::string_view{};
    case Kind::kPath:
      return context.method_path;
    case Kind::kPathParameter:
      return PathParameter(context, part.text);
    case Kind::kContext:
      return VariableValue(part.variable, context, arena);
    case Kind::kStageVariable:
      return StageVariable(context, part.text);
  }
  return {};
}

std::string_view HttpApiValue::Get(const RequestContext& context, std::string_view body,
                                   Arena* arena) const {
  if (parts_.empty()) return kEmpty;
  if (parts_.size() == 1) return GetPart(parts_[0], context, body, arena);
  ArenaSink sink(arena);
  for (const Part& part : parts_) sink.Append(GetPart(part, context, body, arena));
  const std::string_view written = sink.written();
  return written.data() == nullptr ? kEmpty : written;
}

}  // namespace postern
