#pragma once
#include <vector>

#include "tests/simulation/simulation.h"

namespace headrace::simulation {

/// A named story with faults. Runs on a fresh world; throws Violation.
struct Scenario {
  const char* name;
  void (*run)(Simulation& world);
};
const std::vector<Scenario>& Scenarios();

}  // namespace headrace::simulation
