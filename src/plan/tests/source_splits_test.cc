#include "plan/source_splits.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace headrace::plan {
namespace {

ConnectorSpec Files(const std::string& path) {
  ConnectorSpec spec;
  spec.kind = "file";
  spec.options["path"] = path;
  return spec;
}

TEST(SourceSplits, GeneratorGivesEverySubtaskAResidueClass) {
  ConnectorSpec spec;
  spec.kind = "generator";
  spec.options["count"] = "10";
  const auto splits = PlanLocalSplits(spec, 3);
  ASSERT_TRUE(splits.ok());
  ASSERT_EQ(splits->size(), 3u);
  EXPECT_EQ((*splits)[2].payload, R"({"next":2,"step":3,"end":10})");
  spec.options["count"] = "0";
  EXPECT_EQ(GeneratorSplit::FromPayload((*PlanLocalSplits(spec, 1))[0].payload)->end, -1);
}

TEST(SourceSplits, FilesFoldersAndGlobs) {
  std::string pattern = (std::filesystem::temp_directory_path() / "headrace-splits-XXXXXX").string();
  const std::string folder = ::mkdtemp(pattern.data());
  for (const char* name : {"b.txt", "a.txt", "c.json", ".hidden.txt"}) std::ofstream(folder + "/" + name) << "x";
  std::filesystem::create_directory(folder + "/sub");
  const auto ids = [&](const std::string& path) {
    std::string text;
    const auto splits = PlanLocalSplits(Files(path), 4);
    if (!splits.ok()) return CodeName(CodeOf(splits.status()));
    for (const SourceSplit& split : *splits) text += split.id.substr(folder.size()) + " ";
    return text;
  };
  EXPECT_EQ(ids(folder), "/a.txt /b.txt /c.json ");
  EXPECT_EQ(ids(folder + "/*.txt"), "/a.txt /b.txt ");
  EXPECT_EQ(ids(folder + "/c.json"), "/c.json ");
  for (const std::string& nothing : {folder + "/sub", folder + "/*.csv", folder + "/nope.txt", folder + "/b.txt/x"}) {
    EXPECT_EQ(ids(nothing), CodeName(ErrorCode::kBadOption)) << nothing;
    EXPECT_NE(PlanLocalSplits(Files(nothing), 1).status().message().find(nothing), std::string::npos);
  }
  std::filesystem::remove_all(folder);
}

TEST(SourceSplits, DamagedPayloadsAreErrors) {
  for (const char* payload : {"", "[]", "{}", R"({"position":-1,"path":"a"})", R"({"position":"0"})", R"({"next":0,"step":0,"end":-1})",
                              R"({"next":0.5,"step":1,"end":-1})"}) {
    EXPECT_FALSE(FileSplit::FromPayload(payload).ok()) << payload;
    EXPECT_FALSE(GeneratorSplit::FromPayload(payload).ok()) << payload;
  }
  EXPECT_EQ(FileSplit::FromPayload(FileSplit{"/a \"b\"", 7}.ToPayload())->path, "/a \"b\"");
}

TEST(SourceSplits, KafkaIsNotPlannedHere) {
  ConnectorSpec spec;
  spec.kind = "kafka";
  EXPECT_EQ(CodeOf(PlanLocalSplits(spec, 1).status()), ErrorCode::kUnknownConnector);
}

}  // namespace
}  // namespace headrace::plan
