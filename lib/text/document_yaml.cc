#include <algorithm>
#include <exception>
#include <istream>
#include <streambuf>
#include <string>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/document_tree.h"

namespace postern::document_internal {
namespace {

constexpr std::string_view kCoreTags = "tag:yaml.org,2002:";

// Put behind the text: yaml-cpp takes a quoted scalar that is cut off behind a line break for
// whole, unless the end of the document is marked.
constexpr std::string_view kTerminator = "...\n";

// Ends the parser from inside an event; the builder knows why.
struct Stop {};

// Reads a text without copying it.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // an input buffer is not written to
    setg(begin, begin, begin + text.size());
  }
};

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool IsNullText(std::string_view text) { return IsOneOf(text, {"null", "Null", "NULL", "~", ""}); }

bool IsBoolText(std::string_view text) {
  return IsOneOf(text, {"true", "True", "TRUE", "false", "False", "FALSE"});
}

// YAML 1.2.2 §10.3.2: [-+]? [0-9]+ | 0o [0-7]+ | 0x [0-9a-fA-F]+
bool IsIntText(std::string_view text) {
  const auto all = [](std::string_view digits, auto good) {
    return !digits.empty() && std::all_of(digits.begin(), digits.end(), good);
  };
  if (text.starts_with("0x")) {
    return all(text.substr(2), [](char c) { return HexValue(c) >= 0; });
  }
  if (text.starts_with("0o")) {
    return all(text.substr(2), [](char c) { return c >= '0' && c <= '7'; });
  }
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return all(text, IsDigit);
}

// YAML 1.2.2 §10.3.2: [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool IsFloatText(std::string_view text) {
  const auto digits = [&text] {
    size_t count = 0;
    while (count < text.size() && IsDigit(text[count])) ++count;
    text.remove_prefix(count);
    return count;
  };
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const size_t whole = digits();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (digits() == 0 && whole == 0) return false;
  } else if (whole == 0) {
    return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return text.empty();
}

// The kind of a plain scalar in the core schema.
NodeKind PlainKind(std::string_view text) {
  if (IsNullText(text)) return NodeKind::kNull;
  if (IsBoolText(text)) return NodeKind::kBool;
  if (IsIntText(text)) return NodeKind::kInt;
  if (IsFloatText(text)) return NodeKind::kDouble;
  return NodeKind::kString;
}

class Handler : public YAML::EventHandler {
 public:
  Handler(Tree& tree, TreeBuilder& builder) : tree_(tree), builder_(builder) {}

  size_t documents() const { return documents_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (static_cast<size_t>(mark.pos) >= tree_.source.size()) throw Stop();  // only kTerminator
    if (++documents_ == 1) return;
    builder_.Fail(tree_.ErrorAt(
        Offset(mark),
        "more text behind the end of the YAML document; a definition is a single document"));
    throw Stop();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    size_t offset = Offset(mark);
    const std::string_view written = NullTextAt(offset);
    if (builder_.expects_key()) return Key(NodeKind::kNull, written, offset, anchor);
    // Where there is no text, the mark is that of whatever follows.
    if (written.empty()) offset = builder_.pending_key_offset().value_or(offset);
    Check(builder_.Scalar(NodeKind::kNull, "null", offset, {}, anchor));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const size_t offset = Offset(mark);
    if (!builder_.expects_key()) return Check(builder_.Alias(anchor, offset));
    std::string_view text;
    Check(builder_.KeyOfAlias(anchor, offset, &text));
    Check(builder_.Key(text, offset));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const size_t offset = Offset(mark);
    const std::string_view text = tree_.texts.Copy(value);
    if (builder_.expects_key()) {
      const bool merge = text == "<<" && (tag == "?" || tag == Concat(kCoreTags, "merge"));
      if (!merge) return Key(Kind(tag, text, offset), text, offset, anchor);
      return Check(builder_.Key(text, offset, true));
    }
    const NodeKind kind = Kind(tag, text, offset);
    Check(builder_.Scalar(kind, kind == NodeKind::kNull ? "null" : text, offset, OwnTag(tag),
                          anchor));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Begin(NodeKind::kArray, mark, tag, anchor);
  }
  void OnSequenceEnd() override { Check(builder_.End()); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Begin(NodeKind::kObject, mark, tag, anchor);
  }
  void OnMapEnd() override { Check(builder_.End()); }

