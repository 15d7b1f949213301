#include "lib/text/document_tree.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "lib/text/ascii.h"
#include "lib/text/concat.h"

namespace postern::document_internal {
namespace {

constexpr size_t kBlock = 256;  // bytes between two counts of LineIndex

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

// Keys and scalars in messages, so that a message stays one readable line.
std::string Excerpt(std::string_view text) {
  constexpr size_t kMost = 60;
  std::string out(text.substr(0, kMost));
  for (char& c : out) {
    if (static_cast<uint8_t>(c) < 0x20) c = ' ';
  }
  if (text.size() > kMost) {
    while (!out.empty() && IsContinuation(text[out.size()])) out.pop_back();
    out += "...";
  }
  return out;
}

}  // namespace

char* TextStore::Allocate(size_t size) {
  if (size > left_) {
    const size_t chunk = std::max(size, kChunkSize);
    char* memory = chunks_.emplace_back(std::make_unique_for_overwrite<char[]>(chunk)).get();
    // What fills a chunk alone does not end the one that is in use.
    if (size >= kChunkSize) return memory;
    at_ = memory;
    left_ = chunk;
  }
  char* memory = at_;
  at_ += size;
  left_ -= size;
  return memory;
}

std::string_view TextStore::Copy(std::string_view text) {
  if (text.empty()) return {};
  char* memory = Allocate(text.size());
  std::memcpy(memory, text.data(), text.size());
  return {memory, text.size()};
}

LineIndex::LineIndex(std::string_view text) {
  line_starts_.push_back(0);
  for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    line_starts_.push_back(static_cast<uint32_t>(at + 1));
  }
  const auto is_ascii = [](char c) { return static_cast<uint8_t>(c) < 0x80; };
  if (std::all_of(text.begin(), text.end(), is_ascii)) return;
  continuations_.reserve(text.size() / kBlock + 1);
  uint32_t count = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i % kBlock == 0) continuations_.push_back(count);
    count += IsContinuation(text[i]);
  }
  if (text.size() % kBlock == 0) continuations_.push_back(count);
}

size_t LineIndex::CodePointsBefore(std::string_view text, size_t offset) const {
  if (continuations_.empty()) return offset;
  const size_t block = offset / kBlock;
  size_t continuations = continuations_[block];
  for (size_t i = block * kBlock; i < offset; ++i) continuations += IsContinuation(text[i]);
  return offset - continuations;
}

Mark LineIndex::At(std::string_view text, size_t offset) const {
  const auto after = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  const size_t start = *(after - 1);
  Mark mark;
  mark.line = static_cast<uint32_t>(after - line_starts_.begin());
  mark.column =
      static_cast<uint32_t>(CodePointsBefore(text, offset) - CodePointsBefore(text, start) + 1);
  return mark;
}

std::string Tree::LocationAt(size_t offset) const {
  const Mark mark = MarkAt(offset);
  return Concat(file_name, ":", mark.line, ":", mark.column);
}

absl::Status Tree::ErrorAt(size_t offset, std::string_view what) const {
  return absl::InvalidArgumentError(Concat(LocationAt(offset), ": ", what));
}

absl::Status Tree::LimitAt(size_t offset, std::string_view what) const {
  return absl::ResourceExhaustedError(Concat(LocationAt(offset), ": ", what));
}

bool TreeBuilder::Fail(absl::Status status) {
  status_ = std::move(status);
  return false;
}

bool TreeBuilder::CheckRoom(size_t more, size_t offset) {
  if (tree_.nodes.size() + anchored_nodes_ + more <= limits_.max_nodes) return true;
  return Fail(tree_.LimitAt(
      offset,
      Concat("the document has more than ", limits_.max_nodes,
             " values, those repeated by aliases included; split it or use fewer aliases")));
}

// Checks that a value of `height` levels may stand here.
bool TreeBuilder::Enter(size_t offset, uint32_t height) {
  if (open_.size() + height > limits_.max_depth) {
    return Fail(tree_.LimitAt(offset, Concat("nested deeper than ", limits_.max_depth, " levels")));
  }
  if (!open_.empty()) open_.back().height = std::max(open_.back().height, height);
  return true;
}

