#include "filters/compress/accept_encoding.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace postern {
namespace {

// Weights in thousandths; -1: not named.
struct Weights {
  int of[4] = {-1, -1, -1, -1};

  int& operator[](Coding coding) { return of[static_cast<size_t>(coding)]; }
};

std::string_view Trim(std::string_view text) {
  const size_t from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

// Cuts the part before `separator` off.
std::string_view Next(std::string_view* text, char separator) {
  const size_t at = text->find(separator);
  const std::string_view part = text->substr(0, at);
  text->remove_prefix(at == std::string_view::npos ? text->size() : at + 1);
  return Trim(part);
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a | 0x20) : a) == b;
  });
}

std::optional<Coding> CodingOf(std::string_view name) {
  for (const Coding coding :
       {Coding::kIdentity, Coding::kGzip, Coding::kDeflate, Coding::kBrotli}) {
    if (EqualsIgnoringCase(name, NameOf(coding))) return coding;
  }
  if (EqualsIgnoringCase(name, "x-gzip")) return Coding::kGzip;  // RFC 9110, section 8.4.1.3.
  return std::nullopt;
}

// qvalue (RFC 9110, section 12.4.2) in thousandths: 0, 0.000 to 0.999, 1, 1.000.
std::optional<int> ParseWeight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  int weight = (text[0] - '0') * 1000;
  int place = 100;
  for (size_t i = 2; i < text.size(); ++i, place /= 10) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    weight += (text[i] - '0') * place;
  }
  if (weight > 1000) return std::nullopt;
  return weight;
}

// The weight of a member's parameters; nullopt where they are not valid.
std::optional<int> WeightOf(std::string_view parameters) {
  int weight = 1000;
  while (!parameters.empty()) {
    const std::string_view parameter = Next(&parameters, ';');
    if (parameter.size() < 2 || (parameter[0] != 'q' && parameter[0] != 'Q') ||
        parameter[1] != '=') {
      return std::nullopt;
    }
    const std::optional<int> given = ParseWeight(parameter.substr(2));
    if (!given) return std::nullopt;
    weight = *given;
  }
  return weight;
}

}  // namespace

std::string_view NameOf(Coding coding) {
  switch (coding) {
    case Coding::kGzip:
      return "gzip";
    case Coding::kDeflate:
      return "deflate";
    case Coding::kBrotli:
      return "br";
    case Coding::kIdentity:
      break;
  }
  return "identity";
}

Coding ChooseCoding(std::string_view accept_encoding, std::span<const Coding> offered) {
  Weights weights;
  while (!accept_encoding.empty()) {
    std::string_view member = Next(&accept_encoding, ',');
    const std::optional<Coding> coding = CodingOf(Next(&member, ';'));
    const std::optional<int> weight = WeightOf(member);
    if (coding && weight) weights[*coding] = *weight;
  }
  Coding best = Coding::kIdentity;
  int best_weight = 0;
  for (const Coding coding : offered) {
    if (weights[coding] > best_weight) {
      best = coding;
      best_weight = weights[coding];
    }
  }
  return weights[Coding::kIdentity] > best_weight ? Coding::kIdentity : best;
}

}  // namespace postern
