#include "data/connector/kafka/kafka_sink.h"

#include <arrow/array/array_binary.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <cstring>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "columnar/key_text.h"
#include "data/connector/kafka/encoder_start.h"
#include "data/connector/kafka/kafka_options.h"
#include "data/connector/kafka/shared_producer.h"
#include "data/connector/registry_options.h"
#include "data/connector/row_text.h"
#include "plan/connector_options.h"
#include "plan/format_options.h"

namespace headrace::data::connector {
namespace {

/// Bytes one writer may have unacknowledged: as much as the shared producer's queue. With a third of it the requests to a topic of eight
/// partitions were too small, and the brokers took half the rows a second.
constexpr std::int64_t kMaxOutstandingBytes = SharedProducer::kQueueBytes;
/// What a message costs beside its bytes, roughly, in librdkafka.
constexpr std::int64_t kMessageOverheadBytes = 128;

class KafkaSinkWriter final : public SinkWriter {
 public:
  KafkaSinkWriter(kafka::ClientSettings settings, std::string topic, RowFormat format, format::TimestampText timestamps,
                  std::vector<std::string> key_columns, std::optional<format::RecordEncoderOptions> encoder)
      : settings_(std::move(settings)),
        topic_name_(std::move(topic)),
        format_(format),
        timestamps_(timestamps),
        key_columns_(std::move(key_columns)),
        encoder_options_(std::move(encoder)) {}

  ~KafkaSinkWriter() override {
    if (ledger_ == nullptr) return;
    ledger_->Detach();
    if (producer_ != nullptr) producer_->Detach(ledger_.get());
    for (Handover& handover : handovers_) handover.batch->Release(static_cast<std::int64_t>(handover.messages.size() - handover.next) + 1);
  }

  Status Open(const ConnectorContext& context) override {
    context_ = &context;
    HR_ASSIGN_OR_RAISE(producer_, SharedProducer::Get(context.job_id, settings_));
    HR_ASSIGN_OR_RAISE(topic_, producer_->Topic(topic_name_));
    ledger_ = std::make_shared<DeliveryLedger>(context.waker, context.on_waiting);
    producer_->Attach(ledger_);
    if (encoder_options_) encoder_start_ = std::make_unique<EncoderStart>(*encoder_options_, context.waker, context.on_waiting);
    return Status::OK();
  }

  bool writable() const override {
    if (encoder_start_ != nullptr) return false;
    if (HasRoom()) return true;
    ledger_->WakeOnProgress();
    return HasRoom();
  }

  Status Write(const columnar::DataBatch& batch) override {
    const std::int64_t rows = batch.num_rows();
    if (rows == 0) return Status::OK();
    auto* outgoing = new OutgoingBatch(ledger_, ++sequence_, batch);
    Handover handover{outgoing, Recycled(), 0};
    handover.messages.resize(static_cast<std::size_t>(rows));
    std::int64_t bytes = 0;
    const Status rendered = Render(batch, outgoing, &handover.messages, &bytes);
    outgoing->Begin(rows, bytes + rows * kMessageOverheadBytes);
    if (!rendered.ok()) {
      outgoing->Release(rows + 1);
      return rendered;
    }
    handovers_.push_back(std::move(handover));
    return HandOver();
  }

  void RequestFlush() override { flush_sequence_ = sequence_; }

  bool flushed() const override {
    if (IsFlushed()) return true;
    ledger_->WakeOnProgress();
    return IsFlushed();
  }

  Status Poll() override {
    HR_RETURN_NOT_OK(Named(ledger_->error()));
    if (encoder_start_ != nullptr) HR_RETURN_NOT_OK(TakeEncoder());
    return handovers_.empty() ? Status::OK() : HandOver();
  }

  void RequestStop() override {
    if (encoder_start_ != nullptr) encoder_start_->RequestStop();
  }

 private:
  /// A batch whose messages librdkafka has taken up to `next`.
  struct Handover {
    OutgoingBatch* batch;
    std::vector<rd_kafka_message_t> messages;
    std::size_t next;
  };

  Status TakeEncoder() {
    auto made = encoder_start_->Take();
    if (!made.ok()) return Named(made.status());
    if (*made == nullptr) return Status::OK();
    encoder_ = std::move(*made);
    encoder_start_.reset();
    return Status::OK();
  }

  bool HasRoom() const { return handovers_.empty() && ledger_->outstanding_bytes() < kMaxOutstandingBytes; }
  bool IsFlushed() const { return handovers_.empty() && ledger_->Acknowledged(flush_sequence_); }

  std::vector<rd_kafka_message_t> Recycled() {
    std::vector<rd_kafka_message_t> messages = std::move(spare_);
    spare_ = {};
    messages.clear();
    return messages;
  }

  Status Named(const Status& status) const {
    return status.ok() ? status : WithContext(status, fmt::format("sink \"{}\" (uid {})", context_->operator_name, context_->operator_uid));
  }