// Makes nodes[node] the next child of the container that is open.
void TreeBuilder::Attach(uint32_t node) {
  TreeNode& child = tree_.nodes[node];
  if (open_.empty()) return;
  Open& open = open_.back();
  TreeNode& parent = tree_.nodes[open.node];
  ++parent.count;
  child.to_parent = node - open.node;
  child.key = nullptr;
  child.key_size = 0;
  child.key_offset = child.offset;
  child.merge = false;
  if (!open.has_key) return;
  child.key = open.key.data();
  child.key_size = static_cast<uint32_t>(open.key.size());
  child.key_offset = open.key_offset;
  child.merge = open.key_is_merge;
  open.has_merge = open.has_merge || open.key_is_merge;
  open.has_key = false;
}

bool TreeBuilder::Add(TreeNode node) {
  if (!CheckRoom(1, node.offset)) return false;
  node.key_offset = node.offset;
  tree_.nodes.push_back(node);
  Attach(static_cast<uint32_t>(tree_.nodes.size() - 1));
  return true;
}

bool TreeBuilder::TagIndex(std::string_view tag, size_t offset, uint16_t* index) {
  *index = 0;
  if (tag.empty()) return true;
  const auto found = std::find(tree_.tags.begin(), tree_.tags.end(), tag);
  *index = static_cast<uint16_t>(found - tree_.tags.begin() + 1);
  if (found != tree_.tags.end()) return true;
  constexpr size_t kMaxTags = 256;
  if (tree_.tags.size() == kMaxTags) {
    return Fail(tree_.LimitAt(offset, "more than 256 different tags"));
  }
  tree_.tags.emplace_back(tag);
  return true;
}

bool TreeBuilder::Scalar(NodeKind kind, std::string_view text, size_t offset, std::string_view tag,
                         size_t anchor) {
  TreeNode node;
  node.kind = kind;
  node.text = text.data();
  node.text_size = static_cast<uint32_t>(text.size());
  node.offset = static_cast<uint32_t>(offset);
  if (!TagIndex(tag, offset, &node.tag) || !Add(node)) return false;
  return anchor == 0 || Store(anchor, static_cast<uint32_t>(tree_.nodes.size() - 1), 0);
}

bool TreeBuilder::Begin(NodeKind kind, size_t offset, std::string_view tag, size_t anchor) {
  TreeNode node;
  node.kind = kind;
  node.offset = static_cast<uint32_t>(offset);
  if (!Enter(offset, 1) || !TagIndex(tag, offset, &node.tag) || !Add(node)) return false;
  Open& open = open_.emplace_back();
  open.node = static_cast<uint32_t>(tree_.nodes.size() - 1);
  open.anchor = anchor;
  return true;
}

bool TreeBuilder::End() {
  Open& open = open_.back();
  if (open.has_merge) {
    if (!Merge(open.node)) return false;
    open.height = HeightOfChildren(open.node);
  }
  TreeNode& node = tree_.nodes[open.node];
  node.span = static_cast<uint32_t>(tree_.nodes.size() - open.node);
  if (node.kind == NodeKind::kObject && !FinishObject(open.node)) return false;
  const uint32_t height = open.height + 1;
  const size_t anchor = open.anchor;
  const uint32_t index = open.node;
  open_.pop_back();
  if (!open_.empty()) open_.back().height = std::max(open_.back().height, height);
  return anchor == 0 || Store(anchor, index, height);
}

bool TreeBuilder::Key(std::string_view key, size_t offset, bool merge) {
  Open& open = open_.back();
  open.key = key;
  open.key_offset = static_cast<uint32_t>(offset);
  open.key_is_merge = merge;
  open.has_key = true;
  return true;
}

