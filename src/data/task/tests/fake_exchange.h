#pragma once
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "columnar/key_group.h"
#include "columnar/value_column.h"
#include "data/exchange/channel.h"
#include "data/exchange/partitioner.h"

namespace headrace::data::task {

/// One channel inside the test's process, with credit in bytes. Thread-safe.
struct FakeQueue {
  std::mutex mutex;
  std::deque<columnar::StreamElement> elements;
  std::int64_t credit = 0;
  bool open = false;
  Waker* consumer = nullptr;
  Waker* producer = nullptr;
  Status failure;
};

class FakeInput final : public exchange::InputChannel {
 public:
  explicit FakeInput(std::shared_ptr<FakeQueue> queue) : queue_(std::move(queue)) {}
  Result<std::optional<columnar::StreamElement>> Poll() override {
    std::optional<columnar::StreamElement> element;
    Waker* producer = nullptr;
    {
      std::lock_guard lock(queue_->mutex);
      HR_RETURN_NOT_OK(queue_->failure);
      if (queue_->elements.empty()) return std::nullopt;
      element = std::move(queue_->elements.front());
      queue_->elements.pop_front();
      if (const auto* batch = std::get_if<columnar::DataBatch>(&*element)) {
        const bool was_writable = queue_->credit > 0;
        queue_->credit += batch->size_bytes();
        if (!was_writable && queue_->credit > 0) producer = queue_->producer;
      }
    }
    if (producer != nullptr) producer->Wake();
    return element;
  }
  bool ready() const override {
    std::lock_guard lock(queue_->mutex);
    return !queue_->elements.empty() || !queue_->failure.ok();
  }
  std::int64_t queued_bytes() const override { return 0; }

 private:
  std::shared_ptr<FakeQueue> queue_;
};

class FakeOutput final : public exchange::OutputChannel {
 public:
  explicit FakeOutput(std::shared_ptr<FakeQueue> queue) : queue_(std::move(queue)) {}
  bool open() const override {
    std::lock_guard lock(queue_->mutex);
    return queue_->open && queue_->failure.ok();
  }
  bool writable() const override {
    std::lock_guard lock(queue_->mutex);
    return queue_->open && queue_->credit > 0;
  }
  Status Write(columnar::StreamElement element) override {
    Waker* consumer = nullptr;
    {
      std::lock_guard lock(queue_->mutex);
      HR_RETURN_NOT_OK(queue_->failure);
      if (const auto* batch = std::get_if<columnar::DataBatch>(&element)) {
        HR_CHECK(queue_->credit > 0, "a batch without credit");
        queue_->credit -= batch->size_bytes();
      }
      queue_->elements.push_back(std::move(element));
      consumer = queue_->consumer;
    }
    if (consumer != nullptr) consumer->Wake();
    return Status::OK();
  }
  Status status() const override {
    std::lock_guard lock(queue_->mutex);
    return queue_->failure;
  }

 private:
  std::shared_ptr<FakeQueue> queue_;
};

/// An exchange inside one process.
class FakeExchange final : public exchange::Exchange {
 public:
  Result<std::shared_ptr<exchange::InputChannel>> RegisterInput(const exchange::ChannelId& id, std::int64_t credit_bytes,
                                                                Waker* waker) override {
    auto queue = QueueOf(id);
    Waker* producer = nullptr;
    {
      std::lock_guard lock(queue->mutex);
      queue->credit = credit_bytes;
      queue->open = !hold_channels;
      queue->consumer = waker;
      producer = queue->producer;
    }
    if (producer != nullptr) producer->Wake();
    return std::make_shared<FakeInput>(queue);
  }
  Result<std::shared_ptr<exchange::OutputChannel>> OpenOutput(const exchange::ChannelId& id, const exchange::Endpoint&, std::int64_t,
                                                              Waker* waker) override {
    auto queue = QueueOf(id);
    std::lock_guard lock(queue->mutex);
    queue->producer = waker;
    return std::make_shared<FakeOutput>(queue);
  }
  /// Breaks all channels and wakes both ends.
  void Break() {
    std::lock_guard lock(mutex_);
    for (auto& [id, queue] : queues_) {
      {
        std::lock_guard queue_lock(queue->mutex);
        queue->failure = Error(ErrorCode::kExchangeBroken, "TaskManager tm2: the connection broke");
      }
      for (Waker* waker : {queue->consumer, queue->producer}) {
        if (waker != nullptr) waker->Wake();
      }
    }
  }
  void Release(const JobId& job, DeploymentNumber deployment) override {
    std::lock_guard lock(mutex_);
    for (auto it = queues_.begin(); it != queues_.end();) {
      if (it->first.job != job || it->first.deployment != deployment) {
        ++it;
        continue;
      }
      std::lock_guard queue_lock(it->second->mutex);
      it->second->failure = Error(ErrorCode::kExchangeBroken, "released");
      it->second->consumer = it->second->producer = nullptr;
      it = queues_.erase(it);
    }
  }
  std::uint16_t port() const override { return 0; }
  void RequestStop() override {}
  void Join() override {}
  bool hold_channels = false;  ///< consumers that register from now on do not take their channels
  std::size_t num_channels() const {
    std::lock_guard lock(mutex_);
    return queues_.size();
  }

