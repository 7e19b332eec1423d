#include "base/status.h"

#include <gtest/gtest.h>

#include <set>

#include "base/outcome.h"

namespace headrace {
namespace {

TEST(Status, CarriesCodeWhoActsAndHintThroughContext) {
  const Status status = WithContext(Error(ErrorCode::kNotEnoughSlots, "need 13 slots, 12 free"), "job abc");
  EXPECT_EQ(CodeOf(status), ErrorCode::kNotEnoughSlots);
  EXPECT_EQ(WhoActsOn(status), WhoActs::kUser);
  EXPECT_EQ(status.message(), "job abc: need 13 slots, 12 free");
  EXPECT_EQ(ErrorDetail::Of(status)->hint(), "Lower the parallelism, cancel a job or start more TaskManagers.");
  EXPECT_EQ(CodeName(CodeOf(status)), "HR1301");
  EXPECT_EQ(InfoOf(CodeOf(status)).http_status, 409);
}

TEST(Status, AStatusWithoutDetailIsOurBug) {
  EXPECT_EQ(CodeOf(Status::Invalid("x")), ErrorCode::kInternal);
  EXPECT_EQ(ErrorDetail::Of(Status::OK()), nullptr);
}

TEST(Status, OwnHintWins) { EXPECT_EQ(ErrorDetail::Of(Error(ErrorCode::kNotFound, "m", "look there"))->hint(), "look there"); }

TEST(Status, AnUnknownNumberReadsAsInternal) { EXPECT_EQ(InfoOf(static_cast<ErrorCode>(7)).number, 1901); }

TEST(Status, CodesAreUniqueAndComplete) {
  std::set<int> numbers;
#define HEADRACE_ERROR(number, symbol, who, http, hint)    \
  EXPECT_TRUE(numbers.insert(number).second) << number;    \
  EXPECT_GT(std::string_view(hint).size(), 10u) << number; \
  EXPECT_TRUE(http >= 400 && http < 600) << number;
#include "base/error_codes.def"
#undef HEADRACE_ERROR
}

TEST(StatusDeathTest, CheckSaysWhereAndWhat) { EXPECT_DEATH(HR_CHECK(1 == 2, "sums"), "status_test.cc.*1 == 2.*sums"); }

TEST(Outcome, UnknownIsNeitherDoneNorNotDone) {
  const auto outcome = Outcome<int>::Unknown(Status::IOError("reset"));
  EXPECT_FALSE(outcome.done());
  EXPECT_FALSE(outcome.not_done());
  EXPECT_TRUE(outcome.unknown());
  EXPECT_EQ(Outcome<int>::Done(3).value(), 3);
}

}  // namespace
}  // namespace headrace
