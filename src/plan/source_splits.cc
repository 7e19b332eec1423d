#include "plan/source_splits.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "plan/connector_options.h"

namespace headrace::plan {
namespace {

constexpr std::size_t kMaxPayloadBytes = 64u << 10;
constexpr std::size_t kMaxFiles = 1'000'000;
constexpr std::int64_t kPartsASubtask = 4, kLeastPartBytes = 256 << 10, kMostPartBytes = 64 << 20;

Result<nlohmann::json> ParsePayload(std::string_view payload) {
  nlohmann::json json =
      payload.size() > kMaxPayloadBytes ? nlohmann::json() : nlohmann::json::parse(payload, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Error(ErrorCode::kInvalidPlan, fmt::format("a source split is not a JSON object: {:.200}", payload));
  return json;
}

Result<std::int64_t> Number(const nlohmann::json& json, const char* name, std::int64_t least) {
  const auto it = json.find(name);
  if (it == json.end() || !it->is_number_integer() || it->get<std::int64_t>() < least)
    return Error(ErrorCode::kInvalidPlan, fmt::format("a source split has no fitting {}", name));
  return it->get<std::int64_t>();
}

bool HasGlob(const std::string& path) { return path.find_first_of("*?[") != std::string::npos; }

bool IsHidden(const std::filesystem::path& path) { return path.filename().native().starts_with('.'); }

Status NothingThere(const std::string& path, std::string_view why) {
  return Error(ErrorCode::kBadOption, fmt::format("path \"{:.500}\": {}", path, why),
               "Give a file, a folder or a glob that the cluster's machines can see.");
}

Result<std::vector<std::string>> ListFolder(const std::string& path) {
  std::vector<std::string> files;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(path, error); !error && entry != std::filesystem::directory_iterator();
       entry.increment(error)) {
    std::error_code ignored;
    if (!IsHidden(entry->path()) && entry->is_regular_file(ignored)) files.push_back(entry->path().string());
    if (files.size() > kMaxFiles) return NothingThere(path, fmt::format("has more than {} files", kMaxFiles));
  }
  if (error) return NothingThere(path, error.message());
  if (files.empty()) return NothingThere(path, "the folder holds no files");
  return files;
}

Result<std::vector<std::string>> ListGlob(const std::string& path) {
  glob_t found{};
  const int answer = ::glob(path.c_str(), GLOB_NOSORT, nullptr, &found);
  const std::unique_ptr<glob_t, decltype(&::globfree)> owned(&found, &::globfree);
  if (answer != 0 && answer != GLOB_NOMATCH) return NothingThere(path, "the folders cannot be read");
  std::vector<std::string> files;
  for (std::size_t i = 0; answer == 0 && i < found.gl_pathc; ++i) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(found.gl_pathv[i], ignored)) files.emplace_back(found.gl_pathv[i]);
  }
  if (files.empty()) return NothingThere(path, "no file matches");
  return files;
}

Result<std::vector<std::string>> ListFiles(const std::string& path) {
  std::error_code error;
  const auto kind = std::filesystem::status(path, error).type();
  if (kind == std::filesystem::file_type::directory) return ListFolder(path);
  if (kind != std::filesystem::file_type::not_found && kind != std::filesystem::file_type::none) return std::vector<std::string>{path};
  if (HasGlob(path)) return ListGlob(path);
  return NothingThere(path, kind == std::filesystem::file_type::none ? error.message() : "there is no such file or folder");
}

/// Several parts a subtask, so that none waits long for another; a part without the beginning of a row group has no rows.
std::vector<SourceSplit> PlanParquet(const std::vector<std::string>& files, std::uint32_t parallelism) {
  std::vector<std::int64_t> sizes;
  std::int64_t all = 0;
  for (const std::string& file : files) {
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    sizes.push_back(error ? 0 : static_cast<std::int64_t>(size));
    all += sizes.back();
  }
  const std::int64_t part = std::clamp(all / (std::int64_t{parallelism} * kPartsASubtask), kLeastPartBytes, kMostPartBytes);
  std::vector<SourceSplit> splits;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (parallelism == 1 || sizes[i] <= part) {
      splits.push_back({files[i], FileSplit{files[i]}.ToPayload()});
      continue;
    }
    for (std::int64_t begin = 0; begin < sizes[i]; begin += part) {
      const std::int64_t end = begin + part < sizes[i] ? begin + part : -1;
      splits.push_back({fmt::format("{}@{}", files[i], begin), FileSplit{files[i], 0, begin, end}.ToPayload()});
    }
  }
  return splits;
}

