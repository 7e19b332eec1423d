#include "data/connector/print/print_sink.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include "columnar/value_column.h"
#include "data/connector/immediate_sink.h"
#include "plan/connector_options.h"

namespace headrace::data::connector {
namespace {

constexpr std::size_t kMaxRowChars = 10'000;
std::mutex stdout_mutex;

Status WriteStdout(std::string_view text) {
  const std::lock_guard lock(stdout_mutex);
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      return Error(ErrorCode::kConnectorIo, fmt::format("print: the standard output cannot be written: {}", std::strerror(errno)));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return Status::OK();
}

class PrintSinkWriter final : public ImmediateSinkWriter {
 public:
  explicit PrintSinkWriter(std::string prefix) : prefix_(std::move(prefix)) {}

  Status Open(const ConnectorContext& context) override {
    if (prefix_.empty() && context.parallelism > 1) prefix_ = std::to_string(context.subtask + 1);
    if (!prefix_.empty()) prefix_ += "> ";
    return Status::OK();
  }

  Status Write(const columnar::DataBatch& batch) override {
    HR_ASSIGN_OR_RAISE(const auto reader, columnar::ValueRowReader::Make(batch));
    std::string text;
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
      text += prefix_;
      text += reader.RowRepr(row, kMaxRowChars);
      text += '\n';
    }
    return WriteStdout(text);
  }

 private:
  std::string prefix_;
};

class BlackholeSinkWriter final : public ImmediateSinkWriter {
 public:
  Status Open(const ConnectorContext&) override { return Status::OK(); }
  Status Write(const columnar::DataBatch&) override { return Status::OK(); }
};

}  // namespace

Result<std::unique_ptr<SinkWriter>> MakePrintSinkWriter(const plan::ConnectorSpec& spec) {
  return std::unique_ptr<SinkWriter>(std::make_unique<PrintSinkWriter>(plan::OptionString(spec, false, "prefix")));
}

Result<std::unique_ptr<SinkWriter>> MakeBlackholeSinkWriter(const plan::ConnectorSpec&) {
  return std::unique_ptr<SinkWriter>(std::make_unique<BlackholeSinkWriter>());
}

}  // namespace headrace::data::connector
