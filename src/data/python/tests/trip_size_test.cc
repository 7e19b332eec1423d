#include "data/python/trip_size.h"

#include <gtest/gtest.h>

namespace headrace::data::python {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;

TEST(TripSizeTest, FastRowsSoonTravelInFullTrips) {
  TripSize size(8192);
  EXPECT_LE(size.rows(), 16);  // nothing is known yet: a row may take seconds
  int trips = 0;
  for (; size.rows() < 8192; ++trips) size.Took(size.rows(), 1000u * static_cast<std::uint64_t>(size.rows()));
  EXPECT_LE(trips, 4);
  size.Took(8192, 8192);
  EXPECT_EQ(size.rows(), 8192);
}

TEST(TripSizeTest, SlowRowsTravelFewAtATime) {
  TripSize size(8192);
  for (int i = 0; i < 6; ++i) size.Took(size.rows(), static_cast<std::uint64_t>(size.rows()) * 10 * kMillisecond);
  EXPECT_EQ(size.rows(), 20);
  size.Took(20, 20 * 5000 * kMillisecond);
  EXPECT_EQ(size.rows(), 1);
  size.Took(1, 0);
  EXPECT_GT(size.rows(), 1);
  size.Took(0, 0);  // a trip without rows says nothing
}

TEST(TripSizeTest, NeverMoreThanTheMost) {
  TripSize size(3);
  EXPECT_EQ(size.rows(), 3);
  size.Took(3, 3);
  EXPECT_EQ(size.rows(), 3);
}

}  // namespace
}  // namespace headrace::data::python
