#include "lib/text/glob.h"

#include <cstddef>
#include <cstring>

namespace postern {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

bool HasWildcard(std::string_view piece) { return piece.find('?') != std::string_view::npos; }

// Bytes of the character at the start of `text`, which must not be empty.
size_t CharacterSize(std::string_view text) {
  size_t size = 1;
  while (size < text.size() && IsContinuation(text[size])) ++size;
  return size;
}

size_t CountCharacters(std::string_view text) {
  size_t count = 0;
  for (char c : text) count += !IsContinuation(c);
  return count;
}

// `piece` is what stands between stars. If `text` starts with it, removes that and returns true.
bool ConsumePiece(std::string_view piece, std::string_view* text) {
  std::string_view rest = *text;
  for (char c : piece) {
    if (rest.empty()) return false;
    if (c == '?') {
      rest.remove_prefix(CharacterSize(rest));
    } else {
      if (rest.front() != c) return false;
      rest.remove_prefix(1);
    }
  }
  *text = rest;
  return true;
}

// Removes the shortest start of `text` that ends with `piece`; false if there is none.
bool ConsumeThrough(std::string_view piece, std::string_view* text) {
  if (piece.empty()) return true;
  if (!HasWildcard(piece)) {
    const void* at = ::memmem(text->data(), text->size(), piece.data(), piece.size());
    if (at == nullptr) return false;
    text->remove_prefix(static_cast<size_t>(static_cast<const char*>(at) - text->data()) +
                        piece.size());
    return true;
  }
  while (!ConsumePiece(piece, text)) {
    if (text->empty()) return false;
    text->remove_prefix(CharacterSize(*text));
  }
  return true;
}

bool EndsWithPiece(std::string_view piece, std::string_view text) {
  if (!HasWildcard(piece)) return text.ends_with(piece);
  size_t characters = CountCharacters(piece);
  size_t start = text.size();
  while (characters > 0 && start > 0) {
    if (!IsContinuation(text[--start])) --characters;
  }
  text.remove_prefix(start);
  return ConsumePiece(piece, &text) && text.empty();
}

}  // namespace

bool GlobMatch(std::string_view pattern, std::string_view text) {
  size_t star = pattern.find('*');
  if (!ConsumePiece(pattern.substr(0, star), &text)) return false;
  if (star == std::string_view::npos) return text.empty();
  while (true) {
    pattern.remove_prefix(star + 1);
    star = pattern.find('*');
    if (star == std::string_view::npos) return EndsWithPiece(pattern, text);
    // The leftmost place leaves most to the pieces that follow, so it is the only one to try.
    if (!ConsumeThrough(pattern.substr(0, star), &text)) return false;
  }
}

}  // namespace postern
