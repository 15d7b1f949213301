#include "core/route/route_tree.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "core/route/text_hash.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

uint32_t Count(MethodMask methods) {
  return static_cast<uint32_t>(std::popcount(static_cast<unsigned>(methods)));
}

/// The route of a method among those of `methods`, which has the method or ANY. They begin at
/// `first`.
uint32_t RouteAt(uint32_t first, MethodMask methods, MethodMask method) {
  const MethodMask bit = (methods & method) != 0 ? method : kAnyMethodBit;
  return first + Count(methods & static_cast<MethodMask>(bit - 1));
}

/// The first segment of `rest`, which does not start with a slash.
std::string_view FirstSegment(std::string_view rest) { return rest.substr(0, rest.find('/')); }

}  // namespace

MethodMask MethodBit(Method method) {
  switch (method) {
    case Method::kGet:
      return 0x01;
    case Method::kPost:
      return 0x02;
    case Method::kPut:
      return 0x04;
    case Method::kDelete:
      return 0x08;
    case Method::kPatch:
      return 0x10;
    case Method::kHead:
      return 0x20;
    case Method::kOptions:
      return 0x40;
    default:
      return 0;
  }
}

MethodMask ParseMethodBit(std::string_view text) {
  return text == "ANY" ? kAnyMethodBit : MethodBit(ParseMethod(text));
}

std::string_view MethodBitName(MethodMask bit) {
  switch (bit) {
    case 0x01:
      return "GET";
    case 0x02:
      return "POST";
    case 0x04:
      return "PUT";
    case 0x08:
      return "DELETE";
    case 0x10:
      return "PATCH";
    case 0x20:
      return "HEAD";
    case 0x40:
      return "OPTIONS";
    case kAnyMethodBit:
      return "ANY";
    default:
      return {};
  }
}

// What is left of the path is everything behind the slash that ends the node's own label; null data
// means that nothing is left, which differs from an empty segment.
struct RouteTree::Search {
  MethodMask wanted;  // the method's bit and ANY's
  MethodMask method;
  Match* match;
};

bool RouteTree::LabelMatches(const Node& node, std::string_view rest) const {
  const size_t size = node.label_size;
  return rest.size() >= size && (rest.size() == size || rest[size] == '/') &&
         std::memcmp(rest.data(), Label(node).data(), size) == 0;
}

uint32_t RouteTree::StaticChild(uint32_t parent, std::string_view rest) const {
  const uint32_t only = nodes_[parent].only_static;
  if (only == kNone) return kNone;
  if (only != kHashed) return LabelMatches(nodes_[only], rest) ? only : kNone;
  const std::string_view segment = FirstSegment(rest);
  const uint64_t hash = HashText(segment, parent);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & slot_mask_; slots_[at].node != kNone; at = (at + 1) & slot_mask_) {
    if (slots_[at].tag != tag) continue;
    const Node& node = nodes_[slots_[at].node];
    if (node.parent != parent || node.first_size != segment.size()) continue;
    // No two children of one node share their first segment.
    if (LabelMatches(node, rest)) return slots_[at].node;
  }
  return kNone;
}

// rest-api.md §3.1: static before {x} before {x+}, from the left. The first candidate that this
// order meets is the one of the highest rank.
bool RouteTree::Descend(uint32_t index, std::string_view rest, Search* search) const {
  const Node& node = nodes_[index];
  Match& match = *search->match;
  ++match.nodes_entered;
  if (rest.data() == nullptr) {
    if ((node.methods & search->wanted) == 0) return false;
    match.route = RouteAt(node.first_route, node.methods, search->method);
    return true;
  }
  const uint32_t child = StaticChild(index, rest);
  if (child != kNone && (nodes_[child].subtree & search->wanted) != 0) {
    const size_t size = nodes_[child].label_size;
    const std::string_view below = rest.size() == size ? std::string_view{} : rest.substr(size + 1);
    if (Descend(child, below, search)) return true;
  }
  if (node.variable == kLeaf) {
    // One segment, not empty, and nothing behind it.
    if ((node.leaf & search->wanted) != 0 && !rest.empty() && rest.find('/') == rest.npos) {
      match.values[match.value_count++] = {rest.data(), rest.size()};
      match.route = RouteAt(node.first_route + Count(node.methods), node.leaf, search->method);
      return true;
    }
  } else if (node.variable != kNone && (nodes_[node.variable].subtree & search->wanted) != 0) {
    const std::string_view segment = FirstSegment(rest);
    if (!segment.empty()) {
      const uint32_t count = match.value_count;
      match.values[match.value_count++] = {segment.data(), segment.size()};
      const std::string_view below =
          rest.size() == segment.size() ? std::string_view{} : rest.substr(segment.size() + 1);
      if (Descend(node.variable, below, search)) return true;
      match.value_count = count;
    }
  }
  if ((node.greedy & search->wanted) != 0) {
    match.values[match.value_count++] = {rest.data(), rest.size()};
    match.route = RouteAt(node.first_route + Count(node.methods) + Count(node.leaf), node.greedy,
                          search->method);
    return true;
  }
  return false;
}

