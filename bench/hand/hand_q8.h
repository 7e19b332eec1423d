#pragma once
#include "bench/hand/hand_columns.h"
#include "bench/hand/hand_q5.h"

namespace headrace::bench::hand {

/// Persons who opened an auction within the 10 s of their arrival: a set of sellers a window, and the persons beside it.
/// Takes both tables in the order of their times: a batch of persons, then the batch of auctions of the same events.
class Q8 {
 public:
  static constexpr std::int64_t kSize = 10'000;

  template <typename Row>
  void Add(const HandColumns& persons, const HandColumns* auctions, Row row) {
    std::int64_t a = 0;
    for (std::int64_t p = 0; p < persons.rows || a < auctions->rows;) {
      const std::int64_t next_person = p < persons.rows ? persons.time[p] : INT64_MAX,
                         next_auction = a < auctions->rows ? auctions->time[a] : INT64_MAX;
      const std::int64_t next = next_person < next_auction ? next_person : next_auction;
      if (next >= end_) {
        Fire(row);
        end_ = next / kSize * kSize + kSize;
      }
      const std::int64_t last_person = p < persons.rows ? EndOfRun(persons.time, p, persons.rows, end_) : p;
      for (; p < last_person; ++p) {
        const std::int32_t at = persons.name_offsets[p];
        found_.Push({persons.id[p], persons.name_bytes + at, persons.name_offsets[p + 1] - at});
      }
      const std::int64_t last_auction = a < auctions->rows ? EndOfRun(auctions->time, a, auctions->rows, end_) : a;
      for (; a < last_auction; ++a) sellers_.Add(auctions->seller[a], 1);
    }
  }
  template <typename Row>
  void Finish(Row row) {
    Fire(row);
  }
  std::uint64_t rows() const { return rows_; }

 private:
  struct Person {
    std::int64_t id;
    const char* name;  // the batches stay
    std::int64_t name_size;
  };
  template <typename Row>
  void Fire(Row row) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < found_.size(); ++i) {
      found_[kept] = found_[i];
      kept += sellers_.Has(found_[i].id);
    }
    Publish(found_.data());
    rows_ += kept;
    row.All(static_cast<std::int64_t>(kept), [&](std::int64_t i, std::uint64_t* words) {
      const Person& person = found_[static_cast<std::size_t>(i)];
      words[0] = static_cast<std::uint64_t>(person.id);
      words[1] = row.OfText(person.name, static_cast<std::size_t>(person.name_size));
      words[2] = static_cast<std::uint64_t>(end_ - kSize);
      return 3;
    });
    found_.Clear();
    sellers_.Clear();
  }

  std::int64_t end_ = INT64_MIN;
  CountTable sellers_;
  Array<Person> found_;
  std::uint64_t rows_ = 0;
};

}  // namespace headrace::bench::hand
