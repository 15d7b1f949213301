#include "lib/jose/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "lib/crypto/digest.h"
#include "lib/text/base64.h"
#include "lib/text/concat.h"
#include "lib/text/json_unique.h"

namespace postern::jose {
namespace {

constexpr size_t kMinRsaBits = 2048;
constexpr size_t kMaxRsaBits = 8192;
constexpr size_t kMaxDepth = 16;

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError({message.data(), message.size()});
}

struct BnDeleter {
  void operator()(BIGNUM* number) const { BN_free(number); }
};
using Number = std::unique_ptr<BIGNUM, BnDeleter>;

// What fails inside leaves nothing in the queue, where TLS of this thread would find it.
class ErrorMark {
 public:
  ErrorMark() { ERR_set_mark(); }
  ~ErrorMark() { ERR_pop_to_mark(); }
};

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Hashes by what the algorithm's name ends with; looked up once for the process.
const EVP_MD* HashOf(Algorithm algorithm) {
  static const EVP_MD* const k256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static const EVP_MD* const k384 = EVP_MD_fetch(nullptr, "SHA384", nullptr);
  static const EVP_MD* const k512 = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  switch (algorithm) {
    case Algorithm::kHs256:
    case Algorithm::kRs256:
    case Algorithm::kPs256:
    case Algorithm::kEs256:
      return k256;
    case Algorithm::kHs384:
    case Algorithm::kRs384:
    case Algorithm::kPs384:
    case Algorithm::kEs384:
      return k384;
    case Algorithm::kHs512:
    case Algorithm::kRs512:
    case Algorithm::kPs512:
    case Algorithm::kEs512:
      return k512;
    case Algorithm::kEdDsa:
      break;
  }
  return nullptr;
}

bool IsPss(Algorithm algorithm) {
  return algorithm == Algorithm::kPs256 || algorithm == Algorithm::kPs384 ||
         algorithm == Algorithm::kPs512;
}

// A context that the thread keeps.
EVP_MD_CTX* DigestContext() {
  struct Holder {
    ~Holder() { EVP_MD_CTX_free(get); }
    EVP_MD_CTX* const get = EVP_MD_CTX_new();
  };
  thread_local const Holder holder;
  return holder.get;
}

// ECDSA-Sig-Value (RFC 3279 §2.2.3) of r and s; `out` has room for 145 bytes. Returns its size.
size_t WriteDer(std::string_view signature, unsigned char* out) {
  unsigned char body[2 * 69];
  size_t size = 0;
  for (const std::string_view half :
       {signature.substr(0, signature.size() / 2), signature.substr(signature.size() / 2)}) {
    std::string_view number = half;
    while (number.size() > 1 && number.front() == '\0') number.remove_prefix(1);
    const bool pad = (static_cast<unsigned char>(number.front()) & 0x80) != 0;
    body[size++] = 0x02;
    body[size++] = static_cast<unsigned char>(number.size() + (pad ? 1 : 0));
    if (pad) body[size++] = 0;
    std::copy(number.begin(), number.end(), body + size);
    size += number.size();
  }
  size_t at = 0;
  out[at++] = 0x30;
  if (size >= 0x80) out[at++] = 0x81;
  out[at++] = static_cast<unsigned char>(size);
  std::copy(body, body + size, out + at);
  return at + size;
}

// Keys of the chips of CVE-2017-15361 are, modulo each small prime, powers of 65537; others are
// with a chance of about one in 2^27.
bool IsRoca(const BIGNUM* modulus) {
  constexpr int kPrimes[] = {3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,
                             47,  53,  59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103,
                             107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};
  for (const int prime : kPrimes) {
    const int rest = static_cast<int>(BN_mod_word(modulus, static_cast<BN_ULONG>(prime)));
    int power = 1;
    bool found = false;
    do {
      found = power == rest;
      power = power * (65537 % prime) % prime;
    } while (!found && power != 1);
    if (!found) return false;
  }
  return true;
}

EVP_PKEY* FromParams(const char* type, OSSL_PARAM* params) {
  EVP_PKEY* pkey = nullptr;
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr);
  if (context != nullptr && EVP_PKEY_fromdata_init(context) == 1 &&
      EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
    pkey = nullptr;
  }
  EVP_PKEY_CTX_free(context);
  return pkey;
}

// A required member in base64url.
absl::StatusOr<std::string> Decoded(JsonValue jwk, std::string_view name) {
  const std::optional<std::string_view> text = jwk.Find(name).AsString();
  std::optional<std::string> bytes;
  if (text) bytes = Base64Decode(*text, Base64Alphabet::kUrl);
  if (!bytes || bytes->empty()) return Invalid(Concat("\"", name, "\" must be base64url"));
  return *std::move(bytes);
}

}  // namespace