bool RouteTree::Find(std::string_view path, MethodMask method, Match* match) const {
  match->nodes_entered = 0;
  match->value_count = 0;
  if (nodes_.empty() || method == 0) return false;
  // Slashes at the end influence nothing (rest-api.md §2.3, rule 2).
  while (path.ends_with('/')) path.remove_suffix(1);
  if (!path.empty()) path.remove_prefix(1);
  Search search{static_cast<MethodMask>(method | kAnyMethodBit), method, match};
  return Descend(0, path.empty() ? std::string_view{} : path, &search);
}

size_t RouteTree::memory() const {
  return nodes_.capacity() * sizeof(Node) + slots_.capacity() * sizeof(Slot) + labels_.capacity();
}

// A node before compression: one segment each.
struct RouteTree::Builder::Draft {
  std::map<std::string, uint32_t, std::less<>> statics;
  uint32_t variable = kNone;
  uint32_t greedy = kNone;
  MethodMask methods = 0;
  std::array<uint32_t, 8> routes{};  // by bit
};

RouteTree::Builder::Builder() : drafts_(1) {}
RouteTree::Builder::~Builder() = default;

absl::Status RouteTree::Builder::Add(const PathTemplate& path, MethodMask method, uint32_t number) {
  size_t variables = 0;
  for (const PathPart& part : path.parts()) {
    variables += part.kind != PathPart::Kind::kStatic;
    if (part.text.size() > UINT16_MAX) {
      return absl::InvalidArgumentError("a segment of the path is longer than 65535 bytes");
    }
  }
  if (variables > kMaxVariables) {
    return absl::InvalidArgumentError(
        Concat("the path has more than ", kMaxVariables, " variables"));
  }
  if (path.parts().size() > kMaxSegments) {
    return absl::InvalidArgumentError(Concat("the path has more than ", kMaxSegments, " segments"));
  }
  uint32_t at = 0;
  const auto fresh = [this] {
    drafts_.emplace_back();
    return static_cast<uint32_t>(drafts_.size() - 1);
  };
  for (const PathPart& part : path.parts()) {
    uint32_t next = kNone;
    switch (part.kind) {
      case PathPart::Kind::kStatic: {
        const auto found = drafts_[at].statics.find(part.text);
        next = found != drafts_[at].statics.end() ? found->second : fresh();
        drafts_[at].statics.emplace(part.text, next);
        break;
      }
      case PathPart::Kind::kVariable:
        next = drafts_[at].variable != kNone ? drafts_[at].variable : fresh();
        drafts_[at].variable = next;
        break;
      case PathPart::Kind::kGreedy:
        next = drafts_[at].greedy != kNone ? drafts_[at].greedy : fresh();
        drafts_[at].greedy = next;
        break;
    }
    at = next;
  }
  Draft& draft = drafts_[at];
  if ((draft.methods & method) != 0) {
    return absl::AlreadyExistsError("another resource of the same shape has this method");
  }
  draft.methods |= method;
  draft.routes[static_cast<size_t>(std::countr_zero(method))] = number;
  return absl::OkStatus();
}

