#include "data/connector/file/part_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "columnar/key_group.h"

namespace headrace::data::connector {

PartFiles::PartFiles(std::string folder, std::uint32_t subtask, std::string owner, std::string extension)
    : folder_(std::move(folder)), subtask_(subtask), owner_(std::move(owner)), extension_(std::move(extension)) {}

std::string PartFiles::OwnerOf(std::string_view job_id, std::string_view operator_uid) {
  return fmt::format("{:.8}-{:016x}", job_id, columnar::HashKey(operator_uid));
}

PartFiles::~PartFiles() {
  if (file_ >= 0) ::close(file_);
}

Status PartFiles::Failed(const std::string& path, int error) const {
  return Error(ErrorCode::kConnectorIo, fmt::format("\"{:.500}\" cannot be written: {}", path, std::strerror(error)));
}

std::string PartFiles::HiddenPrefix() const { return fmt::format(".part-{}-{}", subtask_, owner_); }

Status PartFiles::Prepare() {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) return Failed(folder_, error.value());
  const std::string hidden = HiddenPrefix() + ".inprogress", visible = fmt::format("part-{}-", subtask_);
  for (auto entry = std::filesystem::directory_iterator(folder_, error); !error && entry != std::filesystem::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::error_code ignored;
    if (name == hidden) std::filesystem::remove(entry->path(), ignored);
    if (!name.starts_with(visible)) continue;
    std::uint64_t number = 0;
    const char *first = name.data() + visible.size(), *last = name.data() + name.size();
    const char* const end = std::from_chars(first, last, number).ptr;
    if (end != first && std::string_view(end, static_cast<std::size_t>(last - end)) == extension_)
      next_number_ = std::max(next_number_, number + 1);
  }
  return error ? Failed(folder_, error.value()) : Status::OK();
}

Status PartFiles::Write(std::string_view text) {
  if (file_ < 0) {
    hidden_path_ = fmt::format("{}/{}.inprogress", folder_, HiddenPrefix());
    file_ = ::open(hidden_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file_ < 0) return Failed(hidden_path_, errno);
  }
  open_bytes_ += static_cast<std::int64_t>(text.size());
  while (!text.empty()) {
    const ssize_t written = ::write(file_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed(hidden_path_, errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return Status::OK();
}

Status PartFiles::Publish() {
  if (file_ < 0) return Status::OK();
  const int synced = ::fsync(file_);
  const int sync_error = errno;
  ::close(std::exchange(file_, -1));
  if (synced != 0) return Failed(hidden_path_, sync_error);
  // link() refuses a name that exists, where rename() would replace the file of another run.
  while (true) {
    const std::string path = fmt::format("{}/part-{}-{}{}", folder_, subtask_, next_number_++, extension_);
    if (::link(hidden_path_.c_str(), path.c_str()) == 0) break;
    if (errno != EEXIST) return Failed(path, errno);
  }
  ::unlink(hidden_path_.c_str());
  open_bytes_ = 0;
  const int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return Failed(folder_, errno);
  const int folder_synced = ::fsync(folder);
  const int folder_error = errno;
  ::close(folder);
  return folder_synced == 0 ? Status::OK() : Failed(folder_, folder_error);
}

}  // namespace headrace::data::connector
