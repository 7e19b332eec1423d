// Uses Arrow beside the system libraries whose symbols Arrow's wheel also carries. Exit code 0 = every answer is right.
#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <grpcpp/grpcpp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <re2/re2.h>
#include <simdjson.h>

#include <cstdio>
#include <string>

namespace {

bool ArrowWorks() {
  arrow::StringBuilder builder;
  for (int i = 0; i < 1000; ++i) {
    if (!builder.Append("row " + std::to_string(i)).ok()) return false;
  }
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("v", arrow::utf8())}), 1000, {builder.Finish().ValueOrDie()});
  const auto bytes = arrow::ipc::SerializeRecordBatch(*batch, arrow::ipc::IpcWriteOptions::Defaults());
  if (!bytes.ok()) return false;
  arrow::io::BufferReader reader(*bytes);
  const auto back = arrow::ipc::ReadRecordBatch(batch->schema(), nullptr, arrow::ipc::IpcReadOptions::Defaults(), &reader);
  return back.ok() && (*back)->Equals(*batch);
}

/// libparquet of the same wheel: Thrift and the codecs inside.
bool ParquetWorks() {
  arrow::Int64Builder builder;
  for (int i = 0; i < 1000; ++i) {
    if (!builder.Append(i).ok()) return false;
  }
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("n", arrow::int64())}), {builder.Finish().ValueOrDie()});
  const auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto properties = parquet::WriterProperties::Builder().compression(arrow::Compression::ZSTD)->build();
  if (!parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, 100, properties).ok()) return false;
  parquet::arrow::FileReaderBuilder reader;
  if (!reader.Open(std::make_shared<arrow::io::BufferReader>(out->Finish().ValueOrDie())).ok()) return false;
  std::shared_ptr<arrow::Table> back;
  return reader.Build().ValueOrDie()->ReadTable(&back).ok() && back->Equals(*table);
}

bool Re2Works() {
  std::string text = "one two  three", word;
  return RE2::FullMatch("headrace-42", "[a-z]+-\\d+") && !RE2::FullMatch("headrace", "\\d+") &&
         RE2::PartialMatch("key=value", "=(\\w+)", &word) && word == "value" && RE2::GlobalReplace(&text, " +", "_") == 2 &&
         text == "one_two_three";
}

bool OpenSslWorks() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest("abc", 3, digest, &size, EVP_sha256(), nullptr) != 1) return false;
  SSL_CTX* context = SSL_CTX_new(TLS_method());
  SSL_CTX_free(context);
  return context != nullptr && size == 32 && digest[0] == 0xba && digest[31] == 0xad;
}

bool SimdjsonWorks() {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  int64_t answer = 0;
  return parser.parse(std::string(R"({"answer": 42})")).get(document) == simdjson::SUCCESS &&
         document["answer"].get(answer) == simdjson::SUCCESS && answer == 42;
}

bool GrpcWorks() {
  const auto plain = grpc::CreateChannel("127.0.0.1:1", grpc::InsecureChannelCredentials());
  const auto secure = grpc::CreateChannel("127.0.0.1:1", grpc::SslCredentials({}));
  return plain->GetState(false) == GRPC_CHANNEL_IDLE && secure != nullptr;
}

bool Check(const char* name, bool works) {
  if (!works) std::printf("%s gives wrong answers\n", name);
  return works;
}

}  // namespace

int main() {
  bool good = Check("arrow", ArrowWorks());
  good &= Check("parquet", ParquetWorks());
  good &= Check("re2", Re2Works());
  good &= Check("openssl", OpenSslWorks());
  good &= Check("simdjson", SimdjsonWorks());
  good &= Check("grpc", GrpcWorks());
  good &= Check("arrow after the others", ArrowWorks());
  good &= Check("parquet after the others", ParquetWorks());
  return good ? 0 : 1;
}
