#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/connector/tests/test_context.h"
#include "kafka/admin_probe.h"
#include "kafka/client.h"

namespace headrace::data::connector {

/// The broker that run.sh started. Stops and starts it by the same script, on the same port.
class Broker {
 public:
  /// Fails the test program when there is none.
  static Broker& Get();
  const std::string& address() const { return address_; }
  void Stop() { Run("stop " + folder_); }
  void Kill() { Run("kill " + folder_); }
  void Start() { Run("start " + folder_); }
  /// Creates a topic, or raises its number of partitions.
  void MakeTopic(const std::string& name, int partitions, const std::map<std::string, std::string>& configs = {});
  void DeleteTopic(const std::string& name);

 private:
  Broker();
  void Run(const std::string& arguments);
  std::string script_, folder_, address_;
};

struct Message {
  std::int32_t partition = RD_KAFKA_PARTITION_UA;
  std::optional<std::string> key, value;
  std::int64_t timestamp_ms = 0;
  std::map<std::string, std::string> headers = {};
};

/// A topic name of its own for every test.
class KafkaTest : public ::testing::Test {
 protected:
  void SetUp() override;
  std::string Topic(int partitions, const std::map<std::string, std::string>& configs = {});
  std::string RawTopicName();
  /// Writes with a bare producer and waits until all is acknowledged.
  void Produce(const std::string& topic, const std::vector<Message>& messages, const std::map<std::string, std::string>& properties = {});
  void ProduceLines(const std::string& topic, std::int32_t partition, int first, int count);
  /// `commit` false aborts the transaction.
  void ProduceInTransaction(const std::string& topic, std::int32_t partition, int count, bool commit);
  /// Reads a topic to its present end with a bare consumer.
  std::vector<Message> ConsumeAll(const std::string& topic);
  std::vector<plan::SourceSplit> Plan(const std::string& topic, kafka::ReadRange range = {});
  plan::ConnectorSpec Source(const std::string& topic, std::map<std::string, std::string> options = {});
  plan::ConnectorSpec Sink(const std::string& topic, std::map<std::string, std::string> options = {});
  /// An open reader with these splits.
  static std::unique_ptr<SourceReader> Open(const plan::ConnectorSpec& spec, TestContext* test,
                                            const std::vector<plan::SourceSplit>& splits);
  static std::unique_ptr<SinkWriter> OpenSink(const plan::ConnectorSpec& spec, TestContext* test);
  /// Waits for room and writes.
  static void Write(SinkWriter* writer, TestContext* test, const columnar::DataBatch& batch);
  static void Flush(SinkWriter* writer, TestContext* test, int timeout_ms = 60'000);
  /// Rows "row N".
  static columnar::DataBatch Numbered(int first, int count);

  Broker& broker_ = Broker::Get();
  std::unique_ptr<kafka::AdminProbe> probe_;
};

/// Calls an asynchronous question of a probe and waits for its answer.
template <typename T>
Outcome<T> Await(const std::function<void(std::function<void(Outcome<T>)>)>& ask) {
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Outcome<T>> answer;
  };
  auto shared = std::make_shared<Shared>();
  ask([shared](Outcome<T> answer) {
    const std::lock_guard lock(shared->mutex);
    shared->answer = std::move(answer);
    shared->changed.notify_one();
  });
  std::unique_lock lock(shared->mutex);
  shared->changed.wait(lock, [&] { return shared->answer.has_value(); });
  return *shared->answer;
}

/// True as soon as `condition` holds; asks again on every wake and each 20 ms.
bool Eventually(TestContext* test, int timeout_ms, const std::function<bool()>& condition);

}  // namespace headrace::data::connector
