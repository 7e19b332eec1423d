#include "data/exchange/remote/remote_output.h"

#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <utility>

namespace headrace::data::exchange {
namespace {
// A larger batch is cut in halves, so that one frame never nears the cap.
constexpr std::int64_t kMaxBatchBytes = 16 << 20;
}  // namespace

FrameHeader RemoteOutput::NextHeader(FrameType type) {
  FrameHeader header;
  header.type = type;
  header.channel = number_;
  header.deployment = id_.deployment;
  header.sequence = next_sequence_++;
  return header;
}

Status RemoteOutput::Write(columnar::StreamElement element) {
  std::shared_ptr<Connection> connection;
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) return failure_;
    if (connection_ == nullptr) {
      early_.push_back(std::move(element));
      return Status::OK();
    }
    connection = connection_;
  }
  if (const auto* batch = std::get_if<columnar::DataBatch>(&element)) {
    Status status = CheckSize(*batch);
    if (status.ok()) status = WriteBatch(*batch, connection.get());
    if (!status.ok()) Abandon(status, connection.get());
    return status;
  }
  connection->Send(MakeFrame(NextHeader(FrameType::kControl), EncodeControl(element)));
  return Status::OK();
}

Status RemoteOutput::TooLarge(std::int64_t bytes) const {
  return Error(ErrorCode::kExchangeBroken, "channel " + id_.ToString() + " was given a batch of " + std::to_string(bytes) + " bytes",
               "Batches and rows between operators may have at most 120 MiB.");
}

Status RemoteOutput::CheckSize(const columnar::DataBatch& batch) const {
  return batch.size_bytes() > kMaxOverdraftBytes ? TooLarge(batch.size_bytes()) : Status::OK();
}

Status RemoteOutput::WriteBatch(const columnar::DataBatch& batch, Connection* connection) {
  const std::int64_t rows = batch.num_rows();
  if (batch.size_bytes() > kMaxBatchBytes && rows > 1) {
    HR_RETURN_NOT_OK(WriteBatch(batch.Slice(0, rows / 2), connection));
    return WriteBatch(batch.Slice(rows / 2, rows - rows / 2), connection);
  }
  HR_RETURN_NOT_OK(SendSchema(batch.records()->schema(), connection));
  HR_ASSIGN_OR_RAISE(columnar::EncodedBatch encoded, columnar::EncodeBatch(batch));
  const std::int64_t cost = DataBodyBytes(encoded);
  if (cost > kMaxDataBytes || encoded.metadata->size() > kMaxMetadataBytes) return TooLarge(cost);
  balance_.fetch_sub(cost, std::memory_order_acq_rel);
  connection->Send(MakeDataFrame(NextHeader(FrameType::kData), std::move(encoded)));
  return Status::OK();
}

void RemoteOutput::Abandon(const Status& why, Connection* connection) {
  FrameHeader header;
  header.type = FrameType::kClose;
  header.channel = number_;
  header.deployment = id_.deployment;
  header.sequence = static_cast<std::uint64_t>(CloseReason::kBroken);
  connection->Send(MakeFrame(header, why.message()));
  Fail(why);
}

Status RemoteOutput::SendSchema(const std::shared_ptr<arrow::Schema>& schema, Connection* connection) {
  if (schema == schema_) return Status::OK();
  if (schema_ == nullptr || !schema->Equals(*schema_, /*check_metadata=*/true)) {
    HR_ASSIGN_OR_RAISE(auto bytes, columnar::EncodeSchema(*schema));
    connection->Send(MakeSchemaFrame(NextHeader(FrameType::kSchema), std::move(bytes)));
  }
  schema_ = schema;
  return Status::OK();
}

Status RemoteOutput::status() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

void RemoteOutput::Accepted(std::shared_ptr<Connection> sender, std::uint32_t number, std::int64_t credit_bytes) {
  Status status;
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) return;
    number_ = number;
    balance_.fetch_add(credit_bytes, std::memory_order_acq_rel);
    for (const auto& element : early_) {
      if (const auto* batch = std::get_if<columnar::DataBatch>(&element))
        status = WriteBatch(*batch, sender.get());
      else
        sender->Send(MakeFrame(NextHeader(FrameType::kControl), EncodeControl(element)));
      if (!status.ok()) break;
    }
    early_.clear();
    connection_ = sender;
    open_.store(true, std::memory_order_release);
  }
  if (!status.ok()) Abandon(status, sender.get());
  waker_.Wake();
}

void RemoteOutput::AddCredit(std::int64_t bytes) {
  const std::int64_t before = balance_.fetch_add(bytes, std::memory_order_acq_rel);
  if (before <= 0 && before + bytes > 0) waker_.Wake();
}

void RemoteOutput::Fail(const Status& why) {
  std::shared_ptr<Connection> connection;
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) return;
    failure_ = why;
    open_.store(false, std::memory_order_release);
    connection = std::exchange(connection_, nullptr);
    early_.clear();
  }
  waker_.Wake();
}

void RemoteOutput::Detach(const Status& why) {
  waker_.Clear();
  Fail(why);
}

}  // namespace headrace::data::exchange
