#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>
#include <vector>

namespace {

/// One symbol that the dynamic linker resolved from one file to another.
struct Binding {
  std::string from, to, symbol;
};

/// Reads a line of LD_DEBUG=bindings: "123: binding file A [0] to B [0]: normal symbol `s' [V]".
bool ParseBinding(const std::string& line, Binding* out) {
  const auto start = line.find("binding file ");
  if (start == std::string::npos) return false;
  const auto from = start + 13, from_end = line.find(" [", from), to = line.find("] to ", from), to_end = line.find(" [", to + 5),
             quote = line.find('`', to);
  if (from_end == std::string::npos || to == std::string::npos || to_end == std::string::npos || quote == std::string::npos) return false;
  auto file_name = [](const std::string& path) { return path.substr(path.rfind('/') + 1); };
  *out = {file_name(line.substr(from, from_end - from)), file_name(line.substr(to + 5, to_end - to - 5)),
          line.substr(quote + 1, line.find('\'', quote) - quote - 1)};
  return true;
}

bool IsArrow(const std::string& file) { return file.starts_with("libarrow") || file.starts_with("libparquet"); }
bool IsShadowed(const std::string& file) {
  for (auto name : {"libcrypto", "libssl", "libre2", "libsimdjson"}) {
    if (file.starts_with(name)) return true;
  }
  return false;
}
/// A symbol of a shadowed library that was found in Arrow, whoever asked for it.
bool IsForeignSymbol(const std::string& symbol) {
  for (auto part : {"re2", "simdjson", "SSL_", "EVP_", "OPENSSL_", "CRYPTO_"}) {
    if (symbol.find(part) != std::string::npos && symbol.find("arrow") == std::string::npos && symbol.find("parquet") == std::string::npos)
      return true;
  }
  return false;
}

bool Crosses(const Binding& b) {
  return (IsArrow(b.from) && IsShadowed(b.to)) ||
         (IsShadowed(b.from) && IsArrow(b.to) && !b.symbol.starts_with("_ZNS") && !b.symbol.starts_with("_ZS") &&
          !b.symbol.starts_with("_ZTI")) ||
         (!IsArrow(b.from) && IsArrow(b.to) && IsForeignSymbol(b.symbol));
}

void ExpectNoCrossing(const char* probe) {
  const std::string command = std::string("LD_BIND_NOW=1 LD_DEBUG=bindings ") + probe + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::vector<char> line(1 << 16);
  int to_arrow = 0, to_system = 0, crossings = 0;
  std::string said;
  while (fgets(line.data(), static_cast<int>(line.size()), pipe) != nullptr) {
    Binding binding;
    if (!ParseBinding(line.data(), &binding)) {
      if (std::string(line.data()).find("wrong answers") != std::string::npos) said += line.data();
      continue;
    }
    to_arrow += IsArrow(binding.to) ? 1 : 0;
    to_system += IsShadowed(binding.to) ? 1 : 0;
    if (Crosses(binding) && ++crossings <= 5) ADD_FAILURE() << binding.from << " takes " << binding.symbol << " from " << binding.to;
  }
  const int status = pclose(pipe);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << probe << " ended with status " << status << ": " << said;
  EXPECT_EQ(crossings, 0);
  // The trace was really read.
  EXPECT_GT(to_arrow, 100);
  EXPECT_GT(to_system, 100);
}

TEST(ArrowGuard, LinesOfTheLinkerAreUnderstood) {
  Binding binding;
  ASSERT_TRUE(
      ParseBinding("  77:\tbinding file /a/libgrpc.so.29 [0] to /b/libarrow.so.2600 [0]: normal symbol `EVP_sha256' [X]", &binding));
  EXPECT_EQ(binding.from, "libgrpc.so.29");
  EXPECT_EQ(binding.to, "libarrow.so.2600");
  EXPECT_EQ(binding.symbol, "EVP_sha256");
  EXPECT_TRUE(Crosses(binding));
  EXPECT_TRUE(Crosses({"libre2.so.9", "libarrow.so.2600", "_ZN3re23RE24InitEv"}));
  EXPECT_TRUE(Crosses({"libarrow.so.2600", "libcrypto.so.3", "EVP_sha256"}));
  EXPECT_FALSE(Crosses({"libgrpc.so.29", "libcrypto.so.3", "EVP_sha256"}));
  EXPECT_FALSE(ParseBinding("calling init: /lib/libc.so.6", &binding));
}

TEST(ArrowGuard, NothingIsSharedWhenArrowIsLinkedFirst) { ExpectNoCrossing(PROBE_ARROW_FIRST); }
TEST(ArrowGuard, NothingIsSharedWhenArrowIsLinkedLast) { ExpectNoCrossing(PROBE_ARROW_LAST); }

}  // namespace
