#include "bench/hand/hand_loops.h"

#include "bench/hand/hand_groups.h"
#include "bench/hand/hand_q1.h"
#include "bench/hand/hand_q17.h"
#include "bench/hand/hand_q2.h"
#include "bench/hand/hand_q5.h"
#include "bench/hand/hand_q7.h"
#include "bench/hand/hand_q8.h"

namespace headrace::bench {
namespace {

struct Drop {
  template <typename Words>
  void All(std::int64_t, Words) const {}
  std::uint64_t OfText(const char*, std::size_t) const { return 0; }
};
struct Show {
  const HandSink* sink;
  template <typename Words>
  void All(std::int64_t rows, Words words_of) const {
    std::uint64_t words[16];
    for (std::int64_t i = 0; i < rows; ++i) {
      const int count = words_of(i, words);
      if (count > 0) sink->row(sink->into, words, count);
    }
  }
  std::uint64_t OfText(const char* bytes, std::size_t size) const { return sink->text(bytes, size); }
};

template <typename Query, typename Row>
std::int64_t Run(const HandColumns* left, const HandColumns* right, std::int64_t batches, Row row) {
  Query query;
  for (std::int64_t i = 0; i < batches; ++i) query.Add(left[i], right == nullptr ? nullptr : right + i, row);
  query.Finish(row);
  return static_cast<std::int64_t>(query.rows());
}

template <typename Query>
std::int64_t RunAny(const HandColumns* left, const HandColumns* right, std::int64_t batches, const HandSink& sink) {
  return sink.row == nullptr ? Run<Query>(left, right, batches, Drop{}) : Run<Query>(left, right, batches, Show{&sink});
}

}  // namespace

std::int64_t RunHandLoop(const char* query, const HandColumns* left, const HandColumns* right, std::int64_t batches, const HandSink& sink) {
  const auto is = [query](const char* name) { return std::strcmp(query, name) == 0; };
  if (is("q1")) return RunAny<hand::Q1>(left, right, batches, sink);
  if (is("q2")) return RunAny<hand::Q2>(left, right, batches, sink);
  if (is("q5")) return RunAny<hand::Q5>(left, right, batches, sink);
  if (is("q7")) return RunAny<hand::Q7>(left, right, batches, sink);
  if (is("q8")) return RunAny<hand::Q8>(left, right, batches, sink);
  if (is("q17")) return RunAny<hand::Q17>(left, right, batches, sink);
  if (is("groups")) return RunAny<hand::Groups>(left, right, batches, sink);
  return -1;
}

}  // namespace headrace::bench
