#include "filters/transform/value_reader.h"

#include <algorithm>

#include "lib/text/ascii.h"
#include "lib/text/char_sink.h"

namespace postern {
namespace {

constexpr uint64_t kPathSteps = 100'000;
constexpr std::string_view kSpace = " \t\r\n";

std::string_view TrimSpace(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool AppendOptional(std::optional<std::string_view> value, std::string* out) {
  if (value) *out += *value;
  return value.has_value();
}

}  // namespace

const dyn::Value* BodyJson::value() {
  if (state_ == State::kUnread) {
    const std::string_view text = TrimSpace(text_);
    if (text.empty()) {
      value_ = dyn::Value::Of(dyn::NewMap(arena_));
      state_ = State::kJson;
    } else if (std::string_view("{[\"'").find(text.front()) == text.npos) {
      state_ = State::kOther;
    } else {
      state_ = dyn::ParseJson(text, arena_, {}, &value_) ? State::kJson : State::kBroken;
    }
  }
  return state_ == State::kJson ? &value_ : nullptr;
}

bool ValueReader::AppendOfBody(const CompiledSource& source, std::string* out) {
  if (!source.path) {
    const std::string_view text = TrimSpace(body_.text());
    *out += text.empty() ? std::string_view("{}") : text;
    return true;
  }
  const dyn::Value* root = body_.value();
  if (root == nullptr) return false;
  uint64_t steps = kPathSteps;
  const std::optional<dyn::Value> found = source.path->Read(*root, body_.arena(), &steps);
  if (!found || found->is_null()) return false;
  StringSink sink(out);
  return found->is_map() || found->is_list() ? dyn::AppendJson(*found, sink)
                                             : dyn::AppendText(*found, sink);
}

bool ValueReader::Append(const CompiledSource& source, std::string* out) {
  using Kind = MappingSource::Kind;
  switch (source.kind) {
    case Kind::kLiteral:
      *out += source.text;
      return true;
    case Kind::kContext:
    case Kind::kPath:
      return source.variable && AppendOptional(stream_.Text(*source.variable), out);
    case Kind::kStageVariable: {
      const auto found = config_.stage_variables.find(source.text);
      if (found == config_.stage_variables.end()) return false;
      *out += found->second;
      return true;
    }
    case Kind::kQuery:
      return AppendOptional(request_.query().Last(source.text), out);
    case Kind::kQueryAll: {
      bool found = false;
      for (const auto& [name, value] : request_.query().fields()) {
        if (name != source.text) continue;
        if (found) *out += ',';
        *out += value;
        found = true;
      }
      return found;
    }
    case Kind::kHeader:
      return AppendOptional(request_.headers().Last(source.text), out);
    case Kind::kHeaderAll:
      return request_.headers().AppendAll(source.text, out);
    case Kind::kResponseHeader:
      return response_ != nullptr && AppendOptional(response_->Last(source.text), out);
    case Kind::kResponseHeaderAll:
      return response_ != nullptr && response_->AppendAll(source.text, out);
    case Kind::kRequestBody:
    case Kind::kResponseBody:
      return AppendOfBody(source, out);
  }
  return false;
}

void CleanFieldValue(std::string* out, size_t begin) {
  for (size_t i = begin; i < out->size(); ++i) {
    const auto byte = static_cast<unsigned char>((*out)[i]);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7F) (*out)[i] = ' ';
  }
  while (out->size() > begin && (out->back() == ' ' || out->back() == '\t')) out->pop_back();
  size_t first = begin;
  while (first < out->size() && ((*out)[first] == ' ' || (*out)[first] == '\t')) ++first;
  out->erase(begin, first - begin);
}

}  // namespace postern
