#include "data/operator/chain.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace headrace::data::op {

namespace {

// Batches that may wait in front of an operator: enough to keep one busy, few enough to keep memory and barriers short.
constexpr std::size_t kQueueLimit = 4;

}  // namespace

class Chain::LinkCollector final : public Collector {
 public:
  LinkCollector(Chain* chain, std::size_t index) : chain_(chain), index_(index) {}
  Status Emit(columnar::DataBatch batch) override {
    const std::int64_t rows = batch.num_rows();
    if (rows == 0) return Status::OK();
    HR_CHECK(!chain_->ended_[index_], "an operator emitted after its end");
    auto& metrics = chain_->metrics_[index_];
    if (metrics.records_out) {
      metrics.records_out->Add(static_cast<std::uint64_t>(rows));
      metrics.bytes_out->Add(static_cast<std::uint64_t>(batch.size_bytes()));
    }
    chain_->queues_[index_ + 1].push_back({0, std::move(batch)});
    return Status::OK();
  }
  Status EmitSide(std::string_view tag, columnar::DataBatch batch) override {
    if (batch.num_rows() > 0) chain_->side_rows_.push_back({std::string(tag), std::move(batch)});
    return Status::OK();
  }
  Status EmitWatermark(columnar::Watermark watermark) override {
    HR_CHECK(watermark.event_time_ms >= last_watermark_ms_, "a watermark went back");
    last_watermark_ms_ = watermark.event_time_ms;
    chain_->queues_[index_ + 1].push_back({0, watermark});
    return Status::OK();
  }
  Status EmitStatus(columnar::WatermarkStatus status) override {
    chain_->queues_[index_ + 1].push_back({0, status});
    return Status::OK();
  }

 private:
  Chain* chain_;
  std::size_t index_;
  std::int64_t last_watermark_ms_ = std::numeric_limits<std::int64_t>::min();
};

Chain::Chain(std::vector<ChainLink> links)
    : links_(std::move(links)),
      queues_(links_.size() + 1),
      phases_(links_.size(), ControlPhase::kNone),
      ended_(links_.size(), false),
      metrics_(links_.size()) {
  for (std::size_t i = 0; i < links_.size(); ++i) collectors_.push_back(std::make_unique<LinkCollector>(this, i));
}

Chain::~Chain() = default;

Status Chain::Open(const OperatorContext& context) {
  for (std::size_t i = 0; i < links_.size(); ++i) {
    OperatorContext own = context;
    own.labels.emplace_back("operator", links_[i].name);
    if (!own.vertex.empty()) own.vertex.append(1, '/').append(std::to_string(i));
    if (own.metrics != nullptr) {
      metrics_[i] = {own.metrics->GetCounter("headrace_records_in_total", "Records that operators took", own.labels),
                     own.metrics->GetCounter("headrace_records_out_total", "Records that operators emitted", own.labels),
                     own.metrics->GetCounter("headrace_bytes_in_total", "Bytes of the records that operators took", own.labels),
                     own.metrics->GetCounter("headrace_bytes_out_total", "Bytes of the records that operators emitted", own.labels)};
    }
    failed_ = i;
    HR_RETURN_NOT_OK(links_[i].op->Open(own));
  }
  failed_ = static_cast<std::size_t>(-1);
  return Status::OK();
}

bool Chain::accepting() const {
  if (queues_.front().size() >= (links_.empty() ? kQueueLimit : 1)) return false;
  return links_.empty() || (!ended_[0] && links_[0].op->accepting());
}

Status Chain::Push(std::uint32_t input, columnar::StreamElement element) {
  HR_CHECK(links_.empty() || !ended_[0], "an element after the end of input");
  queues_.front().push_back({input, std::move(element)});
  return Status::OK();
}

Result<bool> Chain::Step() {
  bool moved = false;
  for (std::size_t i = 0; i < links_.size(); ++i) {
    failed_ = i;
    HR_ASSIGN_OR_RAISE(bool link_moved, StepLink(i));
    moved = moved || link_moved;
  }
  failed_ = static_cast<std::size_t>(-1);
  return moved;
}

