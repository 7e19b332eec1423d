// Rows between two processes through the exchange, beside a raw 64 KiB TCP sender between the same two processes, in
// alternating pairs. The program starts itself as the receiving process.
//
// Payload is counted as the bytes of the rows alone: offsets, schemas and frames are our cost. Raw TCP sends one hot buffer;
// the exchange sends batches that exist already, and its consumer takes and checks each.
#include <arrow/array/array_binary.h>
#include <arrow/record_batch.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "columnar/key_encoding.h"
#include "columnar/value_column.h"
#include "data/exchange/channel.h"
#include "data/exchange/partitioner.h"

namespace {

using namespace headrace;                  // NOLINT: one program
using namespace headrace::data::exchange;  // NOLINT

constexpr std::int64_t kCreditBytes = 1 << 20;
constexpr std::int64_t kBatchBytes = 256 << 10;
constexpr int kBatches = 2;
constexpr std::size_t kRawBytes = 64 << 10;
const JobId kJob("00000000000000000000000000000001");

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "exchange_bench: %s\n", what.c_str());
  std::exit(1);
}
void Check(const Status& status) {
  if (!status.ok()) Die(status.ToString());
}
template <typename T>
T Check(Result<T> result) {
  Check(result.status());
  return std::move(*result);
}

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// User and system time of this process so far.
double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class FutexWaker final : public Waker {
 public:
  void Wake() override {
    wakes_.fetch_add(1, std::memory_order_release);
    wakes_.notify_one();
  }
  std::uint32_t wakes() const { return wakes_.load(std::memory_order_acquire); }
  void WaitBeyond(std::uint32_t seen) const { wakes_.wait(seen, std::memory_order_acquire); }

 private:
  std::atomic<std::uint32_t> wakes_{0};
};

template <typename Condition>
void Await(const FutexWaker& waker, Condition condition) {
  while (true) {
    const std::uint32_t seen = waker.wakes();
    if (condition()) return;
    waker.WaitBeyond(seen);
  }
}

columnar::DataBatch MakeBatch(std::size_t row_bytes, bool keyed, unsigned seed) {
  columnar::ValueBatchBuilder builder(columnar::ValueForm::kUtf8);
  std::string row(row_bytes, 'a');
  unsigned state = seed * 2654435761u + 1;
  while (builder.size_bytes() < kBatchBytes) {
    for (int i = 0; i < 6; ++i) {
      state = state * 1664525u + 1013904223u;
      row[static_cast<std::size_t>(i)] = static_cast<char>('a' + (state >> 24) % 26);
    }
    Check(builder.AppendBytes(row));
  }
  auto batch = Check(builder.Finish());
  if (!keyed) return batch;
  const auto values = batch.records()->column(0);
  return Check(columnar::MakeValueBatch(columnar::ValueForm::kUtf8, values,
                                        std::shared_ptr<arrow::Array>(Check(columnar::EncodeKeyColumn(*values)))));
}

ChannelId Channel(std::uint32_t deployment, std::uint32_t consumer) { return {kJob, deployment, 0, 0, consumer}; }

// ---- the receiving process: one command a line on stdin, one answer a line on stdout ----

void Answer(const std::string& text) {
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

/// Reads everything of one connection.
void ReceiveRaw() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener, 1) != 0) Die("cannot listen");
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  Answer(std::to_string(ntohs(address.sin_port)));
  const int fd = accept(listener, nullptr, nullptr);
  const double cpu = CpuSeconds();
  std::vector<char> buffer(kRawBytes);
  std::int64_t total = 0;
  for (ssize_t count; (count = read(fd, buffer.data(), buffer.size())) > 0;) total += count;
  close(fd);
  close(listener);
  Answer(std::to_string(total) + " " + std::to_string(CpuSeconds() - cpu));
}