void Key::PkeyDeleter::operator()(void* pkey) const { EVP_PKEY_free(static_cast<EVP_PKEY*>(pkey)); }
void Key::ContextDeleter::operator()(void* context) const {
  EVP_PKEY_CTX_free(static_cast<EVP_PKEY_CTX*>(context));
}

Key::Key(Key&&) noexcept = default;
Key& Key::operator=(Key&&) noexcept = default;
Key::~Key() {
  if (!secret_.empty()) OPENSSL_cleanse(secret_.data(), secret_.size());
}

absl::StatusOr<Key> Key::FromJwk(JsonValue jwk) {
  if (!jwk.is_object() || RepeatedName(jwk)) {
    return Invalid("must be an object with each member once");
  }
  const ErrorMark mark;
  Key key;
  absl::Status status = key.ReadUse(jwk);
  const std::string_view type = jwk.Find("kty").AsString().value_or("");
  if (!status.ok()) return status;
  if (type == "RSA") {
    status = key.ReadRsa(jwk);
  } else if (type == "EC") {
    status = key.ReadEc(jwk);
  } else if (type == "OKP") {
    status = key.ReadOkp(jwk);
  } else if (type == "oct") {
    status = key.ReadOct(jwk);
  } else {
    status = Invalid("\"kty\" is unknown");
  }
  if (!status.ok()) return status;
  if (key.algorithm_ && !key.Fits(*key.algorithm_)) {
    return Invalid("\"alg\" does not fit the key");
  }
  return key;
}

absl::Status Key::ReadUse(JsonValue jwk) {
  if (const JsonValue id = jwk.Find("kid")) {
    const std::string_view text = id.AsString().value_or("");
    if (text.empty() || text.size() > kMaxIdBytes) {
      return Invalid("\"kid\" must be a string of 1 to 256 bytes");
    }
    id_ = std::string(text);
  }
  if (const JsonValue use = jwk.Find("use"); use && use.AsString() != "sig") {
    return Invalid("\"use\" is not \"sig\"");
  }
  if (const JsonValue operations = jwk.Find("key_ops")) {
    bool verify = false;
    for (size_t i = 0; i < operations.size(); ++i) {
      verify = verify || operations.At(i).AsString() == "verify";
    }
    if (!operations.is_array() || !verify) return Invalid("\"key_ops\" has no \"verify\"");
  }
  if (const JsonValue name = jwk.Find("alg")) {
    algorithm_ = ParseAlgorithm(name.AsString().value_or(""));
    if (!algorithm_) return Invalid("\"alg\" is not an algorithm for signatures");
  }
  return absl::OkStatus();
}

absl::Status Key::ReadRsa(JsonValue jwk) {
  const absl::StatusOr<std::string> n = Decoded(jwk, "n");
  if (!n.ok()) return n.status();
  const absl::StatusOr<std::string> e = Decoded(jwk, "e");
  if (!e.ok()) return e.status();
  if (n->size() > kMaxRsaBits / 8 + 1) return Invalid("the modulus is above 8192 bits");
  if (e->size() > 8) return Invalid("the exponent is above 64 bits");
  const Number modulus(BN_bin2bn(Bytes(*n), static_cast<int>(n->size()), nullptr));
  const Number exponent(BN_bin2bn(Bytes(*e), static_cast<int>(e->size()), nullptr));
  if (modulus == nullptr || exponent == nullptr) return absl::InternalError("out of memory");
  const int bits = BN_num_bits(modulus.get());
  if (bits < static_cast<int>(kMinRsaBits)) return Invalid("the modulus is below 2048 bits");
  if (bits > static_cast<int>(kMaxRsaBits)) return Invalid("the modulus is above 8192 bits");
  if (!BN_is_odd(modulus.get())) return Invalid("the modulus is even");
  if (!BN_is_odd(exponent.get()) || BN_is_one(exponent.get())) {
    return Invalid("the exponent is even, or 1");
  }
  if (IsRoca(modulus.get())) return Invalid("the modulus is weak (CVE-2017-15361)");
  OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM* params = nullptr;
  if (builder != nullptr &&
      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus.get()) == 1 &&
      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent.get()) == 1) {
    params = OSSL_PARAM_BLD_to_param(builder);
  }
  if (params != nullptr) pkey_.reset(FromParams("RSA", params));
  OSSL_PARAM_free(params);
  OSSL_PARAM_BLD_free(builder);
  if (pkey_ == nullptr) return Invalid("the numbers are no RSA key");
  type_ = Type::kRsa;
  signature_bytes_ = static_cast<size_t>(BN_num_bytes(modulus.get()));
  return absl::OkStatus();
}

