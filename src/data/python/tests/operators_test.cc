#include <arrow/array/builder_binary.h>

#include "columnar/key_encoding.h"
#include "data/python/keyed_reduce.h"
#include "data/python/python_stage.h"
#include "data/python/tests/worker_support.h"

namespace headrace::data::python {
namespace {

class CollectedBatches final : public op::Collector {
 public:
  Status Emit(columnar::DataBatch batch) override {
    ++batches;
    for (std::string& row : Rows(batch)) rows.push_back(std::move(row));
    return Status::OK();
  }
  std::vector<std::string> rows;
  int batches = 0;
};

/// One operator on a pool of its own, stepped on the test's thread as its task would.
class PythonOperatorsTest : public testing::Test {
 protected:
  void Start(WorkerPoolOptions options = TestPoolOptions()) { pool_ = StartWorkerPool(options).ValueOrDie(); }
  Status Open(op::Operator* op) {
    op::OperatorContext context;
    context.waker = &waker_;
    return op->Open(context);
  }
  /// Hands the batches over as the operator accepts them, and waits until nothing is outstanding.
  Status Drive(op::Operator* op, std::vector<columnar::DataBatch> batches) {
    Status status;
    std::size_t next = 0;
    const bool done = waker_.WaitUntil([&] {
      status = op->Poll(&out_);
      while (status.ok() && next < batches.size() && op->accepting()) status = op->Process(0, batches[next++], &out_);
      return !status.ok() || (next == batches.size() && !op->busy());
    });
    return done ? status : Status::Invalid("the operator does not end");
  }
  static std::vector<std::string> Numbers(int count) {
    std::vector<std::string> rows;
    for (int i = 0; i < count; ++i) rows.push_back(std::to_string(i));
    return rows;
  }
  WaitableWaker waker_;
  CollectedBatches out_;
  std::unique_ptr<WorkerPool> pool_;
};

// One trip for all of a batch's slow rows would be taken for a hang in the end, and hold up barriers before that.
TEST_F(PythonOperatorsTest, ABatchOfSlowRowsMakesManyTrips) {
  Start();
  PythonStage stage(pool_.get(), {{Function(Verb::kMap, "call", "def f(s):\n    import time\n    time.sleep(0.005)\n    return int(s)\n")}},
                    0);
  ASSERT_TRUE(Open(&stage).ok());
  const Status status = Drive(&stage, {TextBatch(Numbers(400))});  // 2 s of user code
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(out_.rows, Numbers(400));
  EXPECT_GE(out_.batches, 8);
}

TEST_F(PythonOperatorsTest, RowsOfManyTripsKeepTheirOrder) {
  Start();
  PythonStage stage(pool_.get(), {{Function(Verb::kFlatMap, "twice", "lambda s: [int(s), int(s)]")}}, 0);
  ASSERT_TRUE(Open(&stage).ok());
  const Status status = Drive(&stage, {TextBatch(Numbers(5000)), TextBatch({}), TextBatch(Numbers(20'000))});
  ASSERT_TRUE(status.ok()) << status;
  std::vector<std::string> expected;
  for (const int count : {5000, 20'000}) {
    for (const std::string& row : Numbers(count)) expected.insert(expected.end(), 2, row);
  }
  EXPECT_EQ(out_.rows, expected);
}

TEST_F(PythonOperatorsTest, ASlowReduceIsCutIntoTripsAndKeepsItsState) {
  Start();
  KeyedReduce reduce(pool_.get(),
                     {{Function(Verb::kReduce, "add", "def f(a, b):\n    import time\n    time.sleep(0.005)\n    return a + b\n")}}, 0);
  ASSERT_TRUE(Open(&reduce).ok());
  columnar::ValueBatchBuilder builder(columnar::ValueForm::kInt64);
  arrow::LargeBinaryBuilder keys;
  std::vector<std::string> expected;
  int sums[3] = {};
  for (int i = 0; i < 400; ++i) {
    std::string key;
    columnar::AppendKeyInt(i % 3, &key);
    ASSERT_TRUE(builder.AppendInt(i).ok() && keys.Append(key).ok());
    expected.push_back(std::to_string(sums[i % 3] += i));
  }
  const columnar::DataBatch values = builder.Finish().ValueOrDie();
  auto keyed =
      columnar::MakeValueBatch(columnar::ValueForm::kInt64, values.records()->column(values.value_column()), keys.Finish().ValueOrDie());
  const Status status = Drive(&reduce, {std::move(keyed).ValueOrDie()});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(out_.rows, expected);
  EXPECT_GE(out_.batches, 8);
}

}  // namespace
}  // namespace headrace::data::python
