#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/state/text_interner.h"

namespace headrace::data::window {

/// Key columns as words of a group table, and back. Equal keys give equal words: -0.0 is 0.0, every NaN the same; a null key is a
/// group of its own. Columns: ints, bool, floats, date, time, timestamp, duration (a word each), decimal (two), text and binary (the
/// number of an interned string). Owned by an operator, its thread only.
class KeyWords {
 public:
  /// Invalid for a column that cannot be one.
  static Result<KeyWords> Make(const arrow::Schema& schema, const std::vector<std::string>& names);
  std::uint32_t words() const { return words_; }
  /// False: all rows are one group.
  bool has_columns() const { return !columns_.empty(); }
  /// Words of all rows, by word; until the next call.
  Result<std::vector<const std::uint64_t*>> Encode(const arrow::RecordBatch& batch) { return EncodeColumns(batch, /*leading=*/false); }
  /// The same of a batch that begins with the key columns, as Decode() gives them.
  Result<std::vector<const std::uint64_t*>> EncodeLeading(const arrow::RecordBatch& batch) {
    return EncodeColumns(batch, /*leading=*/true);
  }
  /// The key columns of rows given by pointers to their key words.
  Result<arrow::ArrayVector> Decode(const std::uint64_t* const* keys, std::int64_t count) const;

  /// True when strings should be looked through: StartMarking(), Mark() every key in use, then SweepSome() until it is true; other calls
  /// may come in between, and the keys they encode are in use. Or Mark() all and Sweep(). Without text columns never.
  bool wants_sweep() const;
  void StartMarking();
  void Mark(const std::uint64_t* key);
  bool SweepSome(std::int64_t most);
  void Sweep();
  std::int64_t allocated_bytes() const;

 private:
  struct Column {
    int index;
    std::shared_ptr<arrow::DataType> type;
    bool nullable;
    std::uint32_t word;  // its first
    std::unique_ptr<state::TextInterner> texts;
  };
  Result<std::vector<const std::uint64_t*>> EncodeColumns(const arrow::RecordBatch& batch, bool leading);
  Status EncodeColumn(std::size_t c, const arrow::ArrayData& data);
  Result<std::shared_ptr<arrow::Array>> DecodeColumn(std::size_t c, const std::uint64_t* const* keys, std::int64_t count) const;

  std::vector<Column> columns_;
  std::uint32_t words_ = 0;
  std::size_t sweeping_ = 0;                       // the column at which SweepSome() goes on
  bool has_nulls_word_ = false;                    // the last word: a bit for each null column
  std::vector<std::vector<std::uint64_t>> space_;  // by word
};

}  // namespace headrace::data::window
