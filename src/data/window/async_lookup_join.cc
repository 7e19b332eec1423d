#include "data/window/async_lookup_join.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "columnar/column_gatherer.h"
#include "data/window/lookup_rows.h"
#include "plan/connector_options.h"

namespace headrace::data::window {
namespace {

constexpr std::size_t kQuestionKeys = 8192, kPieceRows = 8192;

template <typename Float>
void AppendFloat(const arrow::ArrayData& column, std::int64_t row, std::string* key) {
  Float value = column.GetValues<Float>(1)[row];
  if (value == 0) value = 0;  // -0.0 is 0.0
  if (std::isnan(value)) value = std::numeric_limits<Float>::quiet_NaN();
  key->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename Offset>
void AppendText(const arrow::ArrayData& column, std::int64_t row, std::string* key) {
  const auto* offsets = column.GetValues<Offset>(1);
  const Offset size = offsets[row + 1] - offsets[row];
  key->append(reinterpret_cast<const char*>(&size), sizeof(size));
  if (size > 0) key->append(reinterpret_cast<const char*>(column.buffers[2]->data()) + offsets[row], static_cast<std::size_t>(size));
}

/// Adds a value to the bytes by which keys are told apart. Equal values give equal bytes.
void AppendKey(const arrow::ArrayData& column, std::int64_t row, std::string* key) {
  switch (column.type->id()) {
    case arrow::Type::BOOL: {
      const std::int64_t at = column.offset + row;
      key->push_back(static_cast<char>(column.buffers[1]->data()[at / 8] >> (at % 8) & 1));
      return;
    }
    case arrow::Type::FLOAT:
      return AppendFloat<float>(column, row, key);
    case arrow::Type::DOUBLE:
      return AppendFloat<double>(column, row, key);
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return AppendText<std::int32_t>(column, row, key);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return AppendText<std::int64_t>(column, row, key);
    default: {
      const auto width = static_cast<std::size_t>(column.type->byte_width());
      const auto* bytes = reinterpret_cast<const char*>(column.buffers[1]->data());
      key->append(bytes + static_cast<std::size_t>(column.offset + row) * width, width);
    }
  }
}

Duration Milliseconds(std::int64_t ms) { return std::chrono::milliseconds(ms); }

}  // namespace

arrow::FieldVector AsyncLookupJoin::FoundFields(const plan::LookupSpec& spec) {
  arrow::FieldVector fields;
  for (const auto& field : spec.table->schema->fields()) {
    const bool joined = std::any_of(spec.on.begin(), spec.on.end(), [&](const auto& pair) { return pair.second == field->name(); });
    if (!joined) fields.push_back(field);
  }
  return fields;
}

Result<std::unique_ptr<op::Operator>> AsyncLookupJoin::Make(const plan::LookupSpec& spec, std::unique_ptr<connector::TableClient> client,
                                                            const arrow::Schema& input, std::function<void(std::string)> on_waiting) {
  const auto number = [&spec](std::string_view name) { return plan::OptionInt(*spec.table, true, name); };
  Options options;
  options.keep_unmatched = spec.keep_unmatched;
  options.max_in_flight = static_cast<std::size_t>(number("max_in_flight"));
  options.timeout = Milliseconds(number("timeout_ms"));
  options.first_pause = Milliseconds(number("retry_delay_ms"));
  options.last_pause = std::max<Duration>(options.first_pause, std::chrono::seconds(2));
  options.cache = {static_cast<std::size_t>(number("cache_keys")), number("cache_ttl_ms"), number("missing_ttl_ms")};
  arrow::FieldVector fields = FoundFields(spec);
  HR_ASSIGN_OR_RAISE(LookupCache cache, LookupCache::Make(fields, options.cache));
  std::vector<int> keys;
  for (const auto& [left, right] : spec.on) keys.push_back(input.GetFieldIndex(left));
  return std::make_unique<AsyncLookupJoin>(options, std::move(client), std::move(keys), std::move(fields), std::move(cache),
                                           std::move(on_waiting));
}

AsyncLookupJoin::AsyncLookupJoin(Options options, std::unique_ptr<connector::TableClient> client, std::vector<int> keys,
                                 arrow::FieldVector fields, LookupCache cache, std::function<void(std::string)> on_waiting)
    : options_(std::move(options)),
      client_(std::move(client)),
      keys_(std::move(keys)),
      fields_(std::move(fields)),
      on_waiting_(std::move(on_waiting)),
      cache_(std::move(cache)) {}

AsyncLookupJoin::~AsyncLookupJoin() {
  if (state_bytes_ != nullptr) state_bytes_->fetch_sub(accounted_bytes_, std::memory_order_relaxed);
}

Status AsyncLookupJoin::Open(const op::OperatorContext& context) {
  clock_ = context.clock;
  state_bytes_ = context.state_bytes;
  mailbox_ = std::make_shared<op::Mailbox<Letter>>(context.waker);
  if (context.metrics != nullptr) {
    asked_ = context.metrics->GetCounter("headrace_lookup_requests_total", "Questions to the table of a lookup join", context.labels);
    hits_ = context.metrics->GetCounter("headrace_lookup_cache_hits_total", "Rows of a lookup join whose key was known", context.labels);
    misses_ = context.metrics->GetCounter("headrace_lookup_cache_misses_total", "Keys that a lookup join had to ask for", context.labels);
  }
  return client_->Open();
}

Status AsyncLookupJoin::Process(std::uint32_t, columnar::DataBatch rows, op::Collector* out) {
  const arrow::RecordBatch& records = *rows.records();
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  bool has_nulls = false;
  for (const int key : keys_) {
    columns.push_back(records.column_data(key));
    has_nulls = has_nulls || columns.back()->GetNullCount() > 0;
  }
  Batch batch{rows, {}, 0};
  batch.entries.assign(static_cast<std::size_t>(records.num_rows()), nullptr);
  std::vector<std::uint32_t> asked_rows;
  std::vector<LookupCache::Entry*> asked;
  const std::int64_t now_ms = clock_->WallTimeMs();
  std::uint64_t known = 0;
  for (std::int64_t row = 0; row < records.num_rows(); ++row) {
    if (has_nulls && std::any_of(columns.begin(), columns.end(), [row](const auto& column) { return column->IsNull(row); })) continue;
    key_.clear();
    for (const auto& column : columns) AppendKey(*column, row, &key_);
    bool made = false;
    LookupCache::Entry* entry = cache_.Pin(key_, now_ms, &made);
    batch.entries[static_cast<std::size_t>(row)] = entry;
    if (!made) {
      ++known;
      continue;
    }
    asked_rows.push_back(static_cast<std::uint32_t>(row));
    asked.push_back(entry);
  }
  if (hits_ != nullptr) hits_->Add(known);
  if (misses_ != nullptr) misses_->Add(asked.size());
  if (!asked.empty()) HR_RETURN_NOT_OK(AskFor(records, asked_rows, std::move(asked), &batch));
  batches_.push_back(std::move(batch));
  return EmitReady(out);
}

Status AsyncLookupJoin::AskFor(const arrow::RecordBatch& records, const std::vector<std::uint32_t>& rows,
                               std::vector<LookupCache::Entry*> entries, Batch* batch) {
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (const int key : keys_) {
    fields.push_back(records.schema()->field(key));
    columns.push_back(records.column_data(key));
  }
  const auto of_rows = arrow::RecordBatch::Make(arrow::schema(std::move(fields)), records.num_rows(), std::move(columns));
  HR_ASSIGN_OR_RAISE(const auto keys, columnar::GatherRows(*of_rows, rows));
  for (std::size_t at = 0; at < entries.size(); at += kQuestionKeys) {
    const std::size_t count = std::min(kQuestionKeys, entries.size() - at);
    Question& question = questions_[next_question_];
    question.keys = keys->Slice(static_cast<std::int64_t>(at), static_cast<std::int64_t>(count));
    question.entries.assign(entries.begin() + static_cast<std::ptrdiff_t>(at), entries.begin() + static_cast<std::ptrdiff_t>(at + count));
    question.batch = first_batch_ + batches_.size();
    question.deadline = clock_->Now() + options_.timeout;
    question.pause = options_.first_pause;
    ++batch->unanswered;
    Send(next_question_++, &question);
  }
  return Status::OK();
}

void AsyncLookupJoin::Send(std::uint64_t number, Question* question) {
  ++question->tries;
  question->again_at = MonotonicTime::max();
  if (asked_ != nullptr) asked_->Add(1);
  client_->Ask(question->keys, [mailbox = mailbox_, number](Result<connector::TableClient::Found> found) {
    mailbox->Put({number, std::move(found)});
  });
}

Status AsyncLookupJoin::Poll(op::Collector* out) {
  while (auto letter = mailbox_->Take()) HR_RETURN_NOT_OK(TakeAnswer(std::move(*letter)));
  if (!questions_.empty()) HR_RETURN_NOT_OK(AskAgain(clock_->Now()));
  return EmitReady(out);
}

Status AsyncLookupJoin::TakeAnswer(Letter letter) {
  const auto at = questions_.find(letter.question);
  HR_CHECK(at != questions_.end(), "an answer without a question");
  Question& question = at->second;
  if (!letter.found.ok()) {
    const Status& why = letter.found.status();
    if (WhoActsOn(why) != WhoActs::kTransient) return why;
    last_trouble_ = why;
    const MonotonicTime now = clock_->Now();
    if (now + question.pause >= question.deadline) return TimedOut(question, why);
    ShowWaiting(why.message());
    question.again_at = now + question.pause;
    question.pause = std::min(question.pause * 2, options_.last_pause);
    return Status::OK();
  }
  HR_RETURN_NOT_OK(cache_.Load(question.entries, *letter.found, clock_->WallTimeMs()));
  --batches_[question.batch - first_batch_].unanswered;
  questions_.erase(at);
  if (shows_waiting_) ShowWaiting({});
  AccountBytes();
  return Status::OK();
}

Status AsyncLookupJoin::AskAgain(MonotonicTime now) {
  for (auto& [number, question] : questions_) {
    if (now >= question.deadline) return TimedOut(question, last_trouble_);
    if (now >= question.again_at) Send(number, &question);
  }
  return Status::OK();
}

Status AsyncLookupJoin::TimedOut(const Question& question, const Status& why) const {
  const std::string reason = why.ok() ? "no answer came" : why.message();
  return Error(
      ErrorCode::kConnectorIo,
      fmt::format("{}: the rows of {} keys were not found within {} ms ({} tries): {}", client_->Describe(), question.entries.size(),
                  std::chrono::duration_cast<std::chrono::milliseconds>(options_.timeout).count(), question.tries, reason),
      "Check that PostgreSQL runs and can be reached; lookup_join(timeout=…) sets how long it is waited for.");
}

MonotonicTime AsyncLookupJoin::next_poll() const {
  MonotonicTime next = MonotonicTime::max();
  for (const auto& [number, question] : questions_) next = std::min({next, question.deadline, question.again_at});
  return next;
}

Status AsyncLookupJoin::EmitReady(op::Collector* out) {
  bool any = false;
  while (!batches_.empty() && batches_.front().unanswered == 0) {
    const Batch batch = std::move(batches_.front());
    HR_RETURN_NOT_OK(EmitBatch(batch, out));
    for (LookupCache::Entry* entry : batch.entries)
      if (entry != nullptr) cache_.Unpin(entry);
    batches_.pop_front();
    ++first_batch_;
    any = true;
  }
  if (!any) return Status::OK();
  HR_RETURN_NOT_OK(cache_.Compact());
  AccountBytes();
  return Status::OK();
}

Status AsyncLookupJoin::EmitBatch(const Batch& batch, op::Collector* out) {
  const arrow::RecordBatch& records = *batch.rows.records();
  const state::RowStore& rows = cache_.rows();
  probes_.clear();
  matches_.clear();
  for (std::uint32_t i = 0; i < batch.entries.size(); ++i) {
    std::uint32_t match = batch.entries[i] == nullptr ? state::RowStore::kNone : batch.entries[i]->first_row;
    if (match == state::RowStore::kNone && !options_.keep_unmatched) continue;
    do {
      probes_.push_back(i);
      matches_.push_back(match);
      if (probes_.size() == kPieceRows) HR_RETURN_NOT_OK(EmitPiece(records, out));
      match = match == state::RowStore::kNone ? match : rows.next(match);
    } while (match != state::RowStore::kNone);
  }
  return EmitPiece(records, out);
}

Status AsyncLookupJoin::EmitPiece(const arrow::RecordBatch& records, op::Collector* out) {
  if (probes_.empty()) return Status::OK();
  arrow::FieldVector fields;
  arrow::ArrayVector found;
  for (std::size_t c = 0; c < fields_.size(); ++c) {
    fields.push_back(fields_[c]->WithNullable(fields_[c]->nullable() || options_.keep_unmatched));
    HR_ASSIGN_OR_RAISE(auto column, cache_.rows().Gather(static_cast<int>(c), matches_));
    found.push_back(std::move(column));
  }
  HR_ASSIGN_OR_RAISE(auto joined, JoinFound(records, probes_, fields, found));
  probes_.clear();
  matches_.clear();
  return out->Emit(std::move(joined));
}

void AsyncLookupJoin::ShowWaiting(std::string why) {
  shows_waiting_ = !why.empty();
  if (on_waiting_) on_waiting_(std::move(why));
}

void AsyncLookupJoin::AccountBytes() {
  if (state_bytes_ == nullptr) return;
  const std::int64_t bytes = cache_.allocated_bytes();
  state_bytes_->fetch_add(bytes - std::exchange(accounted_bytes_, bytes), std::memory_order_relaxed);
}

}  // namespace headrace::data::window