Result<bool> Chain::StepLink(std::size_t index) {
  Operator& op = *links_[index].op;
  auto& in = queues_[index];
  auto& out = queues_[index + 1];
  const std::size_t before_out = out.size();
  bool moved = false;
  if (out.size() < kQueueLimit && !ended_[index]) HR_RETURN_NOT_OK(op.Poll(collectors_[index].get()));
  while (!in.empty() && out.size() < kQueueLimit) {
    if (!columnar::IsData(in.front().element)) {
      HR_ASSIGN_OR_RAISE(bool passed, StepControl(index));
      if (!passed) break;
      moved = true;
      continue;
    }
    if (!op.accepting()) break;
    Queued queued = std::move(in.front());
    in.pop_front();
    auto& batch = std::get<columnar::DataBatch>(queued.element);
    if (metrics_[index].records_in) {
      metrics_[index].records_in->Add(static_cast<std::uint64_t>(batch.num_rows()));
      metrics_[index].bytes_in->Add(static_cast<std::uint64_t>(batch.size_bytes()));
    }
    HR_RETURN_NOT_OK(op.Process(queued.input, std::move(batch), collectors_[index].get()));
    moved = true;
  }
  return moved || out.size() != before_out;
}

Result<bool> Chain::StepControl(std::size_t index) {
  Operator& op = *links_[index].op;
  Collector* out = collectors_[index].get();
  auto& phase = phases_[index];
  if (op.busy()) return false;
  const columnar::StreamElement& element = queues_[index].front().element;
  if (phase == ControlPhase::kNone) {
    HR_RETURN_NOT_OK(op.Flush(out));
    phase = ControlPhase::kFlushed;
    if (op.busy()) return false;
  }
  if (phase == ControlPhase::kFlushed) {
    if (const auto* barrier = std::get_if<columnar::Barrier>(&element)) HR_RETURN_NOT_OK(op.OnBarrier(*barrier));
    if (const auto* watermark = std::get_if<columnar::Watermark>(&element)) HR_RETURN_NOT_OK(op.OnWatermark(*watermark, out));
    if (const auto* status = std::get_if<columnar::WatermarkStatus>(&element)) HR_RETURN_NOT_OK(op.OnWatermarkStatus(*status, out));
    if (std::holds_alternative<columnar::EndOfInput>(element)) HR_RETURN_NOT_OK(op.Finish(out));
    phase = ControlPhase::kFinished;
    if (op.busy()) return false;
  }
  MoveControl(index);
  return true;
}

void Chain::MoveControl(std::size_t index) {
  HR_CHECK(!links_[index].op->busy(), "a control element passes an outstanding batch");
  Queued queued = std::move(queues_[index].front());
  queues_[index].pop_front();
  phases_[index] = ControlPhase::kNone;
  if (std::holds_alternative<columnar::EndOfInput>(queued.element)) {
    HR_CHECK(queues_[index].empty(), "elements behind the end of input");
    ended_[index] = true;
  }
  const bool of_time =
      std::holds_alternative<columnar::Watermark>(queued.element) || std::holds_alternative<columnar::WatermarkStatus>(queued.element);
  if (of_time && !links_[index].op->passes_watermarks()) return;
  queues_[index + 1].push_back({0, std::move(queued.element)});
}

columnar::StreamElement Chain::TakeOutput() {
  HR_CHECK(!queues_.back().empty(), "TakeOutput() without output");
  columnar::StreamElement element = std::move(queues_.back().front().element);
  queues_.back().pop_front();
  return element;
}

Chain::SideRows Chain::TakeSideRows() {
  HR_CHECK(!side_rows_.empty(), "TakeSideRows() without any");
  SideRows rows = std::move(side_rows_.front());
  side_rows_.pop_front();
  return rows;
}

MonotonicTime Chain::next_poll() const {
  MonotonicTime next = MonotonicTime::max();
  for (std::size_t i = 0; i < links_.size(); ++i) {
    // One that cannot emit is not polled; it is as soon as there is room.
    if (queues_[i + 1].size() < kQueueLimit && !ended_[i]) next = std::min(next, links_[i].op->next_poll());
  }
  return next;
}

bool Chain::busy() const {
  if (!side_rows_.empty()) return true;
  for (const auto& queue : queues_) {
    if (!queue.empty()) return true;
  }
  for (const auto& link : links_) {
    if (link.op->busy()) return true;
  }
  return false;
}

const ChainLink* Chain::FindLink(const std::string& uid) const {
  for (const auto& link : links_) {
    if (link.uid == uid) return &link;
  }
  return nullptr;
}

void Chain::RequestStop() {
  for (auto& link : links_) link.op->RequestStop();
}

}  // namespace headrace::data::op
