#include "data/taskmanager/archive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace headrace::data::taskmanager {

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kMaxName = 1024;
constexpr std::uint64_t kMaxPaxHeader = 64u << 10;

Status Refuse(std::string what) { return Error(ErrorCode::kDeployFailed, "archive of the job: " + std::move(what)); }

/// Decompresses on demand. Owns the zlib state.
class Inflater {
 public:
  Inflater(std::string_view in, std::uint64_t max_bytes) : left_(max_bytes) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    ok_ = ::inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK;
  }
  ~Inflater() {
    if (ok_) ::inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  /// Exactly `size` bytes; fewer only at the end of the data.
  Result<std::size_t> Read(char* out, std::size_t size) {
    if (!ok_) return Refuse("zlib could not start");
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out > 0 && !ended_) {
      const int code = ::inflate(&stream_, Z_NO_FLUSH);
      if (code == Z_STREAM_END) {
        ended_ = true;
      } else if (code != Z_OK) {
        return Refuse("not a complete gzip file");
      }
    }
    const std::size_t got = size - stream_.avail_out;
    if (got > left_) return Refuse("too large when unpacked");
    left_ -= got;
    return got;
  }

 private:
  z_stream stream_ = {};
  std::uint64_t left_;
  bool ok_ = false, ended_ = false;
};

struct Entry {
  std::string name;
  char type = 0;
  std::uint64_t size = 0;
  bool executable = false;
};

Result<std::uint64_t> Octal(const char* field, std::size_t width) {
  std::uint64_t value = 0;
  std::size_t i = 0;
  while (i < width && field[i] == ' ') ++i;
  for (; i < width && field[i] != '\0' && field[i] != ' '; ++i) {
    if (field[i] < '0' || field[i] > '7') return Refuse("a malformed number in a tar header");
    value = value * 8 + static_cast<std::uint64_t>(field[i] - '0');
  }
  return value;
}

std::string Text(const char* field, std::size_t width) { return {field, ::strnlen(field, width)}; }

Status CheckChecksum(const char* header) {
  HR_ASSIGN_OR_RAISE(const std::uint64_t expected, Octal(header + 148, 8));
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
  return sum == expected ? Status::OK() : Refuse("a tar header with a wrong checksum");
}

Result<Entry> ParseHeader(const char* header) {
  HR_RETURN_NOT_OK(CheckChecksum(header));
  Entry entry;
  entry.name = Text(header, 100);
  const std::string prefix = std::memcmp(header + 257, "ustar", 5) == 0 ? Text(header + 345, 155) : std::string();
  if (!prefix.empty()) entry.name = prefix + "/" + entry.name;
  HR_ASSIGN_OR_RAISE(entry.size, Octal(header + 124, 12));
  HR_ASSIGN_OR_RAISE(const std::uint64_t mode, Octal(header + 100, 8));
  entry.executable = (mode & 0100) != 0;
  entry.type = header[156];
  return entry;
}

/// The path of a pax extended header ("<length> path=<value>\n" records), or "".
std::string PaxPath(std::string_view records) {
  std::string path;
  while (!records.empty()) {
    std::uint64_t length = 0;
    std::size_t i = 0;
    for (; i < records.size() && records[i] >= '0' && records[i] <= '9' && length < kMaxPaxHeader; ++i)
      length = length * 10 + static_cast<std::uint64_t>(records[i] - '0');
    if (length <= i || length > records.size()) return path;
    std::string_view record = records.substr(i + 1, length - i - 2);
    if (record.starts_with("path=")) path = record.substr(5);
    records.remove_prefix(length);
  }
  return path;
}

/// The parts of a name that may be created below the directory.
Result<std::vector<std::string>> SafeParts(const std::string& name) {
  if (name.empty() || name.size() > kMaxName || name.find('\0') != std::string::npos) return Refuse("an entry with a bad name");
  if (name.front() == '/') return Refuse(fmt::format("{} is an absolute path", name));
  std::vector<std::string> parts;
  std::size_t at = 0;
  while (at <= name.size()) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    const std::string part = name.substr(at, end - at);
    if (part == "..") return Refuse(fmt::format("{} leaves its folder", name));
    if (!part.empty() && part != ".") parts.push_back(part);
    at = end + 1;
  }
  return parts;
}

