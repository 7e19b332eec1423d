#include "data/python/keyed_reduce.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "columnar/value_column.h"
#include "data/state/memory_table.h"

namespace headrace::data::python {

namespace {

const arrow::LargeBinaryArray& KeysOf(const columnar::DataBatch& batch) {
  return static_cast<const arrow::LargeBinaryArray&>(*batch.records()->column(batch.key_column()));
}

/// The hash column that the exchange sent along, or nullptr.
const std::uint64_t* HashesOf(const columnar::DataBatch& batch) {
  if (batch.key_hash_column() < 0) return nullptr;
  const auto& column = *batch.records()->column(batch.key_hash_column());
  if (column.type_id() != arrow::Type::UINT64 || column.null_count() != 0) return nullptr;
  return static_cast<const arrow::UInt64Array&>(column).raw_values();
}

}  // namespace

Status KeyedReduce::Open(const op::OperatorContext& context) {
  mailbox_ = std::make_shared<TripMailbox>(context.waker);
  table_ = std::make_unique<state::MemoryTable>(context.key_groups, context.max_parallelism);
  if (context.metrics != nullptr) {
    user_nanoseconds_ =
        context.metrics->GetCounter("headrace_python_function_nanoseconds_total", "Time spent inside Python functions", context.labels);
  }
  state_bytes_ = context.state_bytes;
  HR_ASSIGN_OR_RAISE(stage_, pool_->LoadStage(spec_, slot_, context.waker));
  return Status::OK();
}

bool KeyedReduce::accepting() const { return stage_ != nullptr && waiting_rows_ < 2 * trip_rows_; }

Status KeyedReduce::Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) {
  if (batch.key_column() < 0) return Error(ErrorCode::kInternal, "a keyed operator was given rows without keys");
  waiting_rows_ += batch.num_rows();
  waiting_.push_back(std::move(batch));
  return StartTrips();
}

Status KeyedReduce::Poll(op::Collector* out) {
  while (auto answer = mailbox_->Take()) {
    HR_RETURN_NOT_OK(answer->status());
    HR_RETURN_NOT_OK(Take(std::move(**answer), out));
  }
  HR_RETURN_NOT_OK(stage_->status());
  return StartTrips();
}

Status KeyedReduce::StartTrips() {
  while (!waiting_.empty() || head_) {
    if (!head_) {
      // While a trip is outstanding more rows gather, so that the next one is worth its way.
      if (!trips_.empty() && waiting_rows_ < trip_size_.rows()) return Status::OK();
      HR_RETURN_NOT_OK(JoinWaiting());
      const auto& keys = KeysOf(head_);
      const state::KeyRows rows{{keys.raw_value_offsets(), static_cast<std::size_t>(keys.length()) + 1}, keys.raw_data(), HashesOf(head_)};
      HR_RETURN_NOT_OK(table_->Resolve(rows, &grouping_));
      outstanding_.resize(static_cast<std::size_t>(table_->num_entries()), false);
    }
    if (!stage_->accepting() || SharesKey(grouping_.entries)) return Status::OK();
    HR_RETURN_NOT_OK(Send());
  }
  return Status::OK();
}

Status KeyedReduce::JoinWaiting() {
  std::vector<std::shared_ptr<arrow::RecordBatch>> parts;
  const std::int64_t limit = trip_size_.rows();
  std::int64_t rows = 0;
  while (!waiting_.empty() && (rows == 0 || rows + waiting_.front().num_rows() <= limit) &&
         (parts.empty() || parts.front()->schema()->Equals(*waiting_.front().records()->schema(), /*check_metadata=*/true))) {
    columnar::DataBatch& front = waiting_.front();
    const std::int64_t taken = std::min(front.num_rows(), limit);
    head_ = front.Slice(0, taken);
    rows += taken;
    parts.push_back(head_.records());
    if (taken < front.num_rows())
      front = front.Slice(taken, front.num_rows() - taken);
    else
      waiting_.pop_front();
  }
  if (parts.size() > 1) {
    HR_ASSIGN_OR_RAISE(auto joined, arrow::ConcatenateRecordBatches(parts));
    head_ = columnar::DataBatch(std::move(joined));
  }
  return Status::OK();
}

bool KeyedReduce::SharesKey(const std::vector<state::EntryId>& entries) {
  if (trips_.empty()) return false;
  for (const state::EntryId entry : entries) {
    if (outstanding_[entry]) return true;
  }
  return false;
}

Status KeyedReduce::Send() {
  ReduceInput reduce;
  reduce.groups = std::move(grouping_.groups);
  HR_RETURN_NOT_OK(table_->Read(grouping_.entries, &reduce.states));
  for (const state::EntryId entry : grouping_.entries) outstanding_[entry] = true;
  HR_RETURN_NOT_OK(
      stage_->RunReduce(head_, std::move(reduce), [mailbox = mailbox_](Result<StageResult> result) { mailbox->Put(std::move(result)); }));
  waiting_rows_ -= head_.num_rows();
  trips_.push_back({std::move(head_), std::move(grouping_.entries)});
  head_ = {};
  return Status::OK();
}

Status KeyedReduce::Take(StageResult result, op::Collector* out) {
  HR_CHECK(!trips_.empty(), "an answer without a trip");
  Trip trip = std::move(trips_.front());
  trips_.pop_front();
  trip_size_.Took(trip.batch.num_rows(), result.user_nanoseconds);
  if (result.states == nullptr || result.states->length() != static_cast<std::int64_t>(trip.entries.size()) ||
      result.batch.num_rows() != trip.batch.num_rows()) {
    return Error(ErrorCode::kPythonCrashed, "the Python worker answered a reduce with another number of rows or states");
  }
  std::vector<std::string_view> states(trip.entries.size());
  for (std::size_t i = 0; i < states.size(); ++i) states[i] = result.states->GetView(static_cast<std::int64_t>(i));
  HR_RETURN_NOT_OK(table_->Write(trip.entries, states));
  for (const state::EntryId entry : trip.entries) outstanding_[entry] = false;
  if (user_nanoseconds_) user_nanoseconds_->Add(result.user_nanoseconds);
  if (state_bytes_ != nullptr) {
    const std::int64_t bytes = table_->allocated_bytes();
    state_bytes_->fetch_add(bytes - counted_bytes_, std::memory_order_relaxed);
    counted_bytes_ = bytes;
  }
  const auto& values = result.batch;
  HR_ASSIGN_OR_RAISE(const auto form, columnar::FormOf(*values.records()->schema()->field(values.value_column())));
  HR_ASSIGN_OR_RAISE(auto keyed, columnar::MakeValueBatch(form, values.records()->column(values.value_column()),
                                                          trip.batch.records()->column(trip.batch.key_column())));
  if (trip.batch.event_time_column() < 0) return out->Emit(std::move(keyed));
  const int times = trip.batch.event_time_column();
  HR_ASSIGN_OR_RAISE(auto timed, keyed.records()->AddColumn(keyed.records()->num_columns(), trip.batch.records()->schema()->field(times),
                                                            trip.batch.records()->column(times)));
  return out->Emit(columnar::DataBatch(std::move(timed)));
}

}  // namespace headrace::data::python
