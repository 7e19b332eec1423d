#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/expression/nested_column.h"
#include "data/expression/vector.h"
#include "plan/typed_expression.h"

namespace headrace::data::expression {

struct Frame;

/// One kernel call over a chunk. `a`, `b`, `c` and `more` are registers.
struct Instruction {
  void (*run)(const Instruction&, Frame&) = nullptr;
  int out = -1, a = -1, b = -1, c = -1;
  std::vector<int> more;
  std::int64_t number = 0;  ///< of kernels that need one: a scale, a unit
  Int128 wide = 0, wide2 = 0;
  bool or_null = false;                ///< errors of the kernel are nulls
  std::shared_ptr<const void> helper;  ///< of kernels that need one: a compiled pattern, a format
};

/// What kernels see.
struct Frame {
  std::vector<Vector> registers;
  std::vector<std::vector<std::uint8_t>> flaw_space;  ///< by register, kChunkRows
  std::int64_t rows = 0;                              ///< of the chunk
  std::deque<std::string> texts;                      ///< bytes that text kernels made, until the chunk is written out
  std::size_t texts_used = 0;
  /// Empty space for made text that does not move.
  std::string* NewText();
  std::uint8_t* FlawsOf(int reg) { return flaw_space[static_cast<std::size_t>(reg)].data(); }
};

/// Expressions as a straight line of kernel calls over registers. Compiled once for a schema; run chunk by chunk.
class Program {
 public:
  static Result<std::unique_ptr<Program>> Compile(const std::vector<plan::TypedExpression>& roots,
                                                  const std::shared_ptr<arrow::Schema>& schema);
  ~Program();
  Result<arrow::ArrayVector> Run(const arrow::RecordBatch& batch);
  /// Of a program with one root, a condition: the rows for which it is true are the first of `rows`; gives their number.
  Result<std::size_t> Select(const arrow::RecordBatch& batch, std::vector<std::uint32_t>* rows);

  static Result<Physical> PhysicalOf(const arrow::DataType& type);

 private:
  struct Load;
  struct Root;
  struct Nested;
  class Compiler;
  Program();
  Status MakeNested(const arrow::RecordBatch& batch);
  std::shared_ptr<arrow::Array> ColumnOf(const arrow::RecordBatch& batch, int column) const;
  Status LoadChunk(const arrow::RecordBatch& batch, std::int64_t first, std::int64_t rows);
  Status Explain(const Root& root, const arrow::RecordBatch& batch, std::int64_t row, std::uint8_t flaw) const;

  std::vector<Instruction> instructions_;
  std::vector<Nested> nested_;
  arrow::ArrayVector nested_arrays_;  // of the batch in hand
  int columns_ = 0;                   // of the schema; loads and roots count nested_ behind them
  std::vector<Load> loads_;
  std::vector<Root> roots_;
  std::vector<std::vector<std::uint64_t>> value_space_;  // by register; empty for columns that are read in place
  std::vector<std::shared_ptr<arrow::Array>> literals_;  // text literals are read where they lie
  Frame frame_;
};

}  // namespace headrace::data::expression
