#include "wire/sha256.h"

#include <openssl/evp.h>

#include <memory>

#include "base/status.h"

namespace headrace::wire {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

Sha256 Sha256Of(std::initializer_list<std::string_view> parts) {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  HR_CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1, "sha256 is not available");
  for (std::string_view part : parts) HR_CHECK(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  Sha256 digest{};
  unsigned int size = 0;
  HR_CHECK(EVP_DigestFinal_ex(context.get(), digest.data(), &size) == 1 && size == digest.size());
  return digest;
}

BlobId BlobIdFromRaw(std::string_view raw) {
  if (raw.size() != std::tuple_size_v<Sha256>) return {};
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (char c : raw) {
    const auto byte = static_cast<std::uint8_t>(c);
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return BlobId(std::move(hex));
}

BlobId BlobIdOf(std::string_view content) {
  const Sha256 digest = Sha256Of({content});
  return BlobIdFromRaw({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string RawOf(const BlobId& id) {
  const std::string& hex = id.str();
  if (hex.size() != 2 * std::tuple_size_v<Sha256>) return {};
  std::string raw;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = HexDigit(hex[i]), low = HexDigit(hex[i + 1]);
    if (high < 0 || low < 0) return {};
    raw += static_cast<char>(high * 16 + low);
  }
  return raw;
}

}  // namespace headrace::wire