  /// Points every message at its value and key. Values that are text already stay where they are in the batch.
  Status Render(const columnar::DataBatch& batch, OutgoingBatch* outgoing, std::vector<rd_kafka_message_t>* messages, std::int64_t* bytes) {
    for (rd_kafka_message_t& message : *messages) {
      std::memset(&message, 0, sizeof(message));
      message._private = outgoing;
    }
    HR_RETURN_NOT_OK(encoder_ != nullptr ? RenderRecords(batch, outgoing, messages, bytes) : RenderText(batch, outgoing, messages, bytes));
    if (!key_columns_.empty()) return RenderKeyColumns(batch, outgoing, messages, bytes);
    if (batch.key_column() < 0) return Status::OK();
    const auto& keys = static_cast<const arrow::LargeBinaryArray&>(*batch.records()->column(batch.key_column()));
    for (std::int64_t row = 0; row < static_cast<std::int64_t>(messages->size()); ++row) {
      HR_RETURN_NOT_OK(Named(columnar::AppendKeyText(keys.GetView(row), &outgoing->keys)));
      (*messages)[static_cast<std::size_t>(row)].key_len = outgoing->keys.size();
    }
    PointInto(&outgoing->keys, messages, &rd_kafka_message_t::key, &rd_kafka_message_t::key_len);
    *bytes += static_cast<std::int64_t>(outgoing->keys.size());
    return Status::OK();
  }

  /// Values as records of a schema.
  Status RenderRecords(const columnar::DataBatch& batch, OutgoingBatch* outgoing, std::vector<rd_kafka_message_t>* messages,
                       std::int64_t* bytes) {
    HR_RETURN_NOT_OK(Named(encoder_->Bind(batch.records())));
    for (std::size_t row = 0; row < messages->size(); ++row) {
      const Status written = encoder_->Append(static_cast<std::int64_t>(row), &outgoing->text);
      if (!written.ok())
        return Named(Error(ErrorCode::kBadRecord,
                           fmt::format("topic \"{}\": a row does not fit its schema: {}", topic_name_, written.message()),
                           "Cast the column or filter such rows before the sink, or write another schema."));
      (*messages)[row].len = outgoing->text.size();  // the end for now; the text may still move
    }
    PointInto(&outgoing->text, messages, &rd_kafka_message_t::payload, &rd_kafka_message_t::len);
    *bytes += static_cast<std::int64_t>(outgoing->text.size());
    return Status::OK();
  }

  Status RenderText(const columnar::DataBatch& batch, OutgoingBatch* outgoing, std::vector<rd_kafka_message_t>* messages,
                    std::int64_t* bytes) {
    HR_ASSIGN_OR_RAISE(const RowTextWriter writer, RowTextWriter::Make(batch, format_, timestamps_));
    const auto rows = static_cast<std::int64_t>(messages->size());
    if (writer.rows_are_text()) {
      const auto& values = static_cast<const arrow::LargeBinaryArray&>(*batch.records()->column(batch.value_column()));
      for (std::int64_t row = 0; row < rows; ++row)
        Point(values.GetView(row), &(*messages)[static_cast<std::size_t>(row)].payload, &(*messages)[static_cast<std::size_t>(row)].len);
      *bytes += values.total_values_length();
    } else {
      for (std::int64_t row = 0; row < rows; ++row) {
        HR_RETURN_NOT_OK(Named(writer.Append(row, &outgoing->text)));
        (*messages)[static_cast<std::size_t>(row)].len = outgoing->text.size();  // the end for now; the text may still move
      }
      PointInto(&outgoing->text, messages, &rd_kafka_message_t::payload, &rd_kafka_message_t::len);
      *bytes += static_cast<std::int64_t>(outgoing->text.size());
    }
    return Status::OK();
  }

  Status RenderKeyColumns(const columnar::DataBatch& batch, OutgoingBatch* outgoing, std::vector<rd_kafka_message_t>* messages,
                          std::int64_t* bytes) {
    HR_ASSIGN_OR_RAISE(const KeyTextWriter keys, KeyTextWriter::Make(batch, key_columns_, timestamps_));
    for (std::size_t row = 0; row < messages->size(); ++row) {
      HR_RETURN_NOT_OK(Named(keys.Append(static_cast<std::int64_t>(row), &outgoing->keys)));
      (*messages)[row].key_len = outgoing->keys.size();
    }
    PointInto(&outgoing->keys, messages, &rd_kafka_message_t::key, &rd_kafka_message_t::key_len);
    *bytes += static_cast<std::int64_t>(outgoing->keys.size());
    return Status::OK();
  }

  /// An empty value is not a null one, so the pointer is never null.
  static void Point(std::string_view bytes, void** start, std::size_t* length) {
    static char empty[1] = {};
    *start = bytes.empty() ? static_cast<void*>(empty) : const_cast<char*>(bytes.data());
    *length = bytes.size();
  }

  static void PointInto(std::string* text, std::vector<rd_kafka_message_t>* messages, void* rd_kafka_message_t::*start,
                        std::size_t rd_kafka_message_t::*length) {
    std::size_t at = 0;
    for (rd_kafka_message_t& message : *messages) {
      const std::size_t end = message.*length;
      Point(std::string_view(*text).substr(at, end - at), &(message.*start), &(message.*length));
      at = end;
    }
  }

