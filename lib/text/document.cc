#include "lib/text/document.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "lib/text/ascii.h"
#include "lib/text/concat.h"
#include "lib/text/document_tree.h"
#include "lib/text/json_pointer.h"
#include "lib/text/json_writer.h"
#include "lib/text/percent.h"
#include "lib/text/utf8.h"

namespace postern {
namespace {

using document_internal::IsJsonNumber;
using document_internal::Tree;
using document_internal::TreeNode;

// yaml-cpp recurses, up to 500 levels by its own limit.
constexpr size_t kMostDepth = 400;

bool LooksLikeJson(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return false;
  if (text[first] == '[') return true;
  if (text[first] != '{') return false;
  const size_t second = text.find_first_not_of(" \t\r\n", first + 1);
  return second == std::string_view::npos || text[second] == '"' || text[second] == '}';
}

// Digits of a kInt in its base, and the sign.
struct IntText {
  std::string_view digits;
  int base = 10;
  bool negative = false;
};

IntText SplitInt(std::string_view text) {
  IntText out;
  if (text.starts_with("0x") || text.starts_with("0o")) {
    out.base = text[1] == 'x' ? 16 : 8;
    text.remove_prefix(2);
  } else if (text.starts_with('-') || text.starts_with('+')) {
    out.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  out.digits = text;
  return out;
}

std::optional<int64_t> ReadInt(std::string_view text) {
  const IntText parts = SplitInt(text);
  uint64_t size = 0;
  const char* end = parts.digits.data() + parts.digits.size();
  const auto [stop, error] = std::from_chars(parts.digits.data(), end, size, parts.base);
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (error != std::errc() || stop != end || size > kMost + (parts.negative ? 1 : 0)) {
    return std::nullopt;
  }
  return static_cast<int64_t>(parts.negative ? ~size + 1 : size);
}

std::optional<double> ReadDouble(std::string_view text) {
  const IntText parts = SplitInt(text);
  double value = 0;
  if (parts.base != 10) {
    for (char c : parts.digits) value = value * parts.base + HexValue(c);
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
  }
  const char* end = parts.digits.data() + parts.digits.size();
  const auto [stop, error] = std::from_chars(parts.digits.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return parts.negative ? -value : value;
}

void AppendInt(std::string_view text, JsonWriter& writer) {
  if (IsJsonNumber(text)) return writer.Raw(text);
  if (const std::optional<int64_t> number = ReadInt(text)) return writer.Int(*number);
  IntText parts = SplitInt(text);
  if (parts.base != 10) return writer.Double(ReadDouble(text).value_or(NAN));
  parts.digits.remove_prefix(parts.digits.find_first_not_of('0'));
  writer.Raw(Concat(parts.negative ? "-" : "", parts.digits));
}

// YAML allows more than JSON: `+.5`, `5.`, `00.5`.
void AppendDouble(std::string_view text, JsonWriter& writer) {
  if (IsJsonNumber(text)) return writer.Raw(text);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const std::string_view mantissa = text.substr(0, text.find_first_of("eE"));
  const std::string_view exponent = text.substr(mantissa.size());
  const size_t point = std::min(mantissa.find('.'), mantissa.size());
  std::string_view whole = mantissa.substr(0, point);
  while (whole.starts_with('0')) whole.remove_prefix(1);
  const std::string_view fraction = mantissa.substr(std::min(point + 1, mantissa.size()));
  writer.Raw(Concat(negative ? "-" : "", whole.empty() ? "0" : whole, ".",
                    fraction.empty() ? "0" : fraction, exponent));
}

void AppendNode(Node node, JsonWriter& writer) {
  switch (node.kind()) {
    case NodeKind::kAbsent:
    case NodeKind::kNull:
      return writer.Null();
    case NodeKind::kBool:
      return writer.Bool(ToLower(node.text().front()) == 't');
    case NodeKind::kInt:
      return AppendInt(node.text(), writer);
    case NodeKind::kDouble:
      return AppendDouble(node.text(), writer);
    case NodeKind::kString:
      return writer.String(node.text());
    case NodeKind::kArray:
      writer.BeginArray();
      for (Node child : node.children()) AppendNode(child, writer);
      return writer.EndArray();
    case NodeKind::kObject:
      writer.BeginObject();
      for (Node child : node.children()) {
        writer.Key(child.key());
        AppendNode(child, writer);
      }
      return writer.EndObject();
  }
}

absl::Status Unexpected(Node node, std::string_view expected) {
  if (!node) return absl::NotFoundError(Concat("expected ", expected, ", but there is no value"));
  std::string what = Concat("expected ", expected, ", but this is ", NodeKindName(node.kind()));
  if (node.is_scalar() && !node.is_null() && node.text().size() <= 40) {
    what += Concat(" (", node.text(), ")");
  }
  const bool quote = expected == NodeKindName(NodeKind::kString) && node.is_scalar();
  if (quote) what += "; put it in quotes";
  if (node.is_string() && !quote) what += "; remove the quotes if it is one";
  return node.Error(what);
}

}  // namespace

std::string_view NodeKindName(NodeKind kind) {
  switch (kind) {
    case NodeKind::kAbsent:
      return "nothing";
    case NodeKind::kNull:
      return "null";
    case NodeKind::kBool:
      return "a boolean";
    case NodeKind::kInt:
      return "an integer";
    case NodeKind::kDouble:
      return "a number";
    case NodeKind::kString:
      return "a string";
    case NodeKind::kArray:
      return "an array";
    case NodeKind::kObject:
      return "an object";
  }
  return {};
}

const TreeNode& Node::node() const { return tree_->nodes[index_]; }

NodeKind Node::kind() const { return tree_ == nullptr ? NodeKind::kAbsent : node().kind; }

bool Node::is_scalar() const { return tree_ != nullptr && !is_array() && !is_object(); }

std::string_view Node::text() const {
  return tree_ == nullptr ? std::string_view() : node().text_view();
}

std::string_view Node::tag() const {
  if (tree_ == nullptr || node().tag == 0) return {};
  return tree_->tags[node().tag - 1];
}

absl::StatusOr<std::string_view> Node::AsString() const {
  if (kind() != NodeKind::kString) return Unexpected(*this, NodeKindName(NodeKind::kString));
  return text();
}

absl::StatusOr<bool> Node::AsBool() const {
  if (kind() != NodeKind::kBool) return Unexpected(*this, "true or false");
  return ToLower(text().front()) == 't';
}

absl::StatusOr<int64_t> Node::AsInt() const {
  if (kind() != NodeKind::kInt) return Unexpected(*this, NodeKindName(NodeKind::kInt));
  const std::optional<int64_t> number = ReadInt(text());
  if (!number.has_value()) return Error("the number does not fit into 64 bits; use a smaller one");
  return *number;
}

absl::StatusOr<double> Node::AsDouble() const {
  if (kind() != NodeKind::kInt && kind() != NodeKind::kDouble) {
    return Unexpected(*this, NodeKindName(NodeKind::kDouble));
  }
  const std::optional<double> number = ReadDouble(text());
  if (!number.has_value()) return Error("the number is too large or too small; use another one");
  return *number;
}

size_t Node::size() const { return tree_ == nullptr ? 0 : node().count; }

Node::Children Node::children() const {
  if (tree_ == nullptr) return Children(Node(), Node());
  return Children(Node(tree_, index_ + 1), Node(tree_, index_ + node().span));
}

Node::Children::Iterator& Node::Children::Iterator::operator++() {
  node_.index_ += node_.node().span;
  return *this;
}

Node Node::Find(std::string_view key) const {
  if (!is_object()) return {};
  const TreeNode& object = node();
  if (!object.has_index()) {
    for (Node child : children()) {
      if (child.key() == key) return child;
    }
    return {};
  }
  const auto begin = tree_->sorted_members.begin() + object.index();
  const auto end = begin + object.count;
  const auto found =
      std::lower_bound(begin, end, key, [this](uint32_t at, std::string_view wanted) {
        return tree_->nodes[index_ + at].key_view() < wanted;
      });
  if (found == end) return {};
  const Node child(tree_, index_ + *found);
  return child.key() == key ? child : Node();
}

Node Node::At(size_t index) const {
  if (!is_array() || index >= size()) return {};
  return *std::next(children().begin(), static_cast<std::ptrdiff_t>(index));
}

std::string_view Node::key() const {
  return tree_ == nullptr ? std::string_view() : node().key_view();
}

Mark Node::mark() const { return tree_ == nullptr ? Mark() : tree_->MarkAt(node().offset); }

Mark Node::key_mark() const { return tree_ == nullptr ? Mark() : tree_->MarkAt(node().key_offset); }

Node Node::parent() const {
  if (tree_ == nullptr || node().to_parent == 0) return {};
  return Node(tree_, index_ - node().to_parent);
}

std::string Node::Pointer() const {
  std::vector<std::string> tokens;
  for (Node at = *this, up = at.parent(); up; at = up, up = at.parent()) {
    if (up.is_object()) {
      tokens.push_back(EscapePointerToken(at.key()));
      continue;
    }
    size_t index = 0;
    for (Node sibling : up.children()) {
      if (sibling == at) break;
      ++index;
    }
    tokens.push_back(Concat(index));
  }
  std::string pointer;
  for (auto token = tokens.rbegin(); token != tokens.rend(); ++token) {
    pointer += '/';
    pointer += *token;
  }
  return pointer;
}

Node Node::Resolve(std::string_view pointer) const {
  Node at = *this;
  while (at && !pointer.empty()) {
    if (pointer.front() != '/') return {};
    pointer.remove_prefix(1);
    const std::string_view token = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(token.size());
    if (at.is_array()) {
      const std::optional<size_t> index = ReadPointerIndex(token);
      at = index.has_value() ? at.At(*index) : Node();
    } else {
      const std::optional<std::string> key = UnescapePointerToken(token);
      at = key.has_value() ? at.Find(*key) : Node();
    }
  }
  return at;
}

std::string Node::Location() const {
  return tree_ == nullptr ? std::string() : tree_->LocationAt(node().offset);
}

absl::Status Node::Error(std::string_view what) const {
  if (tree_ == nullptr) return absl::InvalidArgumentError(std::string(what));
  return tree_->ErrorAt(node().offset, what);
}

Node Document::root() const { return Node(tree_.get(), 0); }

Node Document::Resolve(std::string_view pointer) const {
  if (!pointer.starts_with('#')) return root().Resolve(pointer);
  const std::optional<std::string> decoded = PercentDecode(pointer.substr(1));
  return decoded.has_value() ? root().Resolve(*decoded) : Node();
}

const std::string& Document::file_name() const { return tree_->file_name; }

absl::StatusOr<Document> ParseDocument(std::string_view text, std::string_view file_name,
                                       const DocumentLimits& limits) {
  auto tree = std::make_shared<Tree>();
  tree->file_name = std::string(file_name);
  constexpr size_t kMostBytes = std::numeric_limits<uint32_t>::max();
  const size_t max_bytes = std::min(limits.max_bytes, kMostBytes);
  if (text.size() > max_bytes) {
    return absl::ResourceExhaustedError(Concat(file_name, ": the file has ", text.size(),
                                               " bytes, but at most ", max_bytes,
                                               " are allowed; split the definition"));
  }
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  tree->source = std::string(text);
  tree->lines = document_internal::LineIndex(tree->source);
  const size_t valid = ValidUtf8Prefix(tree->source);
  if (valid != text.size()) return tree->ErrorAt(valid, "not UTF-8; save the file as UTF-8");

  DocumentLimits bounded = limits;
  bounded.max_depth = std::min(limits.max_depth, kMostDepth);
  const absl::Status status = LooksLikeJson(tree->source)
                                  ? document_internal::ParseJson(tree.get(), bounded)
                                  : document_internal::ParseYaml(tree.get(), bounded);
  if (!status.ok()) return status;
  return Document(std::move(tree));
}

void AppendJson(Node node, CharSink& sink) {
  JsonWriter writer(&sink);
  AppendNode(node, writer);
}

std::string ToJson(Node node) {
  std::string out;
  StringSink sink(&out);
  AppendJson(node, sink);
  sink.Finish();
  return out;
}

}  // namespace postern
