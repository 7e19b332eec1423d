#include <gtest/gtest.h>

#include "data/connector/kafka/shared_producer.h"
#include "data/connector/tests/test_context.h"

namespace headrace::data::connector {
namespace {

TEST(DeliveryLedgerTest, EarlierBatchHoldsTheFlushBack) {
  WaitableWaker waker;
  DeliveryLedger ledger(&waker, nullptr);
  ledger.Begin(1, 10);
  ledger.Begin(2, 10);
  ledger.Complete(2, 10);
  EXPECT_FALSE(ledger.Acknowledged(2));
  ledger.Complete(1, 10);
  EXPECT_TRUE(ledger.Acknowledged(2));
  EXPECT_EQ(ledger.outstanding_bytes(), 0);
}

TEST(DeliveryLedgerTest, RefusedRowsAreNeverAcknowledged) {
  WaitableWaker waker;
  DeliveryLedger ledger(&waker, nullptr);
  ledger.Begin(1, 10);
  ledger.Fail(Error(ErrorCode::kConnectorIo, "refused"));
  ledger.Complete(1, 10);  // the last row of a batch frees it, refused or not
  // A task that asked for errors just before must not take the flush for done: the refused row would be lost.
  EXPECT_FALSE(ledger.Acknowledged(1));
}

}  // namespace
}  // namespace headrace::data::connector
