#include <cstddef>
#include <cstdint>
#include <string>

#include "lib/text/document.h"

namespace postern {
namespace {

void Visit(const Document& document, Node node, int* left) {
  if (--*left < 0) return;
  const Mark mark = node.mark();
  if (mark.line == 0 || mark.column == 0) __builtin_trap();
  (void)node.key_mark();
  (void)node.AsInt().ok();
  (void)node.AsDouble().ok();
  (void)node.AsBool().ok();
  (void)node.AsString().ok();
  if (document.Resolve(node.Pointer()) != node) __builtin_trap();
  size_t count = 0;
  for (Node child : node.children()) {
    if (child.parent() != node) __builtin_trap();
    if (node.is_object() && node.Find(child.key()) != child) __builtin_trap();
    Visit(document, child, left);
    ++count;
  }
  if (count != node.size()) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const DocumentLimits limits{
      .max_bytes = 1 << 16, .max_depth = 60, .max_nodes = 20000, .max_expanded_bytes = 1 << 18};
  const absl::StatusOr<Document> document = ParseDocument(input, "fuzz", limits);
  if (!document.ok()) {
    if (document.status().message().empty()) __builtin_trap();
    return 0;
  }
  int left = 300;
  Visit(*document, document->root(), &left);

  // What is written is JSON, and reads back as the same.
  const std::string json = ToJson(document->root());
  const absl::StatusOr<Document> again =
      ParseDocument("[" + json + "]", "again", {.max_bytes = 1 << 24, .max_depth = 61});
  if (!again.ok()) {
    const std::string message(again.status().message());
    // YAML has no bound for numbers.
    if (message.find("a number is too large") == std::string::npos) __builtin_trap();
    return 0;
  }
  if (ToJson(again->root()) != "[" + json + "]") __builtin_trap();
  (void)document->Resolve(input.substr(0, 40));
  return 0;
}

}  // namespace postern
