#pragma once
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "columnar/key_encoding.h"
#include "columnar/value_column.h"
#include "columnar/value_encoding.h"
#include "data/python/worker_error.h"
#include "data/python/worker_pool.h"

namespace headrace::data::task {

/// Runs a few functions by name instead of Python: "split" (flat_map), "self" (key_by), "count" (reduce: number of rows of the
/// key), "boom" (map: raises). Answers wait until Deliver() is called, so that a test decides when they come. One thread.
class FakeWorkerPool final : public python::WorkerPool {
 public:
  explicit FakeWorkerPool(Random* random) : random_(random) {}
  Result<std::unique_ptr<python::Stage>> LoadStage(const python::StageSpec& spec, std::uint32_t, Waker*) override {
    return std::make_unique<FakeStage>(this, spec);
  }
  std::vector<int> pids() const override { return {}; }
  void RequestStop() override {}
  void Join() override {}
  /// Answers the oldest trip of a stage drawn at random; false when none is outstanding.
  bool Deliver() {
    std::vector<FakeStage*> busy;
    for (auto* stage : stages_) {
      if (!stage->trips_.empty()) busy.push_back(stage);
    }
    if (busy.empty()) return false;
    auto& stage = *busy[random_->Uniform(busy.size())];
    auto trip = std::move(stage.trips_.front());
    stage.trips_.pop_front();
    trip.first(std::move(trip.second));
    return true;
  }

 private:
  struct FakeStage final : python::Stage {
    FakeStage(FakeWorkerPool* pool, python::StageSpec spec) : pool_(pool), spec_(std::move(spec)) { pool_->stages_.push_back(this); }
    ~FakeStage() override { std::erase(pool_->stages_, this); }
    bool accepting() const override { return trips_.size() < 3; }
    Status status() const override { return Status::OK(); }
    Status Run(columnar::DataBatch batch, python::StageCallback done) override {
      trips_.emplace_back(std::move(done), Apply(std::move(batch)));
      return Status::OK();
    }
    Status RunTrip(const python::TripBody&, python::TripCallback) override { return Status::NotImplemented("trips of kinds"); }
    Status RunReduce(columnar::DataBatch batch, python::ReduceInput input, python::StageCallback done) override {
      std::vector<std::int64_t> counts;
      for (const auto& state : input.states) counts.push_back(state.empty() ? 0 : columnar::DecodeValue(state)->integer);
      columnar::ValueBatchBuilder values(columnar::ValueForm::kInt64);
      for (const auto group : input.groups) HR_RETURN_NOT_OK(values.AppendInt(++counts[static_cast<std::size_t>(group)]));
      arrow::LargeBinaryBuilder states;
      for (const auto count : counts) {
        std::string encoded;
        columnar::ValueWriter(&encoded).Int(count);
        HR_RETURN_NOT_OK(states.Append(encoded));
      }
      python::StageResult result;
      HR_ASSIGN_OR_RAISE(result.batch, values.Finish());
      std::shared_ptr<arrow::Array> array;
      HR_RETURN_NOT_OK(states.Finish(&array));
      result.states = std::static_pointer_cast<arrow::LargeBinaryArray>(array);
      trips_.emplace_back(std::move(done), std::move(result));
      return Status::OK();
    }
    Result<python::StageResult> Apply(columnar::DataBatch batch) const {
      python::StageResult result;
      result.batch = std::move(batch);
      for (const auto& function : spec_.functions) {
        if (function.name == "boom")
          return python::FunctionFailure(ErrorCode::kPythonRaised, "boom raised ValueError",
                                         {"Traceback", "user.py", 42, function.uid.str(), "boom"});
        const auto& rows = static_cast<const arrow::LargeStringArray&>(*result.batch.records()->column(0));
        if (function.name == "split") {
          columnar::ValueBatchBuilder words(columnar::ValueForm::kUtf8);
          for (std::int64_t i = 0; i < rows.length(); ++i) {
            std::string_view text = rows.GetView(i);
            while (!text.empty()) {
              const auto space = text.find(' ');
              if (space != 0) HR_RETURN_NOT_OK(words.AppendBytes(text.substr(0, space)));
              text = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
            }
          }
          HR_ASSIGN_OR_RAISE(result.batch, words.Finish());
        } else if (function.name == "self") {
          HR_ASSIGN_OR_RAISE(auto keys, columnar::EncodeKeyColumn(rows));
          HR_ASSIGN_OR_RAISE(result.batch, columnar::MakeValueBatch(columnar::ValueForm::kUtf8, result.batch.records()->column(0), keys));
        }
      }
      return result;
    }
    FakeWorkerPool* pool_;
    python::StageSpec spec_;
    std::deque<std::pair<python::StageCallback, Result<python::StageResult>>> trips_;
  };

  Random* random_;
  std::vector<FakeStage*> stages_;
};

}  // namespace headrace::data::task