  // Byte offset of a mark; yaml-cpp counts bytes. At the end it is past what was written.
  size_t Offset(const YAML::Mark& mark) const {
    return std::clamp<size_t>(mark.pos < 0 ? 0 : static_cast<size_t>(mark.pos), 0,
                              tree_.source.size());
  }

 private:
  static void Check(bool good) {
    if (!good) throw Stop();
  }

  // A scalar in the place of a key: its text counts, its kind only where an alias repeats it.
  void Key(NodeKind kind, std::string_view text, size_t offset, YAML::anchor_t anchor) {
    if (anchor != 0) Check(builder_.AnchorKey(kind, text, offset, anchor));
    Check(builder_.Key(text, offset));
  }

  void Begin(NodeKind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    const size_t offset = Offset(mark);
    if (builder_.expects_key()) {
      builder_.Fail(
          tree_.ErrorAt(offset,
                        "a key must be a plain text, not an object or an array; quote it if "
                        "it begins with '{' or '['"));
      throw Stop();
    }
    Check(builder_.Begin(kind, offset, OwnTag(tag), anchor));
  }

  // yaml-cpp has "?" for plain and "!" for quoted scalars, and for collections "?".
  static std::string_view OwnTag(std::string_view tag) {
    return tag == "?" || tag == "!" || tag.starts_with(kCoreTags) ? std::string_view() : tag;
  }

  NodeKind Kind(std::string_view tag, std::string_view text, size_t offset) {
    if (tag == "?") return PlainKind(text);
    if (!tag.starts_with(kCoreTags)) return NodeKind::kString;
    tag.remove_prefix(kCoreTags.size());
    bool good = true;
    NodeKind kind = NodeKind::kString;
    if (tag == "null") {
      kind = NodeKind::kNull;
      good = IsNullText(text);
    } else if (tag == "bool") {
      kind = NodeKind::kBool;
      good = IsBoolText(text);
    } else if (tag == "int") {
      kind = NodeKind::kInt;
      good = IsIntText(text);
    } else if (tag == "float") {
      kind = NodeKind::kDouble;
      good = IsFloatText(text);
    }
    if (good) return kind;
    builder_.Fail(tree_.ErrorAt(
        offset, Concat("the value is not of the type that its tag !!", tag, " says")));
    throw Stop();
  }

  // How a null was written, which yaml-cpp does not tell.
  std::string_view NullTextAt(size_t offset) const {
    const std::string_view rest = std::string_view(tree_.source).substr(offset);
    for (std::string_view word : {"null", "Null", "NULL", "~"}) {
      if (rest.starts_with(word)) return rest.substr(0, word.size());
    }
    return {};
  }

  Tree& tree_;
  TreeBuilder& builder_;
  size_t documents_ = 0;
};

}  // namespace

absl::Status ParseYaml(Tree* tree, const DocumentLimits& limits) {
  // yaml-cpp takes U+0004 for the end of the text; and YAML 1.2.2 §5.1 allows no such characters.
  const auto control = std::find_if(tree->source.begin(), tree->source.end(), [](char c) {
    return (static_cast<uint8_t>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
  });
  if (control != tree->source.end()) {
    return tree->ErrorAt(
        static_cast<size_t>(control - tree->source.begin()),
        "a control character; remove it, or write it as an escape in double quotes");
  }

  TreeBuilder builder(tree, limits);
  Handler handler(*tree, builder);
  try {
    const std::string text = Concat(
        tree->source, tree->source.empty() || tree->source.back() == '\n' ? "" : "\n", kTerminator);
    ViewBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(handler)) {
    }
  } catch (const Stop&) {
    if (!builder.status().ok()) return builder.status();
  } catch (const YAML::Exception& error) {
    return tree->ErrorAt(handler.Offset(error.mark),
                         Concat("not valid YAML: ", error.msg,
                                "; check the indentation and quotes here and in the line above"));
  } catch (const std::exception& error) {
    return tree->ErrorAt(0, Concat("not valid YAML: ", error.what()));
  }
  if (handler.documents() == 0) {
    return tree->ErrorAt(0, "the file is empty; write a definition into it");
  }
  return absl::OkStatus();
}

}  // namespace postern::document_internal