bool TreeBuilder::Store(size_t anchor, uint32_t node, uint32_t height) {
  const TreeNode& first = tree_.nodes[node];
  if (!CheckRoom(first.span, first.offset)) return false;
  anchored_nodes_ += first.span;
  if (anchors_.size() <= anchor) anchors_.resize(anchor + 1);
  Anchor& stored = anchors_[anchor];
  const auto begin = tree_.nodes.begin() + node;
  stored.nodes.assign(begin, begin + first.span);
  stored.height = height;
  stored.complete = true;
  for (const TreeNode& copy : stored.nodes) {
    stored.text_bytes += copy.text_view().size() + copy.key_size;
  }
  return true;
}

const TreeBuilder::Anchor* TreeBuilder::FindAnchor(size_t anchor, size_t offset) {
  if (anchor < anchors_.size() && anchors_[anchor].complete) return &anchors_[anchor];
  Fail(tree_.ErrorAt(offset, "this alias stands inside the value it refers to; remove it"));
  return nullptr;
}

bool TreeBuilder::CountExpanded(size_t bytes, size_t offset) {
  expanded_bytes_ += bytes;
  if (expanded_bytes_ <= limits_.max_expanded_bytes) return true;
  return Fail(tree_.LimitAt(offset, Concat("aliases repeat more than ", limits_.max_expanded_bytes,
                                           " bytes of text; use fewer aliases")));
}

bool TreeBuilder::Alias(size_t anchor, size_t offset) {
  const Anchor* stored = FindAnchor(anchor, offset);
  if (stored == nullptr || !CheckRoom(stored->nodes.size(), offset) ||
      !Enter(offset, stored->height)) {
    return false;
  }
  if (!CountExpanded(stored->text_bytes, offset)) return false;
  const auto copy = static_cast<uint32_t>(tree_.nodes.size());
  tree_.nodes.insert(tree_.nodes.end(), stored->nodes.begin(), stored->nodes.end());
  tree_.nodes[copy].to_parent = 0;
  Attach(copy);
  return true;
}

bool TreeBuilder::AnchorKey(NodeKind kind, std::string_view text, size_t offset, size_t anchor) {
  if (!CheckRoom(1, offset)) return false;
  ++anchored_nodes_;
  if (anchors_.size() <= anchor) anchors_.resize(anchor + 1);
  TreeNode node;
  node.kind = kind;
  node.text = text.data();
  node.text_size = static_cast<uint32_t>(text.size());
  node.offset = static_cast<uint32_t>(offset);
  anchors_[anchor].nodes.assign(1, node);
  anchors_[anchor].text_bytes = text.size();
  anchors_[anchor].complete = true;
  return true;
}

bool TreeBuilder::KeyOfAlias(size_t anchor, size_t offset, std::string_view* text) {
  const Anchor* stored = FindAnchor(anchor, offset);
  if (stored == nullptr) return false;
  const TreeNode& node = stored->nodes.front();
  if (node.kind == NodeKind::kArray || node.kind == NodeKind::kObject) {
    return Fail(tree_.ErrorAt(offset, "a key must be a plain text, not an object or an array"));
  }
  *text = node.text_view();
  return CountExpanded(text->size(), offset);
}

bool TreeBuilder::FinishObject(uint32_t object) {
  TreeNode& node = tree_.nodes[object];
  const auto member = [this, object](uint32_t distance) -> const TreeNode& {
    return tree_.nodes[object + distance];
  };
  const auto duplicate = [&](uint32_t first, uint32_t second) {
    return Fail(tree_.ErrorAt(
        member(second).key_offset,
        Concat("the key '", Excerpt(member(second).key_view()), "' was used before in line ",
               tree_.MarkAt(member(first).key_offset).line,
               " in the same object; rename or remove one of them")));
  };

  if (node.count <= TreeNode::kMaxScan) {
    for (uint32_t b = 1; b < node.span; b += member(b).span) {
      for (uint32_t a = 1; a < b; a += member(a).span) {
        if (member(a).key_view() == member(b).key_view()) return duplicate(a, b);
      }
    }
    return true;
  }
  std::vector<uint32_t>& sorted = tree_.sorted_members;
  const size_t begin = sorted.size();
  for (uint32_t at = 1; at < node.span; at += member(at).span) sorted.push_back(at);
  std::sort(sorted.begin() + static_cast<ptrdiff_t>(begin), sorted.end(),
            [&member](uint32_t a, uint32_t b) {
              const int order = member(a).key_view().compare(member(b).key_view());
              return order != 0 ? order < 0 : a < b;
            });
  for (size_t i = begin + 1; i < sorted.size(); ++i) {
    if (member(sorted[i - 1]).key_view() == member(sorted[i]).key_view()) {
      return duplicate(sorted[i - 1], sorted[i]);
    }
  }
  node.set_index(static_cast<uint32_t>(begin));
  return true;
}

