#pragma once
#include <arrow/type_fwd.h>

#include <memory>
#include <vector>

#include "base/status.h"
#include "data/operator/operator.h"
#include "data/operator/pending_folds.h"
#include "plan/job_graph.h"

namespace headrace::data::task {

using Schemas = std::vector<std::shared_ptr<arrow::Schema>>;

/// Whether MakeJoinPart() knows the operator: joins, deduplication, aggregates and rankings without windows.
bool IsJoinPart(const plan::OperatorSpec& spec);
/// The operator for a spec. `inputs`: the rows that come in, by input; `changelogs`: what they mean.
/// `folds`: where aggregates enter their functions that are folded elsewhere.
Result<std::unique_ptr<op::Operator>> MakeJoinPart(const plan::OperatorSpec& spec, const Schemas& inputs,
                                                   const std::vector<plan::Changelog>& changelogs, op::FoldBook* folds = nullptr);

}  // namespace headrace::data::task
