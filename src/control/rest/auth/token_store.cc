#include "control/rest/auth/token_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace headrace::control::rest {
namespace {

constexpr std::size_t kSha256HexDigits = 64;
constexpr std::size_t kMaxFileBytes = 64u << 10;

std::string Sha256Hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  HR_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr) == 1, "sha256");
  std::string hex;
  for (unsigned i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

Status FileError(const std::string& file, std::string_view what) {
  return Error(ErrorCode::kBadSetting, fmt::format("the token file {} {}", file, what),
               "Check data.dir, or set rest.token; without the file a new token is made.");
}

/// All or nothing: a file cut short by a crash would lock everybody out.
Status WriteNew(const std::string& file, const std::string& text) {
  const std::string temporary = fmt::format("{}.{}.tmp", file, getpid());
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return FileError(file, fmt::format("cannot be written: {}", std::strerror(errno)));
  bool good = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  good = close(fd) == 0 && good;
  // link() refuses to replace what another process made in the meantime.
  const int linked = good ? link(temporary.c_str(), file.c_str()) : -1;
  const int error = errno;
  unlink(temporary.c_str());
  if (linked == 0 || (good && error == EEXIST)) return Status::OK();
  return FileError(file, fmt::format("cannot be written: {}", std::strerror(error)));
}

}  // namespace

TokenStore TokenStore::OfToken(std::string_view token) {
  TokenStore store;
  store.entries_.push_back({Role::kAdmin, Sha256Hex(token)});
  return store;
}

Result<TokenStore::Opened> TokenStore::Open(const std::string& file, Random& random) {
  Opened opened;
  std::error_code ignored;
  std::string made;
  if (!std::filesystem::exists(file, ignored)) {
    std::filesystem::create_directories(std::filesystem::path(file).parent_path(), ignored);
    made = random.NextHex(64);
    HR_RETURN_NOT_OK(WriteNew(file, fmt::format("admin {}\n", Sha256Hex(made))));
  }
  std::ifstream in(file, std::ios::binary);
  std::string text(kMaxFileBytes, '\0');
  if (!in) return FileError(file, "cannot be read");
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  std::istringstream lines(text);
  for (std::string role_name, hash; lines >> role_name;) {
    const auto role = RoleOf(role_name);
    const bool good = static_cast<bool>(lines >> hash) && role && *role != Role::kNone && hash.size() == kSha256HexDigits &&
                      hash.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!good) return FileError(file, fmt::format("is damaged in entry {}: expected \"role sha256\"", opened.tokens.entries_.size() + 1));
    opened.tokens.entries_.push_back({*role, hash});
  }
  if (opened.tokens.entries_.empty()) return FileError(file, "holds no token");
  if (!made.empty() && opened.tokens.Find(made)) opened.new_token = std::move(made);
  return opened;
}

std::optional<Role> TokenStore::Find(std::string_view token) const {
  const std::string hash = Sha256Hex(token);
  std::optional<Role> found;
  for (const Entry& entry : entries_) {
    if (CRYPTO_memcmp(entry.sha256_hex.data(), hash.data(), kSha256HexDigits) == 0) found = entry.role;
  }
  return found;
}

}  // namespace headrace::control::rest
