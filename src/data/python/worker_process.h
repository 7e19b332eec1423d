#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/python/descriptor.h"

namespace headrace::data::python {

struct SpawnOptions {
  std::string executable;                    ///< a path, or a name looked up in PATH
  std::vector<std::string> arguments;        ///< without argv[0]
  std::vector<std::string> environment;      ///< all of it: nothing is inherited
  std::string working_directory;             ///< empty: the parent's
  std::int64_t max_address_space_bytes = 0;  ///< 0 = none
  std::uint32_t uid = 0, gid = 0;            ///< 0 = the parent's
};

/// A started process. Owns the descriptors; ending and reaping it is its supervisor's.
struct SpawnedProcess {
  pid_t pid = -1;
  Descriptor pidfd;     ///< readable once the process has ended
  Descriptor socket;    ///< our end of its SEQPACKET pair; its own is descriptor 3
  Descriptor out, err;  ///< what it prints
};

/// Starts a process with 0 = /dev/null, 1 and 2 = pipes, 3 = socket and no other descriptor, in a process group of its own,
/// with default signals and no core file. It is killed when the calling THREAD ends, so call it on the thread that supervises it.
/// kPythonStart when the executable cannot be run.
Result<SpawnedProcess> SpawnProcess(const SpawnOptions& options);

/// The environment of workers: PATH, LANG, TZ and PYTHONPATH of this process, and what keeps Python quiet on a read-only root.
std::vector<std::string> WorkerEnvironment();

}  // namespace headrace::data::python