absl::Status Key::ReadEc(JsonValue jwk) {
  const std::string_view curve = jwk.Find("crv").AsString().value_or("");
  std::string group;
  size_t size = 0;
  if (curve == "P-256") {
    type_ = Type::kP256;
    size = 32;
  } else if (curve == "P-384") {
    type_ = Type::kP384;
    size = 48;
  } else if (curve == "P-521") {
    type_ = Type::kP521;
    size = 66;
  } else {
    return Invalid("\"crv\" is unknown");
  }
  const absl::StatusOr<std::string> x = Decoded(jwk, "x");
  if (!x.ok()) return x.status();
  const absl::StatusOr<std::string> y = Decoded(jwk, "y");
  if (!y.ok()) return y.status();
  if (x->size() != size || y->size() != size) {
    return Invalid("a coordinate has not the length of its curve");
  }
  std::string name(curve);
  std::string point = Concat("\x04", *x, *y);
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name.data(), name.size()),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_end()};
  pkey_.reset(FromParams("EC", params));
  if (pkey_ != nullptr) {
    EVP_PKEY_CTX* context =
        EVP_PKEY_CTX_new_from_pkey(nullptr, static_cast<EVP_PKEY*>(pkey_.get()), nullptr);
    if (context == nullptr || EVP_PKEY_public_check(context) != 1) pkey_.reset();
    EVP_PKEY_CTX_free(context);
  }
  if (pkey_ == nullptr) return Invalid("the point is not on its curve");
  signature_bytes_ = 2 * size;
  return absl::OkStatus();
}

absl::Status Key::ReadOkp(JsonValue jwk) {
  const std::string_view curve = jwk.Find("crv").AsString().value_or("");
  const bool small = curve == "Ed25519";
  if (!small && curve != "Ed448") return Invalid("\"crv\" is unknown");
  const absl::StatusOr<std::string> x = Decoded(jwk, "x");
  if (!x.ok()) return x.status();
  if (x->size() != (small ? 32u : 57u)) return Invalid("\"x\" has not the length of its curve");
  pkey_.reset(EVP_PKEY_new_raw_public_key_ex(nullptr, small ? "ED25519" : "ED448", nullptr,
                                             Bytes(*x), x->size()));
  if (pkey_ == nullptr) return Invalid("\"x\" is no key");
  type_ = small ? Type::kEd25519 : Type::kEd448;
  signature_bytes_ = small ? 64 : 114;
  return absl::OkStatus();
}

absl::Status Key::ReadOct(JsonValue jwk) {
  absl::StatusOr<std::string> k = Decoded(jwk, "k");
  if (!k.ok()) return k.status();
  type_ = Type::kOct;
  secret_ = *std::move(k);
  // RFC 7518 §3.2: not below the length of the hash. Of HS256, which is the shortest.
  if (secret_.size() < 32) return Invalid("\"k\" is below 256 bits");
  return absl::OkStatus();
}

bool Key::Fits(Algorithm algorithm) const {
  if (algorithm_ && *algorithm_ != algorithm) return false;
  switch (algorithm) {
    case Algorithm::kHs256:
    case Algorithm::kHs384:
    case Algorithm::kHs512:
      return type_ == Type::kOct &&
             secret_.size() >= static_cast<size_t>(EVP_MD_get_size(HashOf(algorithm)));
    case Algorithm::kRs256:
    case Algorithm::kRs384:
    case Algorithm::kRs512:
    case Algorithm::kPs256:
    case Algorithm::kPs384:
    case Algorithm::kPs512:
      return type_ == Type::kRsa;
    case Algorithm::kEs256:
      return type_ == Type::kP256;
    case Algorithm::kEs384:
      return type_ == Type::kP384;
    case Algorithm::kEs512:
      return type_ == Type::kP521;
    case Algorithm::kEdDsa:
      return type_ == Type::kEd25519 || type_ == Type::kEd448;
  }
  return false;
}

bool Key::Verify(Algorithm algorithm, std::string_view input, std::string_view signature) {
  if (!Fits(algorithm)) return false;
  if (type_ == Type::kOct) return VerifyHmac(algorithm, input, signature);
  if (signature.size() != signature_bytes_) return false;
  const ErrorMark mark;
  return algorithm == Algorithm::kEdDsa ? VerifyEdDsa(input, signature)
                                        : VerifyDigest(algorithm, input, signature);
}