/// Takes all rows of `channels` channels until each has ended; never polls the one called `blocked`.
void ReceiveRows(Exchange* exchange, std::uint32_t deployment, std::uint32_t channels, int blocked) {
  FutexWaker waker;
  std::vector<std::shared_ptr<InputChannel>> inputs;
  for (std::uint32_t i = 0; i < channels; ++i)
    inputs.push_back(Check(exchange->RegisterInput(Channel(deployment, i), kCreditBytes, &waker)));
  Answer("ready");
  std::uint32_t open = channels - (blocked >= 0 ? 1 : 0);
  std::int64_t rows = 0;
  const double cpu = CpuSeconds();
  while (open > 0) {
    const std::uint32_t seen = waker.wakes();
    bool worked = false;
    for (std::uint32_t i = 0; i < channels; ++i) {
      if (static_cast<int>(i) == blocked) continue;
      while (inputs[i] != nullptr && inputs[i]->ready()) {
        auto element = Check(inputs[i]->Poll());
        if (!element.has_value()) break;
        worked = true;
        if (const auto* batch = std::get_if<columnar::DataBatch>(&*element)) {
          rows += batch->num_rows();
        } else if (std::holds_alternative<columnar::EndOfInput>(*element)) {
          inputs[i] = nullptr;
          --open;
        }
      }
    }
    if (!worked) waker.WaitBeyond(seen);
  }
  Answer(std::to_string(rows) + " " + std::to_string(CpuSeconds() - cpu));
  exchange->Release(kJob, deployment);
}

int Receiver() {
  auto exchange = Check(MakeExchange({"receiver", "r", "127.0.0.1", 0, true}));
  Answer(std::to_string(exchange->port()));
  char line[128];
  while (std::fgets(line, sizeof(line), stdin) != nullptr) {
    unsigned deployment = 0, channels = 0;
    int blocked = -1;
    if (std::sscanf(line, "rows %u %u %d", &deployment, &channels, &blocked) == 3)
      ReceiveRows(exchange.get(), deployment, channels, blocked);
    else if (std::strncmp(line, "raw", 3) == 0)
      ReceiveRaw();
  }
  return 0;
}

// ---- the sending process ----

class ReceiverProcess {
 public:
  explicit ReceiverProcess(const char* program) {
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0) Die("pipe");
    pid_ = fork();
    if (pid_ == 0) {
      dup2(to[0], 0);
      dup2(from[1], 1);
      for (int fd : {to[0], to[1], from[0], from[1]}) close(fd);
      execl(program, program, "--receiver", nullptr);
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    to_ = fdopen(to[1], "w");
    from_ = fdopen(from[0], "r");
    port_ = static_cast<std::uint16_t>(std::stoi(Read()));
  }
  ~ReceiverProcess() {
    std::fclose(to_);
    std::fclose(from_);
    waitpid(pid_, nullptr, 0);
  }
  std::uint16_t port() const { return port_; }
  void Tell(const std::string& command) {
    std::fprintf(to_, "%s\n", command.c_str());
    std::fflush(to_);
  }
  std::string Read() {
    char line[128];
    if (std::fgets(line, sizeof(line), from_) == nullptr) Die("the receiving process ended");
    return line;
  }

 private:
  pid_t pid_;
  FILE* to_;
  FILE* from_;
  std::uint16_t port_;
};

/// How fast something went, and what it cost both processes together.
struct Speed {
  double per_second;
  double cpu_seconds_per_unit;
};

/// `answer` is "units cpu_seconds" of the receiving process.
Speed Measured(const std::string& answer, double wall_start, double cpu_start) {
  double units = 0, cpu = 0;
  if (std::sscanf(answer.c_str(), "%lf %lf", &units, &cpu) != 2) Die("an answer that is none: " + answer);
  return {units / (Now() - wall_start), (cpu + CpuSeconds() - cpu_start) / units};
}

/// Bytes of a plain sender.
Speed SendRaw(ReceiverProcess* receiver, double span_seconds) {
  receiver->Tell("raw");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(receiver->Read())));
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Die("cannot connect");
  const std::vector<char> buffer(kRawBytes, 'r');
  const double start = Now(), cpu = CpuSeconds();
  while (Now() - start < span_seconds) {
    for (int i = 0; i < 64; ++i) {
      for (std::size_t sent = 0; sent < buffer.size();) {
        const ssize_t count = write(fd, buffer.data() + sent, buffer.size() - sent);
        if (count < 0) Die("write");
        sent += static_cast<std::size_t>(count);
      }
    }
  }
  close(fd);
  return Measured(receiver->Read(), start, cpu);
}

struct Sender {
  Exchange* exchange;
  Endpoint peer;
  std::uint32_t next_deployment = 1;
};

