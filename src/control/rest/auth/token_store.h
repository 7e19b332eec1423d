#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "control/rest/auth/role.h"

namespace headrace::control::rest {

/// Who may call with which token. Tokens themselves are never kept, only their sha256. Immutable once made, any thread.
class TokenStore {
 public:
  /// One token from the settings, an admin's.
  static TokenStore OfToken(std::string_view token);

  struct Opened;
  /// Reads `file` (lines "role sha256-hex"), or makes it, readable by its owner alone, with a new random admin token.
  /// kBadSetting naming the file when it cannot be read, written or understood.
  static Result<Opened> Open(const std::string& file, Random& random);

  /// The role of `token`; nothing when it is unknown. Takes the same time wherever a wrong token differs.
  std::optional<Role> Find(std::string_view token) const;

 private:
  struct Entry {
    Role role;
    std::string sha256_hex;
  };
  std::vector<Entry> entries_;
};

struct TokenStore::Opened {
  TokenStore tokens;
  std::string new_token;  ///< set when the file was made now: show it once, it cannot be read again
};

}  // namespace headrace::control::rest
