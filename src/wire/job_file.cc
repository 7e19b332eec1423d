#include "wire/job_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "proto/plan.pb.h"
#include "wire/message_bytes.h"
#include "wire/pickle_reader.h"
#include "wire/plan_codec.h"
#include "wire/sha256.h"

namespace headrace::wire {
namespace {

constexpr std::string_view kMagic = "HEADRACE";
constexpr std::uint32_t kFormatVersion = 1;
constexpr std::size_t kHashAt = 12, kHashEnd = 44, kHeaderAt = 48;
constexpr std::size_t kMaxHeaderFields = 10'000;

std::uint32_t ReadU32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[at + i])) << (8 * i);
  return value;
}

void AppendU32(std::string* out, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) *out += static_cast<char>(value >> (8 * i));
}

Status Broken(std::string what) { return Error(ErrorCode::kNotAJobFile, "not a Headrace job file: " + what); }

std::string HashOf(std::string_view envelope) {
  const Sha256 digest = Sha256Of({envelope.substr(0, kHashAt), envelope.substr(kHashEnd)});
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

/// "3.11": one or two numbers of one to three digits each.
bool IsMinorVersion(std::string_view text) {
  const std::size_t dot = text.find('.');
  const auto number = [](std::string_view part) {
    return !part.empty() && part.size() <= 3 && std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  };
  return dot != std::string_view::npos && number(text.substr(0, dot)) && number(text.substr(dot + 1));
}

Result<JobFileHeader> ReadHeader(std::string_view bytes) {
  proto::JobFileHeader message;
  HR_RETURN_NOT_OK(ParseWithin(kMaxHeaderFields, bytes, "not a Headrace job file: its header", ErrorCode::kNotAJobFile, &message));
  if (message.format_version() != kFormatVersion) {
    return Error(ErrorCode::kJobFileVersion, fmt::format("the header of the job file has format version {}; this cluster reads version {}",
                                                         message.format_version(), kFormatVersion));
  }
  JobFileHeader header{message.format_version(),
                       message.python_version(),
                       message.headrace_version(),
                       {message.packages().begin(), message.packages().end()}};
  if (!header.python_version.empty() && !IsMinorVersion(header.python_version)) return Broken("its header names no Python version");
  return header;
}

}  // namespace

Result<JobFile> ReadEnvelope(std::string_view envelope) {
  if (envelope.substr(0, kMagic.size()) != kMagic) return Broken("its content does not begin with HEADRACE");
  if (envelope.size() < kHeaderAt) return Broken(fmt::format("its content ends after {} bytes", envelope.size()));
  if (const std::uint32_t version = ReadU32(envelope, kMagic.size()); version != kFormatVersion) {
    return Error(ErrorCode::kJobFileVersion,
                 fmt::format("the job file has format version {}; this cluster reads version {}", version, kFormatVersion));
  }
  if (HashOf(envelope) != envelope.substr(kHashAt, kHashEnd - kHashAt))
    return Broken("its checksum does not fit its content, so it was damaged on the way");
  const std::size_t header_size = ReadU32(envelope, kHashEnd);
  if (header_size > envelope.size() - kHeaderAt) return Broken("its header is longer than the file");
  JobFile file;
  HR_ASSIGN_OR_RAISE(file.header, ReadHeader(envelope.substr(kHeaderAt, header_size)));
  HR_ASSIGN_OR_RAISE(file.graph, DecodeJobGraph(envelope.substr(kHeaderAt + header_size)));
  if (file.graph.has_python() && file.header.python_version.empty())
    return Error(ErrorCode::kPythonVersion, "the job has Python functions, but its header does not say which Python wrote them");
  file.graph.python_version = file.header.python_version;
  return file;
}

Result<JobFile> ReadJobFile(std::string_view pickle) {
  HR_ASSIGN_OR_RAISE(std::string_view envelope, ReadPickledJobGraph(pickle));
  return ReadEnvelope(envelope);
}

std::string WriteEnvelope(const JobFile& file) {
  proto::JobFileHeader message;
  message.set_format_version(file.header.format_version);
  message.set_python_version(file.header.python_version);
  message.set_headrace_version(file.header.headrace_version);
  for (const std::string& package : file.header.packages) message.add_packages(package);
  const std::string header = message.SerializeAsString();
  std::string envelope(kMagic);
  AppendU32(&envelope, kFormatVersion);
  envelope.append(kHashEnd - kHashAt, '\0');
  AppendU32(&envelope, static_cast<std::uint32_t>(header.size()));
  envelope += header;
  envelope += EncodeJobGraph(file.graph);
  const std::string hash = HashOf(envelope);
  std::memcpy(envelope.data() + kHashAt, hash.data(), hash.size());
  return envelope;
}

std::string WriteJobFile(const JobFile& file) {
  const std::string envelope = WriteEnvelope(file);
  std::string pickle(
      "\x80\x04\x8c\x12headrace.job_graph\x94\x8c\x08JobGraph\x94\x93\x94"
      "B");
  AppendU32(&pickle, static_cast<std::uint32_t>(envelope.size()));
  pickle += envelope;
  pickle += "\x94\x85\x94R\x94.";
  return pickle;
}

Status CheckPythonVersion(const plan::JobGraph& graph, std::string_view cluster_version) {
  if (!graph.has_python() || cluster_version.empty() || graph.python_version == cluster_version) return Status::OK();
  return Error(ErrorCode::kPythonVersion,
               fmt::format("Python {} wrote the job's functions, but this cluster runs Python {}", graph.python_version, cluster_version));
}

}  // namespace headrace::wire