 private:
  std::shared_ptr<FakeQueue> QueueOf(const exchange::ChannelId& id) {
    std::lock_guard lock(mutex_);
    auto& queue = queues_[id];
    if (queue == nullptr) queue = std::make_shared<FakeQueue>();
    return queue;
  }
  mutable std::mutex mutex_;
  std::map<exchange::ChannelId, std::shared_ptr<FakeQueue>> queues_;
};

/// Hash partitioning of text rows with keys, row by row; holds rows back until Flush() or until `hold_rows` have gathered.
class FakeHashPartitioner final : public exchange::Partitioner {
 public:
  FakeHashPartitioner(std::uint32_t channels, std::uint32_t max_parallelism, std::int64_t hold_rows)
      : max_parallelism_(max_parallelism), hold_rows_(hold_rows), held_(channels) {}
  Status Add(const columnar::DataBatch& batch, std::vector<Piece>* ready) override {
    const auto& values = static_cast<const arrow::LargeStringArray&>(*batch.records()->column(batch.value_column()));
    const auto& keys = static_cast<const arrow::LargeBinaryArray&>(*batch.records()->column(batch.key_column()));
    for (std::int64_t i = 0; i < batch.num_rows(); ++i) {
      const auto group = columnar::KeyGroupOf(columnar::HashKey(keys.GetView(i)), max_parallelism_);
      const auto channel = columnar::SubtaskOf(group, static_cast<std::uint32_t>(held_.size()), max_parallelism_);
      held_[channel].emplace_back(values.GetString(i), keys.GetString(i));
      if (static_cast<std::int64_t>(held_[channel].size()) >= hold_rows_) HR_RETURN_NOT_OK(Give(channel, ready));
    }
    return Status::OK();
  }
  Status Flush(std::vector<Piece>* ready) override {
    for (std::uint32_t channel = 0; channel < held_.size(); ++channel) HR_RETURN_NOT_OK(Give(channel, ready));
    return Status::OK();
  }
  bool has_pending() const override {
    for (const auto& rows : held_) {
      if (!rows.empty()) return true;
    }
    return false;
  }

 private:
  Status Give(std::uint32_t channel, std::vector<Piece>* ready) {
    if (held_[channel].empty()) return Status::OK();
    arrow::LargeStringBuilder values;
    arrow::LargeBinaryBuilder keys;
    for (const auto& [value, key] : held_[channel]) {
      HR_RETURN_NOT_OK(values.Append(value));
      HR_RETURN_NOT_OK(keys.Append(key));
    }
    held_[channel].clear();
    std::shared_ptr<arrow::Array> value_array, key_array;
    HR_RETURN_NOT_OK(values.Finish(&value_array));
    HR_RETURN_NOT_OK(keys.Finish(&key_array));
    HR_ASSIGN_OR_RAISE(auto batch, columnar::MakeValueBatch(columnar::ValueForm::kUtf8, value_array, key_array));
    ready->emplace_back(channel, std::move(batch));
    return Status::OK();
  }
  std::uint32_t max_parallelism_;
  std::int64_t hold_rows_;
  std::vector<std::vector<std::pair<std::string, std::string>>> held_;
};

}  // namespace headrace::data::task
