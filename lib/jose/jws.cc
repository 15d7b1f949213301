#include "lib/jose/jws.h"

#include <cstddef>

#include "lib/text/base64.h"
#include "lib/text/json_unique.h"

namespace postern::jose {
namespace {

bool Decode(std::string_view part, std::string* out) {
  out->resize(Base64DecodedBound(part.size()));
  const std::optional<size_t> size =
      Base64DecodeTo(part, Base64Alphabet::kUrl, Base64Mode::kStrict, out->data());
  out->resize(size.value_or(0));
  return size.has_value();
}

}  // namespace

Failure JwsReader::Parse(std::string_view token) {
  key_id_.reset();
  signing_input_ = {};
  if (token.size() > kMaxTokenBytes) return Failure::kTooLarge;
  const size_t first = token.find('.');
  const size_t second = first == token.npos ? token.npos : token.find('.', first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos) {
    return Failure::kSegments;
  }
  if (!Decode(token.substr(0, first), &header_) ||
      !Decode(token.substr(first + 1, second - first - 1), &payload_) ||
      !Decode(token.substr(second + 1), &signature_)) {
    return Failure::kEncoding;
  }
  signing_input_ = token.substr(0, second);
  const Failure failure = ReadHeader();
  if (failure != Failure::kNone) return failure;
  return signature_.empty() ? Failure::kSignature : Failure::kNone;
}

Failure JwsReader::ReadHeader() {
  if (!json_.ParseInSitu(header_.data(), header_.size(), {.max_depth = kMaxDepth}).ok()) {
    return Failure::kHeader;
  }
  const JsonValue header = json_.root();
  if (!header.is_object() || !HasUniqueNames(header)) return Failure::kHeader;
  const std::optional<std::string_view> name = header.Find("alg").AsString();
  const std::optional<Algorithm> algorithm = ParseAlgorithm(name.value_or(""));
  if (!algorithm) return Failure::kAlgorithm;
  algorithm_ = *algorithm;
  if (header.Find("crit") || header.Find("b64") || header.Find("zip")) return Failure::kHeader;
  if (const JsonValue type = header.Find("typ"); type && !type.AsString()) return Failure::kHeader;
  if (const JsonValue id = header.Find("kid")) {
    if (!id.AsString() || id.AsString()->size() > Key::kMaxIdBytes) return Failure::kHeader;
    key_id_.emplace(*id.AsString());
  }
  return Failure::kNone;
}

Failure JwsReader::Verify(Key& key, AlgorithmSet accepted) const {
  if (!accepted.Has(algorithm_)) return Failure::kAlgorithm;
  if (!key.Fits(algorithm_)) return Failure::kKeyMismatch;
  return key.Verify(algorithm_, signing_input_, signature_) ? Failure::kNone : Failure::kSignature;
}

}  // namespace postern::jose
