#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "lib/text/document.h"

// How a Document is stored and built; not for use outside lib/text.

namespace postern::document_internal {

/// Texts that live as long as the tree.
class TextStore {
 public:
  /// Uninitialized room for `size` bytes.
  char* Allocate(size_t size);
  std::string_view Copy(std::string_view text);

 private:
  static constexpr size_t kChunkSize = 64 * 1024;

  std::vector<std::unique_ptr<char[]>> chunks_;
  char* at_ = nullptr;
  size_t left_ = 0;
};

/// Lines and columns of a text, from offsets in bytes.
class LineIndex {
 public:
  LineIndex() = default;
  explicit LineIndex(std::string_view text);

  /// `offset` may be text.size(), but not more. `text` is that of the constructor.
  Mark At(std::string_view text, size_t offset) const;

 private:
  size_t CodePointsBefore(std::string_view text, size_t offset) const;

  std::vector<uint32_t> line_starts_;
  std::vector<uint32_t> continuations_;  // bytes 10xxxxxx before each block; empty if all is ASCII
};

/// One node. Nodes lie in the order of the file (a container, then its descendants), and refer to
/// each other by distances, so that a subtree can be copied and moved as it is.
struct TreeNode {
  const char* text = nullptr;  ///< of a scalar
  const char* key = nullptr;   ///< in its parent, if that is an object
  uint32_t text_size = 0;      ///< containers: see `index`
  uint32_t key_size = 0;
  uint32_t offset = 0;      ///< of the value in the source
  uint32_t key_offset = 0;  ///< of the key, or of the value where there is no key
  uint32_t to_parent = 0;   ///< distance back to the parent; 0 for the root
  uint32_t span = 1;        ///< nodes of this subtree, itself included
  uint32_t count = 0;       ///< children
  uint16_t tag = 0;         ///< 1 + its place in Tree::tags, 0 for none
  NodeKind kind = NodeKind::kNull;
  bool merge = false;  ///< its key is a YAML merge key; only while building

  std::string_view text_view() const {
    return kind == NodeKind::kArray || kind == NodeKind::kObject
               ? std::string_view()
               : std::string_view(text, text_size);
  }
  std::string_view key_view() const { return {key, key_size}; }

  /// Objects with more than kMaxScan members have them sorted by key in Tree::sorted_members, from
  /// this place on, as distances from the object.
  uint32_t index() const { return text_size; }
  void set_index(uint32_t index) { text_size = index; }
  bool has_index() const { return kind == NodeKind::kObject && count > kMaxScan; }

  static constexpr uint32_t kMaxScan = 12;
};

struct Tree {
  std::string file_name;
  std::string source;  ///< without byte order mark
  LineIndex lines;
  TextStore texts;
  std::vector<TreeNode> nodes;
  std::vector<uint32_t> sorted_members;
  std::vector<std::string> tags;

  Mark MarkAt(size_t offset) const { return lines.At(source, offset); }
  std::string LocationAt(size_t offset) const;
  absl::Status ErrorAt(size_t offset, std::string_view what) const;
  absl::Status LimitAt(size_t offset, std::string_view what) const;
};

/// Turns the events of a parser into nodes. After a call that returned false, status() tells why
/// and no other call may follow.
class TreeBuilder {
 public:
  TreeBuilder(Tree* tree, const DocumentLimits& limits) : tree_(*tree), limits_(limits) {}

  /// A scalar whose text lives as long as the tree. `anchor` 0 is none.
  bool Scalar(NodeKind kind, std::string_view text, size_t offset, std::string_view tag = {},
              size_t anchor = 0);
  bool Begin(NodeKind kind, size_t offset, std::string_view tag = {}, size_t anchor = 0);
  bool End();
  /// The key of the next value. `merge`: it is a YAML merge key.
  bool Key(std::string_view key, size_t offset, bool merge = false);
  /// A copy of the node with this anchor.
  bool Alias(size_t anchor, size_t offset);

  /// Gives `text`, a scalar that is a key, an anchor; and gets the text of a scalar by its anchor.
  bool AnchorKey(NodeKind kind, std::string_view text, size_t offset, size_t anchor);
  bool KeyOfAlias(size_t anchor, size_t offset, std::string_view* text);

  /// Whether the next event of an object must be a key.
  bool expects_key() const {
    return !open_.empty() && tree_.nodes[open_.back().node].kind == NodeKind::kObject &&
           !open_.back().has_key;
  }

  /// Where the key stands whose value comes next; nullopt outside objects.
  std::optional<size_t> pending_key_offset() const {
    if (open_.empty() || !open_.back().has_key) return std::nullopt;
    return open_.back().key_offset;
  }

  bool Fail(absl::Status status);
  const absl::Status& status() const { return status_; }

 private:
  struct Open {
    uint32_t node = 0;
    uint32_t key_offset = 0;
    std::string_view key;
    bool has_key = false;
    bool key_is_merge = false;
    bool has_merge = false;
    uint32_t height = 0;  // of the highest child
    size_t anchor = 0;
  };
  struct Anchor {
    bool complete = false;
    std::vector<TreeNode> nodes;
    size_t text_bytes = 0;
    uint32_t height = 0;
  };

  bool Add(TreeNode node);
  void Attach(uint32_t node);
  bool Enter(size_t offset, uint32_t height);
  bool CheckRoom(size_t more, size_t offset);
  bool TagIndex(std::string_view tag, size_t offset, uint16_t* index);
  bool Store(size_t anchor, uint32_t node, uint32_t height);
  bool CountExpanded(size_t bytes, size_t offset);
  const Anchor* FindAnchor(size_t anchor, size_t offset);
  bool FinishObject(uint32_t object);
  bool Merge(uint32_t object);
  uint32_t HeightOfChildren(uint32_t container) const;
  bool MergeSources(uint32_t value, std::vector<uint32_t>* sources);

  Tree& tree_;
  const DocumentLimits& limits_;
  std::vector<Open> open_;
  std::vector<Anchor> anchors_;  // by number
  size_t anchored_nodes_ = 0;
  size_t expanded_bytes_ = 0;
  absl::Status status_;
};

/// Whether `text` is a number as JSON writes it (RFC 8259 §6).
bool IsJsonNumber(std::string_view text);

/// Parsers. `tree` has its source; they fill in the nodes.
absl::Status ParseJson(Tree* tree, const DocumentLimits& limits);
absl::Status ParseYaml(Tree* tree, const DocumentLimits& limits);

}  // namespace postern::document_internal
