#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "data/expression/evaluator.h"
#include "plan/relational.h"

namespace headrace::data::window {

/// Says at which rows a group of a window comes early. It is a tree of conditions; each remembers that it held until the trigger fires, so
/// that "all of" may come true over several rows. Its state stands in words of whoever holds the groups; all zero is the state of no rows.
/// Errors: kExpressionFailed of an expression.
/// Owned by its operator, used on the task's thread only.
class RowTrigger {
 public:
  /// Null when `trigger` names no rows. Invalid for expressions that do not fit.
  static Result<std::unique_ptr<RowTrigger>> Make(const plan::Trigger& trigger, const std::shared_ptr<arrow::Schema>& input);

  /// Of the state; the first one counts rows since the trigger fired last.
  std::uint32_t words() const { return words_; }
  /// Whether a group that came begins anew.
  bool purges() const { return purges_; }
  /// Looks at a batch; Counts() is about its rows until the next call.
  Status Evaluate(const arrow::RecordBatch& batch);
  void GoTo(std::int64_t row) { row_ = row; }
  /// Takes the row in hand in; true when the trigger fires, and its state begins anew.
  bool Counts(std::uint64_t* state) const;
  /// Two groups become one.
  void Merge(std::uint64_t* into, const std::uint64_t* from) const;

 private:
  using Kind = plan::RowTrigger::Kind;
  struct Node {
    Kind kind;
    std::uint64_t rows = 0;
    double threshold = 0;
    int result = -1;         // of the evaluator
    std::uint32_t word = 0;  // of the state: kWhen has one, kDelta two
    std::vector<Node> parts;
  };
  Status Compile(const plan::RowTrigger& trigger, const arrow::Schema& input, std::vector<plan::TypedExpression>* expressions, Node* node);
  void Take(const Node& node, std::uint64_t* state) const;
  bool Holds(const Node& node, const std::uint64_t* state) const;
  void Reset(const Node& node, std::uint64_t* state) const;
  void Join(const Node& node, std::uint64_t* into, const std::uint64_t* from) const;
  /// Whether the row in hand has a value in `result`.
  bool Has(int result) const;

  Node root_{Kind::kRows, 0, 0, -1, 0, {}};
  std::uint32_t words_ = 1;
  bool purges_ = false;
  std::unique_ptr<expression::Evaluator> evaluator_;
  std::vector<std::shared_ptr<arrow::Array>> results_;  // of the batch in hand
  std::int64_t row_ = 0;
};

}  // namespace headrace::data::window
