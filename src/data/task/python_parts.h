#pragma once
#include <arrow/type_fwd.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "data/operator/chain.h"
#include "data/operator/pending_folds.h"
#include "data/task/task_parts.h"

namespace headrace::data::task {

/// Whether the operator is built by AddPythonLinks(): it runs Python.
bool IsBuiltWithPython(const plan::OperatorSpec& op);

/// The links of the operator at `at` of a vertex, which runs Python: verbs, as many as go in one trip; a process function; select() and
/// where() that call functions; event times by a function or with watermarks by one, which sets `times_made`. `inputs`: the typed rows that
/// come in by each input, null for untyped ones. `at` moves behind what was built.
Status AddPythonLinks(const TaskSpec& spec, const TaskEnvironment& environment, const std::vector<std::shared_ptr<arrow::Schema>>& inputs,
                      std::size_t* at, std::vector<op::ChainLink>* links, op::EventTimeOperator** times_made);

/// The aggregate that make(folds) gives; around it, when `op` has accumulators written in Python, what folds its rows. `folds` is null
/// when it has none.
Result<std::unique_ptr<op::Operator>> MakeFolding(const TaskSpec& spec, const TaskEnvironment& environment, const plan::OperatorSpec& op,
                                                  const std::function<Result<std::unique_ptr<op::Operator>>(op::FoldBook*)>& make);

}  // namespace headrace::data::task
