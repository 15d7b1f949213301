#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/http/message.h"
#include "lib/text/path_template.h"

namespace postern {

/// A set of methods that a resource may declare (rest-api.md §2.5), one bit each.
using MethodMask = uint8_t;

/// The bit of one of the seven methods; zero for any other, which no resource ever serves.
MethodMask MethodBit(Method method);
/// Declared as ANY: covers the seven methods that are not declared on the same resource.
inline constexpr MethodMask kAnyMethodBit = 0x80;
/// "GET", …, "ANY"; zero for other text.
MethodMask ParseMethodBit(std::string_view text);
/// The inverse, of one bit; empty for anything else.
std::string_view MethodBitName(MethodMask bit);

/// The resources of one deployment as a compressed trie over path segments: it finds the route of a
/// path and method (rest-api.md §3). Immutable and shared by all threads once built.
///
/// What a match costs depends on the segments of the path, not on the number of routes: static
/// children are found by hash, chains of static segments are one node. Where the best branch ends
/// without a candidate the search goes back to the next one (rest-api.md §3.1); since it walks a
/// tree, it enters every node at most once, and it leaves out subtrees in which no resource serves
/// the method. It never allocates.
class RouteTree {
 public:
  /// Most path variables in one template. Longer ones are refused when the tree is built.
  static constexpr size_t kMaxVariables = 32;
  /// Most segments of a template.
  static constexpr size_t kMaxSegments = 128;

  struct Match {
    uint32_t route;          ///< as the tree numbers them, see Builder::Build
    uint32_t value_count;    ///< variables of its template
    uint32_t nodes_entered;  ///< how much work it was
    /// Values of the variables in the order of the template, as sent; views into the path. Left
    /// uninitialized beyond `value_count`.
    struct Value {
      const char* data;
      size_t size;
    };
    std::array<Value, kMaxVariables> values;
  };

  class Builder;

  RouteTree() = default;

  /// Finds the route of `path` (p of rest-api.md §2.3: starts with a slash) for a method whose bit
  /// is `method`. Returns false if there is no candidate; `match` then holds garbage but for
  /// `nodes_entered`.
  bool Find(std::string_view path, MethodMask method, Match* match) const;

  size_t node_count() const { return nodes_.size(); }
  /// Bytes held.
  size_t memory() const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kHashed = UINT32_MAX - 1;
  static constexpr uint32_t kLeaf = UINT32_MAX - 2;
  static constexpr size_t kInlineLabel = 32;

  // One cache line, with all that a match needs of it, so that a large tree costs one miss a node.
  // `{x+}` never has children, and `{x}` often has none: their methods stand in the parent.
  struct alignas(64) Node {
    uint32_t parent = kNone;    // guards hash lookups
    uint32_t first_route = 0;   // one for each bit of `methods`, then of `leaf`, then of `greedy`
    uint32_t variable = kNone;  // child `{x}`, kLeaf, or kNone
    uint32_t only_static = kNone;  // the only static child, kNone, or kHashed
    uint32_t label = 0;            // offset of a label that is longer than kInlineLabel
    uint16_t label_size = 0;       // static text that leads here, "a/b" for a chain
    uint16_t first_size = 0;       // of the label's first segment
    MethodMask methods = 0;        // of the resource that ends here
    MethodMask leaf = 0;           // of a child `{x}` without children
    MethodMask greedy = 0;         // of a child `{x+}`
    MethodMask subtree = 0;        // of this and everything below
    char text[kInlineLabel];
  };
  static_assert(sizeof(Node) == 64);

  struct Slot {
    uint32_t tag;
    uint32_t node = kNone;
  };

  struct Search;
  bool Descend(uint32_t index, std::string_view rest, Search* search) const;
  uint32_t StaticChild(uint32_t parent, std::string_view rest) const;
  std::string_view Label(const Node& node) const {
    return {node.label_size <= kInlineLabel ? node.text : labels_.data() + node.label,
            node.label_size};
  }
  bool LabelMatches(const Node& node, std::string_view rest) const;

  std::vector<Node> nodes_;  // the root first
  std::vector<Slot> slots_;  // static children of nodes that have several
  std::string labels_;
  size_t slot_mask_ = 0;
};

/// Collects resources and makes the tree.
class RouteTree::Builder {
 public:
  Builder();
  ~Builder();
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  /// Adds method `method` (one bit) of the resource `path`, known to the caller by `number`. Fails
  /// with AlreadyExists if a resource of this shape has the method already (`/{a}` and `/{b}` have
  /// the same shape), with InvalidArgument beyond the limits above.
  absl::Status Add(const PathTemplate& path, MethodMask method, uint32_t number);

  /// The tree. It numbers its routes itself, from 0, those of neighbouring resources together, so
  /// that a match is an index into whatever the caller keeps in the same order: `numbers[route]` is
  /// the number given to Add().
  RouteTree Build(std::vector<uint32_t>* numbers);

 private:
  struct Draft;
  bool IsLeaf(uint32_t draft) const;
  MethodMask AddRoutes(uint32_t draft);
  void Flatten(uint32_t draft, uint32_t node, RouteTree* tree);

  std::vector<Draft> drafts_;
  std::vector<uint32_t> numbers_;
};

}  // namespace postern