bool RouteTree::Builder::IsLeaf(uint32_t draft) const {
  return drafts_[draft].statics.empty() && drafts_[draft].variable == kNone &&
         drafts_[draft].greedy == kNone;
}

MethodMask RouteTree::Builder::AddRoutes(uint32_t index) {
  const Draft& draft = drafts_[index];
  for (size_t bit = 0; bit < draft.routes.size(); ++bit) {
    if ((draft.methods >> bit & 1) != 0) numbers_.push_back(draft.routes[bit]);
  }
  return draft.methods;
}

void RouteTree::Builder::Flatten(uint32_t index, uint32_t to, RouteTree* tree) {
  const Draft& draft = drafts_[index];
  const auto fresh = [tree, to] {
    const auto at = static_cast<uint32_t>(tree->nodes_.size());
    tree->nodes_.emplace_back().parent = to;
    return at;
  };
  tree->nodes_[to].first_route = static_cast<uint32_t>(numbers_.size());
  MethodMask subtree = tree->nodes_[to].methods = AddRoutes(index);
  const bool leaf = draft.variable != kNone && IsLeaf(draft.variable);
  if (leaf) {
    tree->nodes_[to].variable = kLeaf;
    subtree |= tree->nodes_[to].leaf = AddRoutes(draft.variable);
  }
  if (draft.greedy != kNone) subtree |= tree->nodes_[to].greedy = AddRoutes(draft.greedy);
  for (const auto& [segment, first] : draft.statics) {
    std::string label = segment;
    uint32_t child = first;
    // A chain of static segments without resources in between is one node.
    while (drafts_[child].methods == 0 && drafts_[child].statics.size() == 1 &&
           drafts_[child].variable == kNone && drafts_[child].greedy == kNone) {
      const auto& [next_segment, next] = *drafts_[child].statics.begin();
      if (label.size() + 1 + next_segment.size() > UINT16_MAX) break;
      label += '/';
      label += next_segment;
      child = next;
    }
    const uint32_t at = fresh();
    Node& node = tree->nodes_[at];
    node.label_size = static_cast<uint16_t>(label.size());
    node.first_size = static_cast<uint16_t>(segment.size());
    if (label.size() <= kInlineLabel) {
      std::memcpy(node.text, label.data(), label.size());
    } else {
      node.label = static_cast<uint32_t>(tree->labels_.size());
      tree->labels_ += label;
    }
    tree->nodes_[to].only_static = draft.statics.size() == 1 ? at : kHashed;
    Flatten(child, at, tree);
    subtree |= tree->nodes_[at].subtree;
  }
  if (draft.variable != kNone && !leaf) {
    const uint32_t at = fresh();
    tree->nodes_[to].variable = at;
    Flatten(draft.variable, at, tree);
    subtree |= tree->nodes_[at].subtree;
  }
  tree->nodes_[to].subtree = subtree;
}

RouteTree RouteTree::Builder::Build(std::vector<uint32_t>* numbers) {
  numbers_.clear();
  RouteTree tree;
  tree.nodes_.emplace_back();
  Flatten(0, 0, &tree);
  *numbers = numbers_;
  tree.nodes_.shrink_to_fit();
  tree.labels_.shrink_to_fit();
  size_t hashed = 0;
  for (const Node& node : tree.nodes_) {
    hashed += node.parent != kNone && tree.nodes_[node.parent].only_static == kHashed &&
              node.label_size != 0;
  }
  if (hashed == 0) return tree;
  tree.slots_.resize(std::bit_ceil(hashed + hashed / 2));
  tree.slot_mask_ = tree.slots_.size() - 1;
  for (uint32_t i = 1; i < tree.nodes_.size(); ++i) {
    const Node& node = tree.nodes_[i];
    if (node.label_size == 0 || tree.nodes_[node.parent].only_static != kHashed) continue;
    const uint64_t hash = HashText(tree.Label(node).substr(0, node.first_size), node.parent);
    size_t at = hash & tree.slot_mask_;
    while (tree.slots_[at].node != kNone) at = (at + 1) & tree.slot_mask_;
    tree.slots_[at] = {static_cast<uint32_t>(hash >> 32), i};
  }
  return tree;
}

}  // namespace postern
