#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/text/char_sink.h"

namespace postern {

class Document;

namespace document_internal {
struct Tree;
struct TreeNode;
}  // namespace document_internal

/// A place in a file, for people: both count from 1; columns count characters (code points).
struct Mark {
  uint32_t line = 0;
  uint32_t column = 0;

  bool operator==(const Mark&) const = default;
};

enum class NodeKind : uint8_t {
  kAbsent,  ///< no node: what a lookup returns that found nothing
  kNull,
  kBool,
  kInt,     ///< an integer of any size; AsInt() only up to 64 bits
  kDouble,  ///< a number with a fraction or exponent
  kString,
  kArray,
  kObject,
};

/// What to call a kind in a message: "a string", "an object".
std::string_view NodeKindName(NodeKind kind);

/// A value in a Document, with its place in the file and in the tree: a view of two words, cheap to
/// copy, valid as long as the Document or a copy of it lives. Lookups may be chained without
/// checks, since a lookup in an absent node, or one of another kind, gives an absent node.
class Node {
 public:
  class Children;

  /// Absent.
  Node() = default;

  /// Whether there is a node (null is one).
  explicit operator bool() const { return tree_ != nullptr; }

  NodeKind kind() const;
  bool is_null() const { return kind() == NodeKind::kNull; }
  bool is_string() const { return kind() == NodeKind::kString; }
  bool is_array() const { return kind() == NodeKind::kArray; }
  bool is_object() const { return kind() == NodeKind::kObject; }
  bool is_scalar() const;

  /// A scalar as the author wrote it, without quotes and escapes: `3.0`, `012`, `200`, "null" for
  /// every null. Empty for arrays, objects and absent nodes.
  std::string_view text() const;

  /// A YAML tag that is not of the core schema (`!Ref`), else empty. A tagged scalar is a string.
  std::string_view tag() const;

  /// The value, or InvalidArgument with the place, what was found instead and what to do. Nothing
  /// is converted: a quoted number is a string, an unquoted one is none. Callers that do not care
  /// take text(). NotFound for an absent node.
  absl::StatusOr<std::string_view> AsString() const;
  absl::StatusOr<bool> AsBool() const;
  absl::StatusOr<int64_t> AsInt() const;    ///< kInt within 64 bits
  absl::StatusOr<double> AsDouble() const;  ///< kDouble and kInt, within double

  /// Elements of an array, members of an object; 0 for others.
  size_t size() const;

  /// The members or elements in the order of the file; nothing for others.
  Children children() const;

  /// The member called `key`. O(log n) for large objects, a short scan for small ones.
  Node Find(std::string_view key) const;

  /// Element of an array. Linear: to visit all, use children().
  Node At(size_t index) const;

  /// The name under which this node is a member of its parent, unescaped; for YAML keys that are
  /// no strings their text (`200`). Empty for elements and for the root.
  std::string_view key() const;

  /// Where the value begins. For the content of a YAML alias: where the anchored text is.
  Mark mark() const;
  /// Where the key begins; for elements and the root the same as mark().
  Mark key_mark() const;

  /// Absent for the root.
  Node parent() const;

  /// JSON pointer (RFC 6901) from the root: "/paths/~1pets/get". Empty for the root.
  std::string Pointer() const;

  /// The node that `pointer` (RFC 6901 §3) names, seen from this one; absent if there is none or
  /// the pointer is malformed.
  Node Resolve(std::string_view pointer) const;

  /// "api.yaml:12:3", for reports.
  std::string Location() const;

  /// InvalidArgument "api.yaml:12:3: " and `what`. The message should say what to do.
  absl::Status Error(std::string_view what) const;

  /// Whether both are the same node of the same tree.
  bool operator==(const Node&) const = default;

 private:
  friend class Document;
  using Tree = document_internal::Tree;
  using TreeNode = document_internal::TreeNode;

  Node(const Tree* tree, uint32_t index) : tree_(tree), index_(index) {}
  const TreeNode& node() const;

  const Tree* tree_ = nullptr;
  uint32_t index_ = 0;
};

/// A range for `for (Node child : node.children())`.
class Node::Children {
 public:
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Node;
    using difference_type = std::ptrdiff_t;
    using pointer = const Node*;
    using reference = const Node&;

    Iterator() = default;
    const Node& operator*() const { return node_; }
    const Node* operator->() const { return &node_; }
    Iterator& operator++();
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const Iterator& other) const { return node_.index_ == other.node_.index_; }

   private:
    friend class Children;
    explicit Iterator(Node node) : node_(node) {}
    Node node_;
  };

  Iterator begin() const { return Iterator(begin_); }
  Iterator end() const { return Iterator(end_); }

 private:
  friend class Node;
  Children(Node begin, Node end) : begin_(begin), end_(end) {}
  Node begin_;
  Node end_;
};

/// Bounds of what a text may become. The defaults are above what AWS imports (6 MB,
/// management-and-import.md §3.1).
struct DocumentLimits {
  size_t max_bytes = 16 << 20;           ///< of the text; at most 4 GiB
  size_t max_depth = 200;                ///< nested arrays and objects; at most 400
  size_t max_nodes = 2 << 20;            ///< aliases expanded; 48 bytes of memory each
  size_t max_expanded_bytes = 64 << 20;  ///< text that aliases repeat
};

/// A definition as it was written: an immutable ordered tree with a place for every node. Copies
/// share the tree. Safe to use from several threads.
class Document {
 public:
  Node root() const;

  /// Node::Resolve() from the root. Also takes the fragment form (RFC 6901 §6) in which `$ref`
  /// names a place in its own document: "#/components/schemas/Pet".
  Node Resolve(std::string_view pointer) const;

  const std::string& file_name() const;

 private:
  friend absl::StatusOr<Document> ParseDocument(std::string_view, std::string_view,
                                                const DocumentLimits&);
  explicit Document(std::shared_ptr<const document_internal::Tree> tree) : tree_(std::move(tree)) {}

  std::shared_ptr<const document_internal::Tree> tree_;
};

/// Parses `text` (UTF-8, a byte order mark is skipped) as JSON or as YAML, whichever it is by its
/// content (management-and-import.md §3.1): JSON if it begins with `[`, or with `{` and then `"` or
/// `}`; else YAML. `file_name` is only used in messages.
///
/// JSON is RFC 8259. YAML is one document of YAML 1.2 by yaml-cpp, with the core schema (§10.3):
/// plain scalars are null, bool, int (also 0o17, 0x1F) or float where they look like one, else
/// strings; so are `yes`, `on`, `.inf` and `.nan` (JSON has no such number). Anchors and aliases
/// are expanded, merge keys (`<<`) are merged: explicit members win, then earlier sources. Keys
/// must be scalars.
///
/// Errors: InvalidArgument for what is not JSON or YAML and for a key that stands twice in one
/// object; ResourceExhausted for what exceeds `limits`. The message is "file:line:column: what, and
/// what to do".
absl::StatusOr<Document> ParseDocument(std::string_view text, std::string_view file_name,
                                       const DocumentLimits& limits = {});

/// Appends `node` as compact JSON: members in the order of the file, strings as
/// AppendJsonString() writes them, integers in plain decimal (0x1F is 31, 012 is 12), other numbers
/// as written, but for what JSON does not allow (`+.5` is 0.5). Equal texts give equal JSON,
/// whether they were JSON or YAML. An absent node is null.
void AppendJson(Node node, CharSink& sink);
std::string ToJson(Node node);

}  // namespace postern
