#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "data/operator/operator.h"

namespace headrace::data::op {

/// Wraps an operator and checks the rules between it and its chain: batches only while accepting, reserved columns well
/// formed, nothing after the end, no finish while busy. A broken rule is a bug and ends the process. For test builds.
std::unique_ptr<Operator> MakeCheckingOperator(std::unique_ptr<Operator> inner, std::string name);

}  // namespace headrace::data::op
