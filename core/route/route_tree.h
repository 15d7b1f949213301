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
    uint32_t route;         ///< the number given to Builder::Add
    uint32_t value_count;   ///< variables of its template
    uint32_t nodes_entered; ///< how much work it was
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

  struct Node {
    uint32_t label;        // offset of the static text that leads here, "a/b" for a chain
    uint16_t label_size;
    uint16_t first_size;   // of the label's first segment
    uint32_t parent;       // guards hash lookups
    uint32_t first_route;  // in routes_, one for each bit of `methods`, in the order of bits
    uint32_t variable;     // child `{x}`, or kNone
    uint32_t greedy;       // child `{x+}`, or kNone
    uint32_t only_static;  // the only static child, kNone, or kHashed
    MethodMask methods;    // of the resource that ends here
    MethodMask subtree;    // of this and everything below
  };
  static constexpr uint32_t kHashed = UINT32_MAX - 1;

  struct Slot {
    uint32_t tag;
    uint32_t node = kNone;
  };

  struct Search;
  bool Descend(uint32_t node, std::string_view rest, Search* search) const;
  uint32_t StaticChild(uint32_t node, std::string_view rest) const;
  bool LabelMatches(const Node& node, std::string_view rest) const;
  uint32_t RouteAt(const Node& node, MethodMask method) const;

  std::vector<Node> nodes_;  // the root first
  std::vector<Slot> slots_;  // static children of nodes that have several
  std::vector<uint32_t> routes_;
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

  /// Adds method `method` (one bit) of the resource `path` as route number `route`. Fails with
  /// AlreadyExists if a resource of this shape has the method already (`/{a}` and `/{b}` have the
  /// same shape), with InvalidArgument beyond the limits above.
  absl::Status Add(const PathTemplate& path, MethodMask method, uint32_t route);

  RouteTree Build();

 private:
  struct Draft;
  void Flatten(uint32_t draft, uint32_t node, RouteTree* tree) const;

  std::vector<Draft> drafts_;
};

}  // namespace postern