std::vector<SourceSplit> PlanGenerator(const ConnectorSpec& spec, std::uint32_t parallelism) {
  const std::int64_t count = OptionInt(spec, true, "count");
  std::vector<SourceSplit> splits;
  for (std::uint32_t i = 0; i < parallelism; ++i)
    splits.push_back({fmt::format("rows-{}-of-{}", i, parallelism), GeneratorSplit{i, parallelism, count == 0 ? -1 : count}.ToPayload()});
  return splits;
}

std::vector<SourceSplit> PlanNexmark(const ConnectorSpec& spec, std::uint32_t parallelism) {
  const std::int64_t events = OptionInt(spec, true, "events");
  const std::int64_t blocks = events == 0 ? -1 : (events + kNexmarkBlockEvents - 1) / kNexmarkBlockEvents;
  std::vector<SourceSplit> splits;
  for (std::uint32_t i = 0; i < parallelism; ++i)
    splits.push_back({fmt::format("events-{}-of-{}", i, parallelism), GeneratorSplit{i, parallelism, blocks}.ToPayload()});
  return splits;
}

}  // namespace

std::string FileSplit::ToPayload() const {
  nlohmann::ordered_json json;
  json["path"] = path;
  json["position"] = position;
  if (begin != 0 || end >= 0) {
    json["begin"] = begin;
    json["end"] = end;
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<FileSplit> FileSplit::FromPayload(std::string_view payload) {
  HR_ASSIGN_OR_RAISE(const nlohmann::json json, ParsePayload(payload));
  FileSplit split;
  HR_ASSIGN_OR_RAISE(split.position, Number(json, "position", 0));
  if (json.contains("begin") || json.contains("end")) {
    HR_ASSIGN_OR_RAISE(split.begin, Number(json, "begin", 0));
    HR_ASSIGN_OR_RAISE(split.end, Number(json, "end", -1));
  }
  const auto path = json.find("path");
  if (path == json.end() || !path->is_string() || path->get_ref<const std::string&>().empty())
    return Error(ErrorCode::kInvalidPlan, "a file split has no path");
  split.path = path->get<std::string>();
  return split;
}

std::string GeneratorSplit::ToPayload() const { return fmt::format(R"({{"next":{},"step":{},"end":{}}})", next, step, end); }

Result<GeneratorSplit> GeneratorSplit::FromPayload(std::string_view payload) {
  HR_ASSIGN_OR_RAISE(const nlohmann::json json, ParsePayload(payload));
  GeneratorSplit split;
  HR_ASSIGN_OR_RAISE(split.next, Number(json, "next", 0));
  HR_ASSIGN_OR_RAISE(split.step, Number(json, "step", 1));
  HR_ASSIGN_OR_RAISE(split.end, Number(json, "end", -1));
  return split;
}

std::string CollectionSplit::ToPayload() const { return fmt::format(R"({{"position":{}}})", position); }

Result<CollectionSplit> CollectionSplit::FromPayload(std::string_view payload) {
  HR_ASSIGN_OR_RAISE(const nlohmann::json json, ParsePayload(payload));
  CollectionSplit split;
  HR_ASSIGN_OR_RAISE(split.position, Number(json, "position", 0));
  return split;
}

Result<std::vector<SourceSplit>> PlanLocalSplits(const ConnectorSpec& spec, std::uint32_t parallelism) {
  if (spec.kind == "collection") return std::vector<SourceSplit>{{"collection-0", CollectionSplit{}.ToPayload()}};
  if (spec.kind == "generator") return PlanGenerator(spec, std::max<std::uint32_t>(parallelism, 1));
  if (spec.kind == "nexmark") return PlanNexmark(spec, std::max<std::uint32_t>(parallelism, 1));
  if (spec.kind != "file")
    return Error(ErrorCode::kUnknownConnector, fmt::format("splits of \"{:.100}\" are not planned locally", spec.kind));
  HR_ASSIGN_OR_RAISE(std::vector<std::string> files, ListFiles(OptionString(spec, true, "path")));
  std::sort(files.begin(), files.end());
  if (OptionString(spec, true, "format") == "parquet") return PlanParquet(files, std::max<std::uint32_t>(parallelism, 1));
  std::vector<SourceSplit> splits;
  for (std::string& file : files) splits.push_back({file, FileSplit{file}.ToPayload()});
  return splits;
}

}  // namespace headrace::plan