  /// Gives librdkafka as many messages as it takes, in order. A full queue is not an error: the rest waits for room.
  Status HandOver() {
    bool wake_asked = false;
    while (!handovers_.empty()) {
      Handover& front = handovers_.front();
      const std::size_t count = front.messages.size() - front.next;
      rd_kafka_message_t* first = front.messages.data() + front.next;
      const int taken = rd_kafka_produce_batch(topic_, RD_KAFKA_PARTITION_UA, 0, first, static_cast<int>(count));
      if (static_cast<std::size_t>(taken) != count) {
        HR_RETURN_NOT_OK(SettleRefused(&front, first, count));
        if (front.next < front.messages.size()) {
          // The queue may have emptied before the wake was asked for, and then nothing would wake us: tried once more.
          if (std::exchange(wake_asked, true)) return Status::OK();
          ledger_->WakeOnProgress();
          continue;
        }
      }
      OutgoingBatch* done = front.batch;
      spare_ = std::move(front.messages);
      handovers_.pop_front();
      done->Release(1);
    }
    return Status::OK();
  }

  /// Some of `count` messages were not taken: moves `next` to the first that met a full queue; any other refusal is an error.
  Status SettleRefused(Handover* handover, const rd_kafka_message_t* first, std::size_t count) {
    Status refused;
    for (std::size_t i = 0; i < count; ++i) {
      if (first[i].err == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
      if (first[i].err == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        handover->next += i;
        return refused;
      }
      if (refused.ok()) {
        refused = first[i].err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
                      ? Error(ErrorCode::kBadRecord,
                              fmt::format("topic \"{}\": a row of {} bytes is more than property.message.max.bytes allows", topic_name_,
                                          first[i].len),
                              "Raise property.message.max.bytes and the topic's max.message.bytes, or make rows smaller.")
                      : kafka::StatusOf(first[i].err, fmt::format("topic \"{}\"", topic_name_));
        refused = Named(refused);
      }
      handover->batch->Release(1);
    }
    handover->next = handover->messages.size();
    return refused;
  }

  const kafka::ClientSettings settings_;
  const std::string topic_name_;
  const RowFormat format_;
  const format::TimestampText timestamps_;
  const std::vector<std::string> key_columns_;
  const std::optional<format::RecordEncoderOptions> encoder_options_;
  std::unique_ptr<EncoderStart> encoder_start_;     ///< until there is an encoder
  std::unique_ptr<format::RecordEncoder> encoder_;  ///< of formats with a schema
  const ConnectorContext* context_ = nullptr;
  std::shared_ptr<SharedProducer> producer_;
  rd_kafka_topic_t* topic_ = nullptr;
  std::shared_ptr<DeliveryLedger> ledger_;
  std::deque<Handover> handovers_;
  std::vector<rd_kafka_message_t> spare_;
  std::uint64_t sequence_ = 0, flush_sequence_ = 0;
};

std::optional<format::RecordEncoderOptions> EncoderOptionsOf(const plan::ConnectorSpec& spec) {
  using Options = format::RecordEncoderOptions;
  const auto option = [&](std::string_view name) { return plan::OptionString(spec, false, name); };
  const std::string format = option("value_format"), subject = option("subject_strategy");
  Options options;
  if (format == "protobuf")
    options.format = Options::Format::kProtobuf;
  else if (format == "json_schema")
    options.format = Options::Format::kJsonSchema;
  else if (format != "avro")
    return std::nullopt;
  options.subject = subject == "record"         ? Options::Subject::kRecord
                    : subject == "topic_record" ? Options::Subject::kTopicRecord
                                                : Options::Subject::kTopic;
  options.rows = spec.schema;
  options.timestamps = TimestampTextOf(option("timestamps"));
  options.topic = option("topic");
  options.registry = RegistryAccessOf(spec, false);
  options.schema = option("schema");
  options.record_name = option("record_name");
  options.registers = plan::OptionBool(spec, false, "auto_register");
  options.uses_latest = plan::OptionBool(spec, false, "use_latest");
  return options;
}

}  // namespace

Result<std::unique_ptr<SinkWriter>> MakeKafkaSinkWriter(const plan::ConnectorSpec& spec) {
  HR_ASSIGN_OR_RAISE(kafka::ClientSettings settings, KafkaSettingsOf(spec, false));
  const std::string format = plan::OptionString(spec, false, "value_format");
  HR_ASSIGN_OR_RAISE(std::vector<std::string> key_columns, plan::ColumnNames(plan::OptionString(spec, false, "key_columns")));
  return std::unique_ptr<SinkWriter>(std::make_unique<KafkaSinkWriter>(
      std::move(settings), plan::OptionString(spec, false, "topic"), RowFormatOf(format),
      TimestampTextOf(plan::OptionString(spec, false, "timestamps")), std::move(key_columns), EncoderOptionsOf(spec)));
}

}  // namespace headrace::data::connector
