#include <rapidjson/reader.h>

#include "lib/text/concat.h"
#include "lib/text/document_tree.h"
#include "lib/text/json_text.h"

namespace postern::document_internal {
namespace {

constexpr unsigned kParseFlags = rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag |
                                 rapidjson::kParseNumbersAsStringsFlag;

using Reader = rapidjson::GenericReader<json_text::Utf8, json_text::Utf8>;

// Events of the reader, to which the stream adds where they are: scalars are reported when they
// have been read, brackets just before.
class Handler {
 public:
  Handler(const Tree& tree, const json_text::Stream& stream, TreeBuilder& builder)
      : tree_(tree), stream_(stream), builder_(builder) {}

  bool Null() { return Literal(NodeKind::kNull, "null"); }
  bool Bool(bool value) {
    return Literal(NodeKind::kBool, value ? std::string_view("true") : std::string_view("false"));
  }

  bool RawNumber(const char*, rapidjson::SizeType size, bool) {
    const std::string_view text = stream_.Last(size);  // of Tree::source, which stays
    const bool whole = text.find_first_of(".eE") == std::string_view::npos;
    return builder_.Scalar(whole ? NodeKind::kInt : NodeKind::kDouble, text, stream_.Tell() - size);
  }

  bool String(const char* text, rapidjson::SizeType size, bool) {
    return CheckEscapes() && builder_.Scalar(NodeKind::kString, {text, size}, StringOffset());
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    return CheckEscapes() && builder_.Key({text, size}, StringOffset());
  }

  bool StartObject() { return builder_.Begin(NodeKind::kObject, stream_.Tell()); }
  bool StartArray() { return builder_.Begin(NodeKind::kArray, stream_.Tell()); }
  bool EndObject(rapidjson::SizeType) { return builder_.End(); }
  bool EndArray(rapidjson::SizeType) { return builder_.End(); }

  // Never called: numbers come as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }

 private:
  bool Literal(NodeKind kind, std::string_view text) {
    return builder_.Scalar(kind, text, stream_.Tell() - text.size());
  }

  size_t StringOffset() const { return stream_.string_begin() - 1; }

  bool CheckEscapes() {
    if (stream_.lone_surrogate() == 0) return true;
    return builder_.Fail(
        tree_.ErrorAt(stream_.lone_surrogate(),
                      json_text::ErrorText(rapidjson::kParseErrorStringUnicodeSurrogateInvalid)));
  }

  const Tree& tree_;
  const json_text::Stream& stream_;
  TreeBuilder& builder_;
};

}  // namespace

absl::Status ParseJson(Tree* tree, const DocumentLimits& limits) {
  TreeBuilder builder(tree, limits);
  json_text::Stream stream(tree->source, tree->texts.Allocate(tree->source.size()));
  Handler handler(*tree, stream, builder);
  Reader reader;
  const rapidjson::ParseResult result = reader.Parse<kParseFlags>(stream, handler);
  if (!builder.status().ok()) return builder.status();
  if (result.IsError()) {
    return tree->ErrorAt(result.Offset(),
                         Concat("not valid JSON: ", json_text::ErrorText(result.Code())));
  }
  if (!stream.AtEnd()) {
    return tree->ErrorAt(
        stream.Tell(), Concat("not valid JSON: ",
                              json_text::ErrorText(rapidjson::kParseErrorDocumentRootNotSingular)));
  }
  return absl::OkStatus();
}

}  // namespace postern::document_internal