void* Key::ContextFor(Algorithm algorithm) {
  Context& slot = contexts_[static_cast<size_t>(algorithm)];
  if (slot != nullptr) return slot.get();
  EVP_PKEY_CTX* context =
      EVP_PKEY_CTX_new_from_pkey(nullptr, static_cast<EVP_PKEY*>(pkey_.get()), nullptr);
  Context owner(context);
  const EVP_MD* hash = HashOf(algorithm);
  if (context == nullptr || EVP_PKEY_verify_init(context) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context, hash) != 1) {
    return nullptr;
  }
  if (type_ == Type::kRsa) {
    const bool pss = IsPss(algorithm);
    if (EVP_PKEY_CTX_set_rsa_padding(context, pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) !=
        1) {
      return nullptr;
    }
    if (pss && (EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) != 1 ||
                EVP_PKEY_CTX_set_rsa_mgf1_md(context, hash) != 1)) {
      return nullptr;
    }
  }
  slot = std::move(owner);
  return context;
}

bool Key::VerifyDigest(Algorithm algorithm, std::string_view input, std::string_view signature) {
  auto* context = static_cast<EVP_PKEY_CTX*>(ContextFor(algorithm));
  EVP_MD_CTX* hashing = DigestContext();
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int digest_size = 0;
  if (context == nullptr || hashing == nullptr ||
      EVP_DigestInit_ex2(hashing, HashOf(algorithm), nullptr) != 1 ||
      EVP_DigestUpdate(hashing, input.data(), input.size()) != 1 ||
      EVP_DigestFinal_ex(hashing, digest, &digest_size) != 1) {
    return false;
  }
  if (type_ == Type::kRsa) {
    return EVP_PKEY_verify(context, Bytes(signature), signature.size(), digest, digest_size) == 1;
  }
  unsigned char der[145];
  const size_t size = WriteDer(signature, der);
  return EVP_PKEY_verify(context, der, size, digest, digest_size) == 1;
}

bool Key::VerifyEdDsa(std::string_view input, std::string_view signature) const {
  EVP_MD_CTX* context = DigestContext();
  if (context == nullptr || EVP_MD_CTX_reset(context) != 1) return false;
  const bool good = EVP_DigestVerifyInit_ex(context, nullptr, nullptr, nullptr, nullptr,
                                            static_cast<EVP_PKEY*>(pkey_.get()), nullptr) == 1 &&
                    EVP_DigestVerify(context, Bytes(signature), signature.size(), Bytes(input),
                                     input.size()) == 1;
  EVP_MD_CTX_reset(context);  // It holds on to the key.
  return good;
}

bool Key::VerifyHmac(Algorithm algorithm, std::string_view input,
                     std::string_view signature) const {
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const ErrorMark mark;
  if (HMAC(HashOf(algorithm), secret_.data(), static_cast<int>(secret_.size()), Bytes(input),
           input.size(), mac, &size) == nullptr) {
    return false;
  }
  return ConstantTimeEquals({reinterpret_cast<const char*>(mac), size}, signature);
}

absl::StatusOr<KeySet> KeySet::Parse(std::string_view json, const Options& options) {
  if (json.size() > options.max_bytes) {
    return absl::ResourceExhaustedError(
        Concat("the key set has more than ", options.max_bytes, " bytes"));
  }
  JsonReader reader;
  const absl::Status status = reader.Parse(json, {.max_depth = kMaxDepth, .max_values = 20000});
  if (!status.ok()) return status;
  const JsonValue keys = reader.root().Find("keys");
  if (!reader.root().is_object() || RepeatedName(reader.root()) || !keys.is_array()) {
    return Invalid("a key set is an object with an array \"keys\"");
  }
  if (keys.size() > options.max_keys) {
    return absl::ResourceExhaustedError(
        Concat("the key set has more than ", options.max_keys, " keys"));
  }
  KeySet set;
  // By the ids as they stand, whether the keys can be used or not.
  const auto times = [&keys](std::string_view id) {
    int count = 0;
    for (size_t i = 0; i < keys.size(); ++i) count += keys.At(i).Find("kid").AsString() == id;
    return count;
  };
  bool symmetric = false;
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto ignore = [&set, i](std::string_view reason) {
      set.ignored_.push_back(Concat("keys/", i, ": ", reason));
    };
    absl::StatusOr<Key> key = Key::FromJwk(keys.At(i));
    if (!key.ok()) {
      ignore({key.status().message().data(), key.status().message().size()});
    } else if (key->id().empty()) {
      ignore("has no \"kid\"");
    } else if (times(key->id()) > 1) {
      ignore("shares its \"kid\"");
    } else if (key->symmetric() && !options.allow_symmetric) {
      ignore("is symmetric");
    } else {
      symmetric = symmetric || key->symmetric();
      set.keys_.push_back(*std::move(key));
    }
  }
  if (symmetric && !std::all_of(set.keys_.begin(), set.keys_.end(),
                                [](const Key& key) { return key.symmetric(); })) {
    return Invalid("symmetric and other keys are in one set");
  }
  return set;
}

Key* KeySet::Find(std::string_view id) {
  for (Key& key : keys_) {
    if (key.id() == id) return &key;
  }
  return nullptr;
}

}  // namespace postern::jose
