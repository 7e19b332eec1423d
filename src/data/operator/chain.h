#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "columnar/stream_element.h"
#include "data/operator/operator.h"

namespace headrace::data::op {

/// One operator of a chain with the names that people know it by.
struct ChainLink {
  std::unique_ptr<Operator> op;
  std::string name;  ///< for metrics: "parse", or "split -> pair" when several verbs are one operator
  std::string uid;
  std::string describe;  ///< for errors: `map "parse" (uid 1a2b, job.py:12)`
  std::string location;  ///< file:line of the (first) verb
};

/// Pushes elements through operators in order. Keeps two promises: no control element passes a batch that came before it,
/// also when that batch is outstanding on the side (checked); and what is queued between operators stays small, because a
/// link is only run while the queue behind it is short.
/// Owned by its task, used on the task's thread only.
class Chain {
 public:
  explicit Chain(std::vector<ChainLink> links);
  ~Chain();
  /// Opens all operators; `context.labels` gets an `operator` label for each.
  Status Open(const OperatorContext& context);
  /// True when the head takes another element now.
  bool accepting() const;
  /// Queues an element for the head. Batches only while accepting(); control elements always.
  Status Push(std::uint32_t input, columnar::StreamElement element);
  /// Runs everything that can run without waiting. True when anything moved.
  Result<bool> Step();
  /// What left the last operator, in order.
  bool has_output() const { return !queues_.back().empty(); }
  columnar::StreamElement TakeOutput();
  /// Rows of side outputs; they stand before whatever output follows.
  struct SideRows {
    std::string tag;
    columnar::DataBatch batch;
  };
  bool has_side_rows() const { return !side_rows_.empty(); }
  SideRows TakeSideRows();
  /// When an operator wants to be polled at the latest.
  MonotonicTime next_poll() const;
  /// True while a batch or element is anywhere inside, or an operator is busy.
  bool busy() const;
  /// The operator that the last error came from; nullptr when the error was not an operator's.
  const ChainLink* failed_link() const { return failed_ < links_.size() ? &links_[failed_] : nullptr; }
  const ChainLink* FindLink(const std::string& uid) const;
  const std::vector<ChainLink>& links() const { return links_; }
  void RequestStop();

 private:
  struct Queued {
    std::uint32_t input;
    columnar::StreamElement element;
  };
  /// How far the control element at the head of a queue has come.
  enum class ControlPhase { kNone, kFlushed, kFinished };
  class LinkCollector;
  struct LinkMetrics {
    std::shared_ptr<Counter> records_in, records_out, bytes_in, bytes_out;
  };
  Result<bool> StepLink(std::size_t index);
  /// True when the element moved on.
  Result<bool> StepControl(std::size_t index);
  void MoveControl(std::size_t index);

  std::vector<ChainLink> links_;
  std::vector<std::deque<Queued>> queues_;  // queues_[i] feeds operator i; the last one is the output
  std::deque<SideRows> side_rows_;
  std::vector<ControlPhase> phases_;
  std::vector<bool> ended_;
  std::vector<std::unique_ptr<LinkCollector>> collectors_;
  std::vector<LinkMetrics> metrics_;
  std::size_t failed_ = static_cast<std::size_t>(-1);
};

}  // namespace headrace::data::op
