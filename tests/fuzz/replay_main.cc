// Replays files and folders through a fuzz target without libFuzzer: every input as it is, cut short, and with single bytes changed.
// The changes are the same on every run. Exit 1 when there is nothing to replay.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kMaxCuts = 512;
constexpr std::size_t kFlips = 1024;
constexpr std::size_t kMaxMutatedBytes = 64 << 10;

std::size_t RunOne(const std::string& bytes) {
  // A heap copy of the exact size, so that a sanitizer sees a read past the end.
  const std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
  return 1;
}

std::size_t Replay(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  std::size_t runs = RunOne(bytes);
  if (bytes.empty() || bytes.size() > kMaxMutatedBytes) return runs;
  const std::size_t step = std::max<std::size_t>(1, bytes.size() / kMaxCuts);
  for (std::size_t length = 0; length < bytes.size(); length += step) runs += RunOne(bytes.substr(0, length));
  std::uint64_t state = bytes.size();
  for (std::size_t i = 0; i < kFlips; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    std::string changed = bytes;
    changed[(state >> 33) % changed.size()] = static_cast<char>(state >> 24);
    runs += RunOne(changed);
  }
  return runs;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (std::filesystem::is_directory(argv[i])) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
    } else if (std::filesystem::is_regular_file(argv[i])) {
      files.emplace_back(argv[i]);
    } else {
      std::fprintf(stderr, "%s: no such file or folder\n", argv[i]);
      return 1;
    }
  }
  std::sort(files.begin(), files.end());
  std::size_t runs = 0;
  for (const auto& file : files) runs += Replay(file);
  std::printf("%zu files, %zu runs\n", files.size(), runs);
  return files.empty() ? 1 : 0;
}
