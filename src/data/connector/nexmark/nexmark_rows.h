#pragma once
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "columnar/data_batch.h"
#include "data/connector/nexmark/nexmark_model.h"

namespace headrace::data::connector::nexmark {

/// Makes chosen columns of one Nexmark table for ranges of positions. Shape: ids, prices int64; texts utf8; date_time and
/// expires timestamp[ms, UTC]; and the reserved event time. Owned by a reader, its thread only.
class RowMaker {
 public:
  /// `columns` empty: all of the table, in the order of ColumnsOf(). Invalid for a column that the table does not have.
  static Result<RowMaker> Make(const Model& model, Table table, const std::vector<std::string>& columns);
  static const std::vector<std::string>& ColumnsOf(Table table);
  /// The rows of the table among positions [first, last); an empty DataBatch when there are none.
  Result<columnar::DataBatch> Rows(std::int64_t first, std::int64_t last);
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }

 private:
  using Filler = Result<std::shared_ptr<arrow::Array>> (RowMaker::*)();
  struct Column {
    std::string name;
    Filler fill;
  };
  RowMaker(const Model& model, Table table) : model_(model), table_(table) {}
  static const std::vector<Column>& AllColumns(Table table);
  void SelectEvents(std::int64_t first, std::int64_t last);
  template <typename NumberOf>
  Result<std::shared_ptr<arrow::Array>> Numbers(NumberOf make, bool timestamps = false);
  template <typename Append>
  Result<std::shared_ptr<arrow::Array>> Texts(Append append);

  Result<std::shared_ptr<arrow::Array>> BidAuction();
  Result<std::shared_ptr<arrow::Array>> Bidder();
  Result<std::shared_ptr<arrow::Array>> BidPrice();
  Result<std::shared_ptr<arrow::Array>> Channel();
  Result<std::shared_ptr<arrow::Array>> Url();
  Result<std::shared_ptr<arrow::Array>> BidExtra();
  Result<std::shared_ptr<arrow::Array>> AuctionId();
  Result<std::shared_ptr<arrow::Array>> Item();
  Result<std::shared_ptr<arrow::Array>> Description();
  Result<std::shared_ptr<arrow::Array>> InitialBid();
  Result<std::shared_ptr<arrow::Array>> Reserve();
  Result<std::shared_ptr<arrow::Array>> Expires();
  Result<std::shared_ptr<arrow::Array>> Seller();
  Result<std::shared_ptr<arrow::Array>> Category();
  Result<std::shared_ptr<arrow::Array>> AuctionExtra();
  Result<std::shared_ptr<arrow::Array>> PersonId();
  Result<std::shared_ptr<arrow::Array>> PersonName();
  Result<std::shared_ptr<arrow::Array>> Email();
  Result<std::shared_ptr<arrow::Array>> Card();
  Result<std::shared_ptr<arrow::Array>> City();
  Result<std::shared_ptr<arrow::Array>> State();
  Result<std::shared_ptr<arrow::Array>> PersonExtra();
  Result<std::shared_ptr<arrow::Array>> DateTime();

  Model model_;
  Table table_;
  std::vector<Column> columns_;
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::int64_t> events_;  // of the range in hand
  std::string text_;
};

}  // namespace headrace::data::connector::nexmark
