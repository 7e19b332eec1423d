#include <gtest/gtest.h>

#include <sstream>
#include <vector>

#include "plan/tests/graph_text.h"

namespace headrace::plan::testing {
namespace {

/// Words of a line; a word may be quoted to hold spaces, and \n inside quotes is a line break.
std::vector<std::string> Words(const std::string& line) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (at < line.size()) {
    if (line[at] == ' ') {
      ++at;
    } else if (line[at] == '"') {
      const std::size_t end = line.find('"', at + 1);
      std::string word = line.substr(at, end == std::string::npos ? end : end - at);
      for (std::size_t n; (n = word.find("\\n")) != std::string::npos;) word.replace(n, 2, "\n");
      words.push_back(word);
      at = end == std::string::npos ? line.size() : end + 1;
    } else {
      const std::size_t end = std::min(line.find(' ', at), line.size());
      words.push_back(line.substr(at, end - at));
      at = end;
    }
  }
  return words;
}

Result<OperatorKind> KindOf(const std::string& word) {
  using Verb = PythonFunction::Verb;
  if (word == "source") return SourceSpec{};
  if (word == "sink") return SinkSpec{};
  if (word == "union") return UnionSpec{};
  for (auto [name, verb] : {std::pair<const char*, Verb>{"map", Verb::kMap},
                            {"filter", Verb::kFilter},
                            {"flat_map", Verb::kFlatMap},
                            {"key_by", Verb::kKeyBy},
                            {"reduce", Verb::kReduce}}) {
    if (word == name) return PythonFunction{verb, "pickled", "<lambda>"};
  }
  return Status::Invalid("unknown kind ", word);
}

Result<Partitioning> PartitioningOf(const std::string& word) {
  if (word == "auto") return Partitioning::kAuto;
  if (word == "forward") return Partitioning::kForward;
  if (word == "hash") return Partitioning::kHash;
  if (word == "rebalance") return Partitioning::kRebalance;
  if (word == "broadcast") return Partitioning::kBroadcast;
  return Status::Invalid("unknown partitioning ", word);
}

Status AddInput(const std::string& word, OperatorSpec* spec) {
  const std::size_t colon = word.find(':');
  InputEdge input{OperatorUid(word.substr(0, colon)), Partitioning::kAuto};
  if (colon != std::string::npos) {
    HR_ASSIGN_OR_RAISE(input.partitioning, PartitioningOf(word.substr(colon + 1)));
  }
  spec->inputs.push_back(std::move(input));
  return Status::OK();
}

Result<OperatorSpec> ParseOperator(const std::vector<std::string>& words, std::uint32_t line) {
  OperatorSpec spec;
  HR_ASSIGN_OR_RAISE(spec.kind, KindOf(words[0]));
  if (words.size() < 2) return Status::Invalid("no uid in line ", line);
  spec.uid = OperatorUid(words[1] == "-" ? "" : words[1]);
  spec.name = spec.uid.str();
  spec.location = {"job.py", line, ""};
  ConnectorSpec connector;
  bool inputs = false;
  for (std::size_t i = 2; i < words.size(); ++i) {
    const std::string& word = words[i];
    const std::size_t equals = word.find('=');
    if (word == "<") {
      inputs = true;
    } else if (inputs) {
      HR_RETURN_NOT_OK(AddInput(word, &spec));
    } else if (word[0] == '"') {
      spec.name = word.substr(1);
    } else if (equals == std::string::npos) {
      connector.kind = word;
    } else if (word.substr(0, equals) == "x") {
      spec.parallelism = static_cast<std::uint32_t>(std::stoul(word.substr(equals + 1)));
    } else {
      connector.options[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }
  if (connector.kind == "collection" && spec.is_source()) connector.payload = std::string("\x09\x01\x00", 3);
  if (auto* source = std::get_if<SourceSpec>(&spec.kind)) source->connector = std::move(connector);
  if (auto* sink = std::get_if<SinkSpec>(&spec.kind)) sink->connector = std::move(connector);
  return spec;
}

Status ParseJob(const std::vector<std::string>& words, GraphText* out) {
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    if (equals == std::string::npos) {
      out->graph.job_name = words[i][0] == '"' ? words[i].substr(1) : words[i];
      continue;
    }
    const auto number = static_cast<std::uint32_t>(std::stoul(words[i].substr(equals + 1)));
    const std::string name = words[i].substr(0, equals);
    if (name == "parallelism") out->graph.settings.parallelism = number;
    if (name == "max_parallelism") out->graph.settings.max_parallelism = number;
    if (name == "value_encoding") out->graph.settings.value_encoding_version = number;
    if (name == "override") out->parallelism_override = number;
  }
  return Status::OK();
}

}  // namespace

Result<GraphText> ParseGraphText(std::string_view text) {
  GraphText out;
  std::istringstream lines{std::string(text)};
  std::string line;
  std::uint32_t number = 0;
  while (std::getline(lines, line)) {
    ++number;
    const std::vector<std::string> words = Words(line);
    if (words.empty() || words[0][0] == '#') continue;
    if (words[0] == "job") {
      HR_RETURN_NOT_OK(ParseJob(words, &out));
      continue;
    }
    HR_ASSIGN_OR_RAISE(OperatorSpec spec, ParseOperator(words, number));
    out.graph.operators.push_back(std::move(spec));
  }
  return out;
}

TEST(GraphText, RefusesWhatItDoesNotKnow) {
  EXPECT_FALSE(ParseGraphText("teleport x").ok());
  EXPECT_FALSE(ParseGraphText("map x < y:sideways").ok());
}

}  // namespace headrace::plan::testing
