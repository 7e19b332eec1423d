#include "data/connector/nexmark/nexmark_rows.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/buffer_builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include <utility>

#include "data/connector/nexmark/nexmark_texts.h"

namespace headrace::data::connector::nexmark {
namespace {

using Text = void (*)(const Model&, std::int64_t, std::string*);

/// Bytes of the numbers of a row, as the benchmark counts them.
constexpr std::int64_t kBidBytes = 32, kAuctionBytes = 48, kPersonBytes = 8;

std::string_view NameOf(Table table) { return table == Table::kBid ? "bid" : table == Table::kAuction ? "auction" : "person"; }

}  // namespace

const std::vector<RowMaker::Column>& RowMaker::AllColumns(Table table) {
  static const std::vector<Column> bid = {
      {"auction", &RowMaker::BidAuction}, {"bidder", &RowMaker::Bidder}, {"price", &RowMaker::BidPrice},
      {"channel", &RowMaker::Channel},    {"url", &RowMaker::Url},       {"date_time", &RowMaker::DateTime},
      {"extra", &RowMaker::BidExtra}};
  static const std::vector<Column> auction = {
      {"id", &RowMaker::AuctionId},           {"item_name", &RowMaker::Item},  {"description", &RowMaker::Description},
      {"initial_bid", &RowMaker::InitialBid}, {"reserve", &RowMaker::Reserve}, {"date_time", &RowMaker::DateTime},
      {"expires", &RowMaker::Expires},        {"seller", &RowMaker::Seller},   {"category", &RowMaker::Category},
      {"extra", &RowMaker::AuctionExtra}};
  static const std::vector<Column> person = {
      {"id", &RowMaker::PersonId}, {"name", &RowMaker::PersonName}, {"email_address", &RowMaker::Email}, {"credit_card", &RowMaker::Card},
      {"city", &RowMaker::City},   {"state", &RowMaker::State},     {"date_time", &RowMaker::DateTime},  {"extra", &RowMaker::PersonExtra}};
  return table == Table::kBid ? bid : table == Table::kAuction ? auction : person;
}

const std::vector<std::string>& RowMaker::ColumnsOf(Table table) {
  static const auto names = [](Table of) {
    std::vector<std::string> all;
    for (const Column& column : AllColumns(of)) all.push_back(column.name);
    return all;
  };
  static const std::vector<std::string> bid = names(Table::kBid), auction = names(Table::kAuction), person = names(Table::kPerson);
  return table == Table::kBid ? bid : table == Table::kAuction ? auction : person;
}

Result<RowMaker> RowMaker::Make(const Model& model, Table table, const std::vector<std::string>& columns) {
  RowMaker maker(model, table);
  const std::vector<Column>& all = AllColumns(table);
  if (columns.empty()) maker.columns_ = all;
  for (const std::string& name : columns) {
    const Column* found = nullptr;
    for (const Column& column : all) found = column.name == name ? &column : found;
    if (found == nullptr) {
      return Error(ErrorCode::kBadOption, fmt::format("nexmark table \"{}\" has no column \"{:.100}\"", NameOf(table), name),
                   fmt::format("It has {}.", fmt::join(ColumnsOf(table), ", ")));
    }
    maker.columns_.push_back(*found);
  }
  return maker;
}

void RowMaker::SelectEvents(std::int64_t first, std::int64_t last) {
  events_.clear();
  if (model_.disorder > 1 || table_ != Table::kBid) {
    for (std::int64_t position = first; position < last; ++position) {
      const std::int64_t event = model_.EventAt(position);
      if (Model::TableOf(event) == table_) events_.push_back(event);
    }
    return;
  }
  for (std::int64_t event = first; event < last;) {
    const std::int64_t epoch = event / Model::kEpoch * Model::kEpoch, end = std::min(epoch + Model::kEpoch, last);
    for (event = std::max(event, epoch + 1 + Model::kAuctionsPerEpoch); event < end; ++event) events_.push_back(event);
    event = end;
  }
}

template <typename NumberOf>
Result<std::shared_ptr<arrow::Array>> RowMaker::Numbers(NumberOf make, bool timestamps) {
  const auto rows = static_cast<std::int64_t>(events_.size());
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(rows * 8));
  auto* out = reinterpret_cast<std::int64_t*>(buffer->mutable_data());
  for (std::size_t i = 0; i < events_.size(); ++i) out[i] = make(events_[i]);
  static const auto timestamp = arrow::timestamp(arrow::TimeUnit::MILLI, "UTC");
  return arrow::MakeArray(arrow::ArrayData::Make(timestamps ? timestamp : arrow::int64(), rows, {nullptr, std::move(buffer)}, 0));
}

