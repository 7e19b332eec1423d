#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "plan/job_graph.h"

namespace headrace::wire {

/// Who wrote a job file; docs/formats/job_file.md.
struct JobFileHeader {
  std::uint32_t format_version = 1;
  std::string python_version;  ///< "3.11"; empty in a job without functions
  std::string headrace_version;
  std::vector<std::string> packages;
};

struct JobFile {
  JobFileHeader header;
  plan::JobGraph graph;  ///< decoded, not yet validated; its python_version is the header's
};

/// Reads an uploaded job file: pickle, envelope, header, graph. Runs nothing of it.
/// Errors: kNotAJobFile (with opcode and offset), kTooLarge, kJobFileVersion, kPythonVersion (header without one), and those of
/// DecodeJobGraph.
Result<JobFile> ReadJobFile(std::string_view pickle);
/// The same from the bytes inside the pickle.
Result<JobFile> ReadEnvelope(std::string_view envelope);
/// The bytes that ReadEnvelope takes.
std::string WriteEnvelope(const JobFile& file);
/// The bytes that ReadJobFile takes, as Python's pickle protocol 4 would write them. For tests and for storing what was submitted.
std::string WriteJobFile(const JobFile& file);

/// kPythonVersion when the job has functions that another Python minor version wrote than the one the cluster runs.
/// An empty `cluster_version` means that no TaskManager has said yet: nothing is refused.
Status CheckPythonVersion(const plan::JobGraph& graph, std::string_view cluster_version);

}  // namespace headrace::wire