Status MakeFolders(const std::string& directory, const std::vector<std::string>& parts, std::size_t count, std::string* path) {
  *path = directory;
  for (std::size_t i = 0; i < count; ++i) {
    *path += "/" + parts[i];
    if (::mkdir(path->c_str(), 0755) != 0 && errno != EEXIST) return Refuse(fmt::format("cannot make {}: {}", *path, std::strerror(errno)));
  }
  return Status::OK();
}

/// Reads the body of an entry (and its padding) in pieces.
template <typename Take>
Status ReadBody(Inflater* in, std::uint64_t size, Take take) {
  std::vector<char> buffer(64u << 10);
  std::uint64_t left = (size + kBlock - 1) / kBlock * kBlock, data = size;
  while (left > 0) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()));
    HR_ASSIGN_OR_RAISE(const std::size_t got, in->Read(buffer.data(), want));
    if (got != want) return Refuse("it ends in the middle of a file");
    const auto useful = static_cast<std::size_t>(std::min<std::uint64_t>(data, got));
    HR_RETURN_NOT_OK(take(buffer.data(), useful));
    data -= useful;
    left -= got;
  }
  return Status::OK();
}

Status WriteFile(Inflater* in, const Entry& entry, const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, entry.executable ? 0755 : 0644);
  if (fd < 0) return Refuse(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  const Status status = ReadBody(in, entry.size, [&](const char* data, std::size_t size) {
    while (size > 0) {
      const ssize_t written = ::write(fd, data, size);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return Refuse(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
      data += written;
      size -= static_cast<std::size_t>(written);
    }
    return Status::OK();
  });
  ::close(fd);
  return status;
}

Status UnpackEntry(Inflater* in, const Entry& entry, const std::string& directory) {
  HR_ASSIGN_OR_RAISE(const auto parts, SafeParts(entry.name));
  std::string path;
  if (entry.type == '5') return MakeFolders(directory, parts, parts.size(), &path);
  if (entry.type != '0' && entry.type != '\0') return Refuse(fmt::format("{} is neither a file nor a folder", entry.name));
  if (parts.empty()) return Refuse("a file without a name");
  HR_RETURN_NOT_OK(MakeFolders(directory, parts, parts.size() - 1, &path));
  return WriteFile(in, entry, path + "/" + parts.back());
}

}  // namespace

Status UnpackArchive(std::string_view gzipped, const std::string& directory, const ArchiveLimits& limits) {
  Inflater in(gzipped, limits.max_bytes);
  std::string long_name;
  for (std::uint64_t entries = 0; entries <= limits.max_entries; ++entries) {
    char header[kBlock];
    HR_ASSIGN_OR_RAISE(const std::size_t got, in.Read(header, kBlock));
    const bool zero = std::all_of(header, header + got, [](char c) { return c == '\0'; });
    if (got == 0 || (got == kBlock && zero)) return Status::OK();
    if (got != kBlock) return Refuse("it ends in the middle of a header");
    HR_ASSIGN_OR_RAISE(Entry entry, ParseHeader(header));
    if (entry.type == 'x' || entry.type == 'g' || entry.type == 'L') {
      if (entry.size > kMaxPaxHeader) return Refuse("an extended header that is too large");
      std::string body;
      HR_RETURN_NOT_OK(ReadBody(&in, entry.size, [&](const char* data, std::size_t size) {
        body.append(data, size);
        return Status::OK();
      }));
      if (entry.type == 'L') long_name = body.c_str();
      if (entry.type == 'x') long_name = PaxPath(body);
      continue;
    }
    if (!long_name.empty()) entry.name = std::exchange(long_name, {});
    HR_RETURN_NOT_OK(UnpackEntry(&in, entry, directory));
  }
  return Refuse(fmt::format("more than {} entries", limits.max_entries));
}

}  // namespace headrace::data::taskmanager
