#include "lib/text/ip_address.h"

#include <algorithm>
#include <cstddef>

#include "lib/text/ascii.h"

namespace postern {

std::optional<Ipv4Bytes> ParseIpv4(std::string_view text) {
  Ipv4Bytes bytes;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) {
      if (text.empty() || text.front() != '.') return std::nullopt;
      text.remove_prefix(1);
    }
    size_t digits = 0;
    int value = 0;
    while (digits < text.size() && digits < 3 && IsDigit(text[digits])) {
      value = value * 10 + (text[digits++] - '0');
    }
    if (digits == 0 || value > 255 || (digits > 1 && text.front() == '0')) return std::nullopt;
    bytes[i] = static_cast<uint8_t>(value);
    text.remove_prefix(digits);
  }
  if (!text.empty()) return std::nullopt;
  return bytes;
}

std::optional<Ipv6Bytes> ParseIpv6(std::string_view text) {
  Ipv6Bytes bytes{};
  size_t size = 0;                // bytes filled from the front
  std::optional<size_t> squeeze;  // where `::` stands
  if (text.starts_with("::")) {
    squeeze = 0;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    if (size == bytes.size()) return std::nullopt;
    size_t digits = 0;
    int value = 0;
    while (digits < text.size() && digits < 4 && HexValue(text[digits]) >= 0) {
      value = value << 4 | HexValue(text[digits++]);
    }
    if (digits < text.size() && text[digits] == '.') {
      const std::optional<Ipv4Bytes> tail = ParseIpv4(text);
      if (!tail.has_value() || size + tail->size() > bytes.size()) return std::nullopt;
      std::copy(tail->begin(), tail->end(), bytes.begin() + static_cast<ptrdiff_t>(size));
      size += tail->size();
      break;
    }
    if (digits == 0) return std::nullopt;
    bytes[size++] = static_cast<uint8_t>(value >> 8);
    bytes[size++] = static_cast<uint8_t>(value);
    text.remove_prefix(digits);
    if (text.empty()) break;
    if (text.front() != ':' || text.size() == 1) return std::nullopt;
    text.remove_prefix(1);
    if (text.front() == ':') {
      if (squeeze.has_value()) return std::nullopt;
      squeeze = size;
      text.remove_prefix(1);
    }
  }
  if (!squeeze.has_value()) {
    if (size != bytes.size()) return std::nullopt;
    return bytes;
  }
  if (size > bytes.size() - 2) return std::nullopt;
  const auto from = bytes.begin() + static_cast<ptrdiff_t>(*squeeze);
  std::rotate(from, bytes.begin() + static_cast<ptrdiff_t>(size), bytes.end());
  return bytes;
}

}  // namespace postern
