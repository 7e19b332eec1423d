#pragma once
#include <arrow/type_fwd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/join/idle_groups.h"
#include "data/operator/operator.h"
#include "data/state/group_table.h"
#include "data/state/row_store.h"
#include "data/window/key_words.h"
#include "plan/join.h"

namespace headrace::data::join {

/// One row a key. The first by arrival passes at once and for good; otherwise a batch emits the keys whose row it replaced: by the one that
/// came last, or has the least or greatest event time (of equal times the one that came first, or last). With a time-to-live a key is
/// forgotten so long after its row was replaced last, and the next one is new.
/// Shape:  in typed batches, with event times if those decide; out the same; row kinds unless the first by arrival passes.
/// Errors: kBadRecord for rows without event times where those decide.
/// Thread: owning task's.
class Deduplicate final : public op::Operator {
 public:
  /// `before`: updates show the row that was before, so that rows must be kept.
  static Result<std::unique_ptr<op::Operator>> Make(const plan::DeduplicateSpec& spec, const std::shared_ptr<arrow::Schema>& input,
                                                    bool before);
  ~Deduplicate() override;
  Status Open(const op::OperatorContext& context) override;
  Status Process(std::uint32_t input, columnar::DataBatch batch, op::Collector* out) override;

 private:
  Deduplicate(const plan::DeduplicateSpec& spec, int columns, window::KeyWords keys, std::optional<state::RowStore> rows)
      : last_(spec.last),
        by_event_time_(spec.by_event_time),
        columns_(columns),
        keys_(std::move(keys)),
        rows_(std::move(rows)),
        idle_(spec.ttl_ms, kGroupWords),
        groups_(keys_.words(), kGroupWords + IdleGroups::Words(spec.ttl_ms)) {}
  void EndIdle();
  Status EmitFirst(const columnar::DataBatch& batch, op::Collector* out);
  void Choose(const std::int64_t* times);
  Status EmitChosen(const columnar::DataBatch& batch, op::Collector* out);
  Status EmitPairs(const columnar::DataBatch& batch, op::Collector* out);
  void AccountBytes();

  // Words of a group: 1 once it has a row; the row's time; its number; the batch that changed it; in that batch its place among the chosen.
  static constexpr std::uint32_t kHas = 0, kTime = 1, kRow = 2, kStamp = 3, kChosen = 4, kGroupWords = 5;
  const bool last_, by_event_time_;
  const int columns_;  // of the input; reserved ones stand behind
  window::KeyWords keys_;
  std::optional<state::RowStore> rows_;  // none: nobody asks for what was before
  IdleGroups idle_;
  state::GroupTable groups_;
  std::uint64_t batch_ = 0;
  std::atomic<std::int64_t>* state_bytes_ = nullptr;
  std::int64_t accounted_bytes_ = 0;
  // Of the batch in hand: chosen rows, their groups, and whether those had a row before.
  std::vector<std::uint64_t*> found_, chosen_groups_;
  std::vector<std::uint32_t> chosen_, numbers_;
  std::vector<std::uint8_t> had_;
};

}  // namespace headrace::data::join