// The objects that the value of a merge key names: itself, or each of an array.
bool TreeBuilder::MergeSources(uint32_t value, std::vector<uint32_t>* sources) {
  const TreeNode& node = tree_.nodes[value];
  if (node.kind == NodeKind::kObject) {
    sources->push_back(value);
    return true;
  }
  bool good = node.kind == NodeKind::kArray;
  for (uint32_t at = 1; good && at < node.span; at += tree_.nodes[value + at].span) {
    good = tree_.nodes[value + at].kind == NodeKind::kObject;
    sources->push_back(value + at);
  }
  if (good) return true;
  return Fail(tree_.ErrorAt(
      node.key_offset,
      "the merge key '<<' takes an object or an array of objects, usually an alias; quote it if it "
      "is meant as a name"));
}

// Replaces the merge keys of an object, whose children are the last nodes, by what they merge.
bool TreeBuilder::Merge(uint32_t object) {
  std::vector<TreeNode>& nodes = tree_.nodes;
  std::unordered_set<std::string_view> keys;
  for (size_t at = object + 1; at < nodes.size(); at += nodes[at].span) {
    if (!nodes[at].merge) keys.insert(nodes[at].key_view());
  }
  std::vector<uint32_t> members;
  for (uint32_t at = object + 1; at < nodes.size(); at += nodes[at].span) {
    if (!nodes[at].merge) {
      members.push_back(at);
      continue;
    }
    std::vector<uint32_t> sources;
    if (!MergeSources(at, &sources)) return false;
    for (uint32_t source : sources) {
      for (uint32_t i = 1; i < nodes[source].span; i += nodes[source + i].span) {
        if (keys.insert(nodes[source + i].key_view()).second) members.push_back(source + i);
      }
    }
  }
  const std::vector<TreeNode> old(nodes.begin() + object, nodes.end());
  nodes.resize(object + 1);
  for (uint32_t member : members) {
    const auto begin = old.begin() + (member - object);
    const auto copy = static_cast<uint32_t>(nodes.size());
    nodes.insert(nodes.end(), begin, begin + begin->span);
    nodes[copy].to_parent = copy - object;
  }
  nodes[object].count = static_cast<uint32_t>(members.size());
  return true;
}

// Levels of arrays and objects below a container, whose descendants are the last nodes.
uint32_t TreeBuilder::HeightOfChildren(uint32_t container) const {
  const std::vector<TreeNode>& nodes = tree_.nodes;
  std::vector<uint32_t> depths(nodes.size() - container, 0);
  uint32_t height = 0;
  for (size_t i = 1; i < depths.size(); ++i) {
    const TreeNode& node = nodes[container + i];
    depths[i] = depths[i - node.to_parent] + 1;
    const bool nests = node.kind == NodeKind::kArray || node.kind == NodeKind::kObject;
    if (nests) height = std::max(height, depths[i]);
  }
  return height;
}

bool IsJsonNumber(std::string_view text) {
  const auto digits = [&text] {
    size_t count = 0;
    while (count < text.size() && IsDigit(text[count])) ++count;
    text.remove_prefix(count);
    return count;
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  const bool zero = text.starts_with('0');
  const size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return text.empty();
}

}  // namespace postern::document_internal