/// Rows over `channels` channels. Keyed batches go through the hash partitioner, others to the channels in turn.
Speed SendRows(Sender* sender, ReceiverProcess* receiver, const std::vector<columnar::DataBatch>& batches, std::uint32_t channels,
               bool keyed, int blocked, bool fill_blocked, double span_seconds) {
  const std::uint32_t deployment = sender->next_deployment++;
  receiver->Tell("rows " + std::to_string(deployment) + " " + std::to_string(channels) + " " + std::to_string(blocked));
  receiver->Read();
  FutexWaker waker;
  std::vector<std::shared_ptr<OutputChannel>> outputs;
  for (std::uint32_t i = 0; i < channels; ++i)
    outputs.push_back(Check(sender->exchange->OpenOutput(Channel(deployment, i), sender->peer, 30'000, &waker)));
  for (auto& output : outputs) Await(waker, [&] { return output->writable() || !output->status().ok(); });
  if (fill_blocked) {
    while (outputs[static_cast<std::size_t>(blocked)]->writable()) Check(outputs[static_cast<std::size_t>(blocked)]->Write(batches[0]));
  }
  PartitionerOptions options;
  options.scheme = PartitioningScheme::kHash;
  options.channels = channels;
  auto partitioner = keyed ? Check(MakePartitioner(options)) : nullptr;
  std::vector<Partitioner::Piece> pieces;
  auto write = [&](std::uint32_t channel, const columnar::DataBatch& batch) {
    Await(waker, [&] { return outputs[channel]->writable() || !outputs[channel]->status().ok(); });
    Check(outputs[channel]->Write(batch));
  };
  std::uint32_t turn = 0;
  const double start = Now(), cpu = CpuSeconds();
  for (std::size_t i = 0; i % 16 != 0 || Now() - start < span_seconds; ++i) {
    const auto& batch = batches[i % batches.size()];
    if (keyed) {
      pieces.clear();
      Check(partitioner->Add(batch, &pieces));
      for (const auto& piece : pieces) write(piece.channel, piece.part.batch);
      continue;
    }
    do turn = (turn + 1) % channels;
    while (static_cast<int>(turn) == blocked);
    write(turn, batch);
  }
  if (keyed) {
    pieces.clear();
    Check(partitioner->Flush(&pieces));
    for (const auto& piece : pieces) write(piece.channel, piece.part.batch);
  }
  for (std::uint32_t i = 0; i < channels; ++i) {
    if (static_cast<int>(i) != blocked) Check(outputs[i]->Write(columnar::EndOfInput{}));
  }
  const Speed speed = Measured(receiver->Read(), start, cpu);
  sender->exchange->Release(kJob, deployment);
  return speed;
}

/// Rows per second from one thread to another of this process.
double SendLocally(Exchange* exchange, const std::vector<columnar::DataBatch>& batches, std::uint32_t deployment, double span_seconds) {
  FutexWaker input_waker, output_waker;
  const auto input = Check(exchange->RegisterInput(Channel(deployment, 0), kCreditBytes, &input_waker));
  const auto output =
      Check(exchange->OpenOutput(Channel(deployment, 0), {"sender", "s", "127.0.0.1", exchange->port()}, 30'000, &output_waker));
  std::int64_t rows = 0;
  const double start = Now();
  std::thread consumer([&] {
    while (true) {
      Await(input_waker, [&] { return input->ready(); });
      auto element = Check(input->Poll());
      if (!element.has_value()) continue;
      if (const auto* batch = std::get_if<columnar::DataBatch>(&*element))
        rows += batch->num_rows();
      else
        return;
    }
  });
  for (std::size_t i = 0; i % 1024 != 0 || Now() - start < span_seconds; ++i) {
    Await(output_waker, [&] { return output->writable(); });
    Check(output->Write(batches[i % batches.size()]));
  }
  Check(output->Write(columnar::EndOfInput{}));
  consumer.join();
  const double took = Now() - start;
  exchange->Release(kJob, deployment);
  return static_cast<double>(rows) / took;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/// Collects pairs of one case and prints them as one row.
class Row {
 public:
  Row(std::string name, std::string metric, std::string unit)
      : name_(std::move(name)), metric_(std::move(metric)), unit_(std::move(unit)) {}
  void Add(double value, double limit) {
    values_.push_back(value);
    limits_.push_back(limit);
    ratios_.push_back(value / limit);
  }
  bool empty() const { return ratios_.empty(); }
  void Print() const {
    std::printf(
        "{\"benchmark\":\"exchange\",\"case\":\"%s\",\"metric\":\"%s\",\"value\":%.4g,\"unit\":\"%s\",\"limit\":%.4g,\"ratio_to_limit\":%."
        "3f,\"pairs\":%zu,\"min\":%.3f,\"max\":%.3f}\n",
        name_.c_str(), metric_.c_str(), Median(values_), unit_.c_str(), Median(limits_), Median(ratios_), ratios_.size(),
        *std::min_element(ratios_.begin(), ratios_.end()), *std::max_element(ratios_.begin(), ratios_.end()));
    std::fflush(stdout);
  }

 private:
  std::string name_, metric_, unit_;
  std::vector<double> values_, limits_, ratios_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--receiver") == 0) return Receiver();
  const int pairs = argc > 1 ? std::max(1, std::atoi(argv[1])) : 7;
  const double span = argc > 2 ? std::atof(argv[2]) : 0.7;
  const bool all = argc <= 3;  // a third argument leaves only the plain remote case, for profilers
  ReceiverProcess receiver("/proc/self/exe");
  auto exchange = Check(MakeExchange({"sender", "s", "127.0.0.1", 0, true}));
  Sender sender{exchange.get(), {"receiver", "r", "127.0.0.1", receiver.port()}};

  for (const std::size_t row_bytes : {std::size_t{32}, std::size_t{200}}) {
    std::vector<columnar::DataBatch> plain, keyed;
    for (unsigned i = 0; i < kBatches; ++i) {
      plain.push_back(MakeBatch(row_bytes, false, i));
      keyed.push_back(MakeBatch(row_bytes, true, i));
    }
    const std::string name = std::to_string(row_bytes) + "B";
    const std::string against_raw = "payload against a raw 64 KiB TCP sender";
    Row forward("remote/" + name, against_raw, "GB/s"),
        cost("remote_cpu/" + name, "GB of payload per CPU second of both processes, against raw TCP", "GB/CPU-s"),
        hashed("remote_hash_4_channels/" + name, against_raw, "GB/s"), local("local/" + name, against_raw, "GB/s"),
        blocked("one_of_4_blocked/" + name, "rate of the others against the same without a blocked consumer", "Mrows/s");
    const double gigabytes = static_cast<double>(row_bytes) / 1e9;
    for (int pair = -1; pair < pairs; ++pair) {  // the first warms up
      const Speed raw = SendRaw(&receiver, span);
      const Speed rows = SendRows(&sender, &receiver, plain, 1, false, -1, false, span);
      if (!all) {
        if (pair >= 0) {
          forward.Add(rows.per_second * gigabytes, raw.per_second / 1e9);
          cost.Add(gigabytes / rows.cpu_seconds_per_unit, 1e-9 / raw.cpu_seconds_per_unit);
        }
        continue;
      }
      const Speed hash_rows = SendRows(&sender, &receiver, keyed, 4, true, -1, false, span);
      const double local_rows = SendLocally(exchange.get(), plain, sender.next_deployment++, span / 2);
      const Speed idle_rows = SendRows(&sender, &receiver, plain, 4, false, 3, false, span);
      const Speed blocked_rows = SendRows(&sender, &receiver, plain, 4, false, 3, true, span);
      if (pair < 0) continue;
      const double raw_gigabytes = raw.per_second / 1e9;
      forward.Add(rows.per_second * gigabytes, raw_gigabytes);
      cost.Add(gigabytes / rows.cpu_seconds_per_unit, 1e-9 / raw.cpu_seconds_per_unit);
      hashed.Add(hash_rows.per_second * gigabytes, raw_gigabytes);
      local.Add(local_rows * gigabytes, raw_gigabytes);
      blocked.Add(blocked_rows.per_second / 1e6, idle_rows.per_second / 1e6);
    }
    for (const Row* row : {&forward, &cost, &hashed, &local, &blocked}) {
      if (!row->empty()) row->Print();
    }
  }
  return 0;
}
