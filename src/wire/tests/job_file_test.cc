#include "wire/job_file.h"

#include <gtest/gtest.h>

#include "plan/execution_plan.h"
#include "wire/pickle_reader.h"
#include "wire/plan_codec.h"
#include "wire/sha256.h"
#include "wire/tests/sample_plan.h"

namespace headrace::wire {
namespace {

TEST(JobFile, WhatIsWrittenIsRead) {
  JobFile file = testing::SampleJobFile();
  Result<JobFile> read = ReadJobFile(WriteJobFile(file));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->header.python_version, "3.11");
  EXPECT_EQ(read->header.packages, file.header.packages);
  EXPECT_EQ(read->graph.python_version, "3.11");
  EXPECT_EQ(EncodeJobGraph(read->graph), EncodeJobGraph(file.graph));
  EXPECT_TRUE(plan::Validate(read->graph).ok());
}

TEST(JobFile, EveryDamagedByteIsNoticed) {
  const std::string envelope = WriteEnvelope(testing::SampleJobFile());
  for (std::size_t at = 0; at < envelope.size(); ++at) {
    std::string changed = envelope;
    changed[at] = static_cast<char>(changed[at] ^ 0x20);
    Result<JobFile> read = ReadEnvelope(changed);
    ASSERT_FALSE(read.ok()) << "byte " << at;
    ASSERT_EQ(WhoActsOn(read.status()), WhoActs::kUser);
  }
  for (std::size_t size = 0; size < envelope.size(); ++size) ASSERT_FALSE(ReadEnvelope(envelope.substr(0, size)).ok()) << "cut at " << size;
}

TEST(JobFile, AnotherFormatVersionIsNamed) {
  std::string envelope = WriteEnvelope(testing::SampleJobFile());
  envelope[8] = 7;
  const Status status = ReadEnvelope(envelope).status();
  EXPECT_EQ(CodeOf(status), ErrorCode::kJobFileVersion);
  EXPECT_EQ(status.message(), "the job file has format version 7; this cluster reads version 1");
}

TEST(JobFile, FunctionsWithoutAPythonVersionAreRefused) {
  JobFile file = testing::SampleJobFile();
  file.header.python_version.clear();
  EXPECT_EQ(CodeOf(ReadJobFile(WriteJobFile(file)).status()), ErrorCode::kPythonVersion);
  file.header.python_version = "three";
  EXPECT_EQ(CodeOf(ReadJobFile(WriteJobFile(file)).status()), ErrorCode::kNotAJobFile);
}

TEST(JobFile, AHeaderOfManySmallFieldsIsNotBuilt) {
  JobFile file = testing::SampleJobFile();
  file.header.packages.assign(20'000, "");
  const Status status = ReadEnvelope(WriteEnvelope(file)).status();
  EXPECT_EQ(CodeOf(status), ErrorCode::kNotAJobFile);
  EXPECT_EQ(status.message(), "not a Headrace job file: its header has more than 10000 fields");
}

TEST(JobFile, AnotherPythonMinorVersionIsNamed) {
  plan::JobGraph graph = testing::SampleJobFile().graph;
  EXPECT_TRUE(CheckPythonVersion(graph, "3.11").ok());
  EXPECT_TRUE(CheckPythonVersion(graph, "").ok()) << "nobody has said yet";
  const Status status = CheckPythonVersion(graph, "3.12");
  EXPECT_EQ(CodeOf(status), ErrorCode::kPythonVersion);
  EXPECT_EQ(status.message(), "Python 3.11 wrote the job's functions, but this cluster runs Python 3.12");
  std::erase_if(graph.operators, [](const plan::OperatorSpec& spec) { return spec.python() != nullptr; });
  EXPECT_TRUE(CheckPythonVersion(graph, "3.12").ok()) << "a job without functions runs on any Python";
}

TEST(Sha256, FitsTheStandardsExample) {
  EXPECT_EQ(BlobIdOf("abc").str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(BlobIdFromRaw(RawOf(BlobIdOf("abc"))), BlobIdOf("abc"));
  EXPECT_TRUE(BlobIdFromRaw("short").empty());
  EXPECT_TRUE(RawOf(BlobId("xyz")).empty());
}

}  // namespace
}  // namespace headrace::wire