template <typename Append>
Result<std::shared_ptr<arrow::Array>> RowMaker::Texts(Append append) {
  const auto rows = static_cast<std::int64_t>(events_.size());
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> offsets, arrow::AllocateBuffer((rows + 1) * 4));
  auto* out = reinterpret_cast<std::int32_t*>(offsets->mutable_data());
  text_.clear();
  for (std::size_t i = 0; i < events_.size(); ++i) {
    out[i] = static_cast<std::int32_t>(text_.size());
    append(events_[i], &text_);
  }
  out[rows] = static_cast<std::int32_t>(text_.size());
  HR_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bytes, arrow::AllocateBuffer(static_cast<std::int64_t>(text_.size())));
  std::copy(text_.begin(), text_.end(), reinterpret_cast<char*>(bytes->mutable_data()));
  return arrow::MakeArray(arrow::ArrayData::Make(arrow::utf8(), rows, {nullptr, std::move(offsets), std::move(bytes)}, 0));
}

Result<columnar::DataBatch> RowMaker::Rows(std::int64_t first, std::int64_t last) {
  SelectEvents(first, last);
  if (events_.empty()) return columnar::DataBatch();
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  for (const Column& column : columns_) {
    HR_ASSIGN_OR_RAISE(auto array, (this->*column.fill)());
    arrays.push_back(std::move(array));
  }
  HR_ASSIGN_OR_RAISE(auto times, Numbers([this](std::int64_t event) { return model_.TimeMs(event); }));
  arrays.push_back(std::move(times));
  if (schema_ == nullptr) {
    arrow::FieldVector fields;
    for (std::size_t i = 0; i < columns_.size(); ++i)
      fields.push_back(arrow::field(columns_[i].name, arrays[i]->type(), /*nullable=*/false));
    fields.push_back(arrow::field(std::string(columnar::kEventTimeColumn), arrow::int64(), /*nullable=*/false));
    schema_ = arrow::schema(std::move(fields));
  }
  return columnar::DataBatch(arrow::RecordBatch::Make(schema_, static_cast<std::int64_t>(events_.size()), std::move(arrays)));
}

#define HR_NUMBERS(column, ...)                                         \
  Result<std::shared_ptr<arrow::Array>> RowMaker::column() {            \
    return Numbers([this](std::int64_t event) { return __VA_ARGS__; }); \
  }
#define HR_TEXTS(column, ...)                                                    \
  Result<std::shared_ptr<arrow::Array>> RowMaker::column() {                     \
    return Texts([this](std::int64_t event, std::string* out) { __VA_ARGS__; }); \
  }

HR_NUMBERS(BidAuction, model_.BidAuction(event))
HR_NUMBERS(Bidder, model_.Bidder(event))
HR_NUMBERS(BidPrice, model_.Price(event, Draw::kPrice))
HR_NUMBERS(AuctionId, Model::AuctionId(event))
HR_NUMBERS(InitialBid, model_.Price(event, Draw::kInitialBid))
HR_NUMBERS(Reserve, model_.Price(event, Draw::kInitialBid) + model_.Price(event, Draw::kReserve))
HR_NUMBERS(Seller, model_.Seller(event))
HR_NUMBERS(Category, model_.Category(event))
HR_NUMBERS(PersonId, Model::PersonId(event))
HR_TEXTS(Channel, AppendChannel(model_, event, out))
HR_TEXTS(Url, AppendUrl(model_, event, out))
HR_TEXTS(Item, AppendWords(model_, event, Draw::kItem, 20, out))
HR_TEXTS(Description, AppendWords(model_, event, Draw::kDescription, 100, out))
HR_TEXTS(PersonName, AppendPersonName(model_, event, out))
HR_TEXTS(Email, AppendEmail(model_, event, out))
HR_TEXTS(Card, AppendCard(model_, event, out))
HR_TEXTS(City, AppendCity(model_, event, out))
HR_TEXTS(State, AppendState(model_, event, out))
HR_TEXTS(BidExtra, AppendExtra(model_, event, Draw::kBidExtra, Draw::kBidExtraSize, kBidBytes, 100, out))

#undef HR_NUMBERS
#undef HR_TEXTS

Result<std::shared_ptr<arrow::Array>> RowMaker::AuctionExtra() {
  return Texts([this](std::int64_t event, std::string* out) {
    std::string texts;
    AppendWords(model_, event, Draw::kItem, 20, &texts);
    AppendWords(model_, event, Draw::kDescription, 100, &texts);
    AppendExtra(model_, event, Draw::kAuctionExtra, Draw::kAuctionExtraSize, kAuctionBytes + static_cast<std::int64_t>(texts.size()), 500,
                out);
  });
}

Result<std::shared_ptr<arrow::Array>> RowMaker::PersonExtra() {
  return Texts([this](std::int64_t event, std::string* out) {
    std::string texts;
    for (const Text append : {&AppendPersonName, &AppendEmail, &AppendCard, &AppendCity, &AppendState}) append(model_, event, &texts);
    AppendExtra(model_, event, Draw::kPersonExtra, Draw::kPersonExtraSize, kPersonBytes + static_cast<std::int64_t>(texts.size()), 200,
                out);
  });
}

Result<std::shared_ptr<arrow::Array>> RowMaker::DateTime() {
  return Numbers([this](std::int64_t event) { return model_.TimeMs(event); }, /*timestamps=*/true);
}

Result<std::shared_ptr<arrow::Array>> RowMaker::Expires() {
  return Numbers([this](std::int64_t event) { return model_.ExpiresMs(event); }, /*timestamps=*/true);
}

}  // namespace headrace::data::connector::nexmark
