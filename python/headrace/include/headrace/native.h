#pragma once
/// Keyed process functions in C++ for Headrace. A function is a class with its columns and states as members:
///
///   class Gaps : public headrace::Function {
///     headrace::In<std::int64_t> at{this, "at"};
///     headrace::ValueState<std::int64_t> last{this, "last"};
///     headrace::Out<std::int64_t> gap{this, "gap"};
///     void Process(const headrace::Rows& rows) override {
///       for (std::int64_t i = 0; i < rows.size(); ++i) {
///         if (const auto before = last.Get(rows.key(i))) { gap.Add(at[i] - *before); EndRow(rows.time(i)); }
///         last.Put(rows.key(i), at[i]);
///       }
///     }
///   };
///   HEADRACE_FUNCTION(gaps, Gaps)
///   HEADRACE_LIBRARY()
///
/// Build: c++ -std=c++17 -O2 -shared -fPIC -I$(python -m headrace.native_functions) gaps.cc -o libgaps.so
/// One instance runs for each subtask, called from one thread at a time. What is thrown fails the job with its what().
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "headrace/native_abi.h"

namespace headrace {

/// A number that stands for a key during one call.
using Key = std::uint32_t;

/// How long state lives behind its last write, or behind its last read or write.
struct Ttl {
  std::int64_t ms = 0;
  bool refresh_on_read = false;
};

/// Rows of a batch in hand, or timers.
class Rows {
 public:
  explicit Rows(const headrace_rows* rows) : rows_(rows) {}
  std::int64_t size() const { return rows_->num_rows; }
  Key key(std::int64_t row) const { return rows_->keys[row]; }
  bool has_times() const { return rows_->times != nullptr; }
  /// Event time of the row, 0 when rows have none; the timer's time.
  std::int64_t time(std::int64_t row) const { return rows_->times == nullptr ? 0 : rows_->times[row]; }
  bool timers() const { return rows_->timer_kind != HEADRACE_NO_TIMER; }
  bool event_time() const { return rows_->timer_kind == HEADRACE_EVENT_TIME; }

 private:
  const headrace_rows* rows_;
};

class Function;
struct Glue;

namespace detail {

inline std::string_view View(headrace_bytes bytes) { return {static_cast<const char*>(bytes.data), static_cast<std::size_t>(bytes.size)}; }

/// Values as bytes: numbers and plain structs as they lie in memory, strings as their characters.
template <typename T>
headrace_bytes BytesOf(const T& value) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    const std::string_view text = value;
    return {text.empty() ? "" : text.data(), text.size()};
  } else {
    static_assert(std::is_trivially_copyable_v<T>, "states hold numbers, plain structs and std::string");
    return {&value, sizeof(T)};
  }
}
template <typename T>
T ValueOf(headrace_bytes bytes) {
  if constexpr (std::is_same_v<T, std::string>) {
    return std::string(View(bytes));
  } else {
    T value{};
    if (bytes.size != sizeof(T)) throw std::runtime_error("a state holds " + std::to_string(bytes.size) + " bytes, not those of its type");
    std::memcpy(&value, bytes.data, sizeof(T));
    return value;
  }
}

template <typename T>
constexpr const char* FormatOf() {
  if constexpr (std::is_same_v<T, bool>)
    return "b";
  else if constexpr (std::is_same_v<T, std::int8_t>)
    return "c";
  else if constexpr (std::is_same_v<T, std::int16_t>)
    return "s";
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return "i";
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return "l";
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return "C";
  else if constexpr (std::is_same_v<T, std::uint16_t>)
    return "S";
  else if constexpr (std::is_same_v<T, std::uint32_t>)
    return "I";
  else if constexpr (std::is_same_v<T, std::uint64_t>)
    return "L";
  else if constexpr (std::is_same_v<T, float>)
    return "f";
  else if constexpr (std::is_same_v<T, double>)
    return "g";
  else
    return "u";
}

class Input {
 public:
  explicit Input(std::string name) : name_(std::move(name)) {}
  virtual ~Input() = default;
  virtual bool Fits(std::string_view format) const = 0;
  virtual const char* wanted() const = 0;

 protected:
  friend class headrace::Function;
  std::string name_;
  std::int64_t in_rows_ = -1, in_keys_ = -1;  // its place
  bool large_ = false;
  const ArrowArray* array_ = nullptr;
};

struct Owned {
  std::vector<std::string> buffers;
  std::vector<const void*> pointers;
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> child_pointers;
};
inline void Release(ArrowArray* array) {
  auto* owned = static_cast<Owned*>(array->private_data);
  for (ArrowArray& child : owned->children)
    if (child.release != nullptr) child.release(&child);
  delete owned;
  array->release = nullptr;
}

class Output {
 public:
  Output(std::string name, std::string format) : name_(std::move(name)), format_(std::move(format)) {}
  virtual ~Output() = default;
  virtual void Clear() = 0;
  virtual std::vector<std::string> Buffers() const = 0;
  std::size_t rows() const { return valid_.size(); }

 protected:
  friend class headrace::Function;
  friend struct headrace::Glue;
  std::string name_, format_;
  std::vector<bool> valid_;
};

}  // namespace detail

/// What a process function derives from.
class Function {
 public:
  virtual ~Function() = default;
  /// Once before the first row; `options`: what the job gave, as JSON. States have no keys here.
  virtual void Open(std::string_view options) {}
  /// Called with each batch, rows in their order by key.
  virtual void Process(const Rows& rows) = 0;
  /// Called with timers that are due, in the order of their times; of the columns those of the key can be read.
  virtual void OnTimers(const Rows& timers) { throw std::runtime_error("it sets timers, but has no OnTimers()"); }

  std::uint32_t subtask() const { return subtask_; }
  std::uint32_t parallelism() const { return parallelism_; }

 protected:
  /// The wall clock in ms, and the watermark.
  std::int64_t now_ms() const { return host_->now_ms; }
  std::int64_t watermark_ms() const { return host_->watermark_ms; }
  void SetEventTimer(Key key, std::int64_t time_ms) { Timer(key, HEADRACE_EVENT_TIME, time_ms, 1); }
  void SetProcessingTimer(Key key, std::int64_t time_ms) { Timer(key, HEADRACE_PROCESSING_TIME, time_ms, 1); }
  void DeleteEventTimer(Key key, std::int64_t time_ms) { Timer(key, HEADRACE_EVENT_TIME, time_ms, 0); }
  void DeleteProcessingTimer(Key key, std::int64_t time_ms) { Timer(key, HEADRACE_PROCESSING_TIME, time_ms, 0); }
  /// Ends a row to which every Out has added a value; its event time.
  void EndRow(std::int64_t time_ms) {
    times_.push_back(time_ms);
    for (const detail::Output* output : outputs_)
      if (output->rows() != times_.size()) throw std::runtime_error("a row ends without a value of " + output->name_);
  }

 private:
  friend struct Glue;
  template <typename T>
  friend class In;
  template <typename T>
  friend class Out;
  friend class State;

  void Timer(Key key, std::uint32_t kind, std::int64_t time_ms, int set) { Check(host_->timer(host_->self, key, kind, time_ms, set)); }
  static void Check(int result) {
    if (result != 0) throw std::runtime_error("");  // the engine knows why
  }
  static void Place(const ArrowSchema* schema, detail::Input* input, std::int64_t* place) {
    for (std::int64_t i = 0; i < schema->n_children; ++i) {
      const ArrowSchema& child = *schema->children[i];
      if (child.name == nullptr || input->name_ != child.name) continue;
      if (!input->Fits(child.format))
        throw std::runtime_error("it reads the column \"" + input->name_ + "\" as Arrow type '" + input->wanted() +
                                 "', but the rows have '" + child.format + "'");
      input->large_ = child.format[0] == 'U';
      *place = i;
      return;
    }
  }
  void Bind(const headrace_open* open) {
    for (detail::Input* input : inputs_) {
      Place(open->input, input, &input->in_rows_);
      Place(open->keys, input, &input->in_keys_);
      if (input->in_rows_ < 0) throw std::runtime_error("it reads the column \"" + input->name_ + "\", which the rows do not have");
    }
    subtask_ = open->subtask;
    parallelism_ = open->parallelism;
  }
  void Begin(const headrace_host* host, const headrace_rows* rows) {
    host_ = host;
    for (detail::Input* input : inputs_) {
      const std::int64_t place = rows->timer_kind == HEADRACE_NO_TIMER ? input->in_rows_ : input->in_keys_;
      input->array_ = place < 0 ? nullptr : rows->columns->children[place];
    }
  }
  void Flush() {
    if (times_.empty()) return;
    ArrowArray rows = Struct();
    std::vector<std::int64_t> times = std::move(times_);
    times_.clear();
    for (detail::Output* output : outputs_) output->Clear();
    Check(host_->emit(host_->self, &rows, times.data()));
  }
  ArrowArray Struct() const {
    auto owned = std::make_unique<detail::Owned>();
    for (const detail::Output* output : outputs_) {
      auto column = std::make_unique<detail::Owned>();
      column->buffers = output->Buffers();
      std::int64_t nulls = 0;
      for (const bool valid : output->valid_) nulls += valid ? 0 : 1;
      for (std::size_t i = 0; i < column->buffers.size(); ++i)
        column->pointers.push_back(i == 0 && nulls == 0 ? nullptr : column->buffers[i].data());
      ArrowArray child{static_cast<std::int64_t>(times_.size()),
                       nulls,
                       0,
                       static_cast<std::int64_t>(column->pointers.size()),
                       0,
                       column->pointers.data(),
                       nullptr,
                       nullptr,
                       &detail::Release,
                       column.get()};
      column.release();
      owned->children.push_back(child);
    }
    for (ArrowArray& child : owned->children) owned->child_pointers.push_back(&child);
    owned->pointers.push_back(nullptr);
    ArrowArray rows{static_cast<std::int64_t>(times_.size()),
                    0,
                    0,
                    1,
                    static_cast<std::int64_t>(owned->children.size()),
                    owned->pointers.data(),
                    owned->child_pointers.data(),
                    nullptr,
                    &detail::Release,
                    owned.get()};
    owned.release();
    return rows;
  }

  const headrace_host* host_ = nullptr;
  std::uint32_t subtask_ = 0, parallelism_ = 1;
  std::vector<detail::Input*> inputs_;
  std::vector<detail::Output*> outputs_;
  std::vector<headrace_state> states_;
  std::vector<std::int64_t> times_;
};

/// A column of the rows that come: numbers, bool, std::string_view; timestamps and times of 64 bits as std::int64_t in their unit.
template <typename T>
class In final : public detail::Input {
 public:
  In(Function* function, std::string name) : Input(std::move(name)) { function->inputs_.push_back(this); }
  bool is_null(std::int64_t row) const {
    const auto* bits = static_cast<const std::uint8_t*>(Array().buffers[0]);
    const std::int64_t at = array_->offset + row;
    return bits != nullptr && array_->null_count != 0 && (bits[at / 8] >> (at % 8) & 1) == 0;
  }
  /// Of a null whatever lies there.
  T operator[](std::int64_t row) const {
    const std::int64_t at = Array().offset + row;
    if constexpr (std::is_same_v<T, std::string_view>) {
      return large_ ? Text<std::int64_t>(at) : Text<std::int32_t>(at);
    } else if constexpr (std::is_same_v<T, bool>) {
      return (static_cast<const std::uint8_t*>(array_->buffers[1])[at / 8] >> (at % 8) & 1) != 0;
    } else {
      return static_cast<const T*>(array_->buffers[1])[at];
    }
  }

 private:
  const ArrowArray& Array() const {
    if (array_ == nullptr) throw std::runtime_error("the column \"" + name_ + "\" is not of the key, and cannot be read with a timer");
    return *array_;
  }
  template <typename Offset>
  std::string_view Text(std::int64_t at) const {
    const auto* offsets = static_cast<const Offset*>(array_->buffers[1]);
    return {static_cast<const char*>(array_->buffers[2]) + offsets[at], static_cast<std::size_t>(offsets[at + 1] - offsets[at])};
  }
  bool Fits(std::string_view format) const override {
    if constexpr (std::is_same_v<T, std::string_view>) return format == "u" || format == "U" || format == "z";
    if constexpr (std::is_same_v<T, std::int64_t>)
      return format == "l" || format.substr(0, 2) == "ts" || format == "ttu" || format.substr(0, 2) == "tD";
    return format == detail::FormatOf<T>();
  }
  const char* wanted() const override { return detail::FormatOf<T>(); }
};

/// A column of the rows that the function gives: numbers, bool, std::string. format: another Arrow type of the same width, as "tsm:UTC".
template <typename T>
class Out final : public detail::Output {
 public:
  Out(Function* function, std::string name, std::string format = detail::FormatOf<T>()) : Output(std::move(name), std::move(format)) {
    function->outputs_.push_back(this);
  }
  void Add(const T& value) {
    valid_.push_back(true);
    values_.push_back(value);
  }
  void AddNull() {
    valid_.push_back(false);
    values_.push_back(T{});
  }

 private:
  template <typename Bits>
  static std::string Packed(const Bits& bits) {
    std::string packed(bits.size() / 8 + 1, '\0');
    for (std::size_t i = 0; i < bits.size(); ++i)
      if (bits[i]) packed[i / 8] = static_cast<char>(packed[i / 8] | 1 << (i % 8));
    return packed;
  }
  void Clear() override {
    valid_.clear();
    values_.clear();
  }
  std::vector<std::string> Buffers() const override {
    std::vector<std::string> buffers = {Packed(valid_)};
    if constexpr (std::is_same_v<T, std::string>) {
      std::string offsets(4, '\0'), bytes;
      for (const std::string& value : values_) {
        bytes += value;
        if (bytes.size() > 0x7FFFFFFFu) throw std::runtime_error("more than 2 GiB of text in one batch");
        const auto end = static_cast<std::int32_t>(bytes.size());
        offsets.append(reinterpret_cast<const char*>(&end), sizeof(end));
      }
      buffers.push_back(std::move(offsets));
      buffers.push_back(std::move(bytes));
    } else if constexpr (std::is_same_v<T, bool>) {
      buffers.push_back(Packed(values_));
    } else {
      buffers.emplace_back(reinterpret_cast<const char*>(values_.data()), values_.size() * sizeof(T));
    }
    return buffers;
  }
  std::vector<T> values_;
};

/// A state of each key, declared as a member; the engine keeps it.
class State {
 public:
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  void Clear(Key key) { Check(host().put(host().self, number_, key, {nullptr, 0})); }

 protected:
  State(Function* function, std::string name, std::uint32_t kind, Ttl ttl)
      : function_(function), name_(std::move(name)), number_(static_cast<std::uint32_t>(function->states_.size())) {
    function->states_.push_back({name_.c_str(), kind, ttl.refresh_on_read ? 1u : 0u, ttl.ms});
  }
  const headrace_host& host() const {
    if (function_->host_ == nullptr)
      throw std::runtime_error("the state " + name_ + " belongs to a key: use it in Process() and OnTimers() only");
    return *function_->host_;
  }
  static void Check(int result) { Function::Check(result); }
  Function* function_;
  std::string name_;
  std::uint32_t number_;
};

/// One value a key.
template <typename T>
class ValueState : public State {
 public:
  ValueState(Function* function, std::string name, Ttl ttl = {}) : State(function, std::move(name), HEADRACE_VALUE, ttl) {}
  std::optional<T> Get(Key key) const {
    const headrace_bytes bytes = host().get(host().self, number_, key);
    return bytes.data == nullptr ? std::nullopt : std::optional<T>(detail::ValueOf<T>(bytes));
  }
  void Put(Key key, const T& value) { Check(host().put(host().self, number_, key, detail::BytesOf(value))); }
};

/// One value a key, into which others are folded: fold(value so far, added).
template <typename T, typename Fold = std::plus<T>>
class ReducingState : public ValueState<T> {
 public:
  ReducingState(Function* function, std::string name, Fold fold = {}, Ttl ttl = {})
      : ValueState<T>(function, std::move(name), ttl), fold_(std::move(fold)) {}
  void Add(Key key, const T& value) {
    const auto before = this->Get(key);
    this->Put(key, before ? fold_(*before, value) : value);
  }

 private:
  Fold fold_;
};

/// An accumulator a key. Aggregate has: Accumulator create(); void add(Accumulator*, value); Result result(const Accumulator&).
template <typename Aggregate>
class AggregatingState {
  using Accumulator = decltype(std::declval<Aggregate>().create());

 public:
  AggregatingState(Function* function, std::string name, Aggregate aggregate = {}, Ttl ttl = {})
      : state_(function, std::move(name), ttl), aggregate_(std::move(aggregate)) {}
  template <typename T>
  void Add(Key key, const T& value) {
    Accumulator accumulator = state_.Get(key).value_or(aggregate_.create());
    aggregate_.add(&accumulator, value);
    state_.Put(key, accumulator);
  }
  auto Get(Key key) const { return aggregate_.result(state_.Get(key).value_or(aggregate_.create())); }
  void Clear(Key key) { state_.Clear(key); }

 private:
  ValueState<Accumulator> state_;
  Aggregate aggregate_;
};

/// A list a key.
template <typename T>
class ListState : public State {
 public:
  ListState(Function* function, std::string name, Ttl ttl = {}) : State(function, std::move(name), HEADRACE_LIST, ttl) {}
  void Add(Key key, const T& value) { Check(host().list_add(host().self, number_, key, detail::BytesOf(value))); }
  std::vector<T> Get(Key key) const {
    std::vector<T> values;
    std::string_view left = detail::View(host().get(host().self, number_, key));
    while (left.size() >= 4) {
      std::uint32_t size = 0;
      std::memcpy(&size, left.data(), 4);
      values.push_back(detail::ValueOf<T>({left.data() + 4, size}));
      left.remove_prefix(4 + size);
    }
    return values;
  }
};

/// A map a key, each entry kept for itself.
template <typename K, typename V>
class MapState : public State {
 public:
  MapState(Function* function, std::string name, Ttl ttl = {}) : State(function, std::move(name), HEADRACE_MAP, ttl) {}
  std::optional<V> Get(Key key, const K& entry) const {
    const headrace_bytes bytes = host().map_get(host().self, number_, key, detail::BytesOf(entry));
    return bytes.data == nullptr ? std::nullopt : std::optional<V>(detail::ValueOf<V>(bytes));
  }
  void Put(Key key, const K& entry, const V& value) {
    Check(host().map_put(host().self, number_, key, detail::BytesOf(entry), detail::BytesOf(value)));
  }
  void Remove(Key key, const K& entry) { Check(host().map_put(host().self, number_, key, detail::BytesOf(entry), {nullptr, 0})); }
  /// visit(entry, value), in the order of the entries' bytes. Collect what is to change, and change it behind.
  template <typename Visit>
  void ForEach(Key key, Visit visit) const {
    std::string at;
    headrace_bytes entry{}, value{};
    for (int there = host().map_next(host().self, number_, key, {nullptr, 0}, &entry, &value); there == 1;
         there = host().map_next(host().self, number_, key, {at.data(), at.size()}, &entry, &value)) {
      at.assign(detail::View(entry));
      visit(detail::ValueOf<K>(entry), detail::ValueOf<V>(value));
    }
  }
};

/// What stands between the boundary's C and functions in C++.
struct Glue {
  template <typename Body>
  static int Guard(headrace_error* error, const Body& body) noexcept {
    try {
      body();
      return 0;
    } catch (const std::exception& caught) {
      Say(error, caught.what());
    } catch (...) {
      Say(error, "it threw something that is no std::exception");
    }
    return 1;
  }
  static void Say(headrace_error* error, const char* what) {
    std::strncpy(error->message, what, sizeof(error->message) - 1);
    error->message[sizeof(error->message) - 1] = '\0';
  }
  template <typename Made>
  static int Open(const headrace_open* open, void** instance, ArrowSchema* output, const headrace_state** states, std::uint32_t* num_states,
                  headrace_error* error) {
    return Guard(error, [&] {
      std::unique_ptr<Function> made = std::make_unique<Made>();
      made->Bind(open);
      made->Open(open->options);
      Schema(*made, output);
      *states = made->states_.data();
      *num_states = static_cast<std::uint32_t>(made->states_.size());
      *instance = made.release();
    });
  }
  static int Process(void* instance, const headrace_host* host, const headrace_rows* rows, headrace_error* error) {
    auto* function = static_cast<Function*>(instance);
    return Guard(error, [&] {
      function->Begin(host, rows);
      if (rows->timer_kind == HEADRACE_NO_TIMER)
        function->Process(Rows(rows));
      else
        function->OnTimers(Rows(rows));
      function->Flush();
    });
  }
  static void Close(void* instance) { delete static_cast<Function*>(instance); }
  template <typename Made>
  static headrace_function Describe() {
    return {sizeof(headrace_function), &Open<Made>, &Process, &Process, &Close};
  }

 private:
  struct Named {
    std::string name, format;
    std::vector<ArrowSchema> children;
    std::vector<ArrowSchema*> pointers;
  };
  static void Release(ArrowSchema* schema) {
    auto* named = static_cast<Named*>(schema->private_data);
    for (ArrowSchema& child : named->children)
      if (child.release != nullptr) child.release(&child);
    delete named;
    schema->release = nullptr;
  }
  static ArrowSchema Of(std::unique_ptr<Named> named) {
    for (ArrowSchema& child : named->children) named->pointers.push_back(&child);
    Named* kept = named.release();
    return {kept->format.c_str(),
            kept->name.c_str(),
            nullptr,
            ARROW_FLAG_NULLABLE,
            static_cast<std::int64_t>(kept->children.size()),
            kept->pointers.data(),
            nullptr,
            &Release,
            kept};
  }
  static void Schema(const Function& function, ArrowSchema* schema) {
    auto rows = std::make_unique<Named>();
    rows->format = "+s";
    for (const detail::Output* output : function.outputs_) {
      auto column = std::make_unique<Named>();
      column->name = output->name_;
      column->format = output->format_;
      rows->children.push_back(Of(std::move(column)));
    }
    *schema = Of(std::move(rows));
  }
};

}  // namespace headrace

/// Offers a function under a name; once in each library HEADRACE_LIBRARY().
#define HEADRACE_FUNCTION(name, type)                                              \
  extern "C" HEADRACE_EXPORT const headrace_function* headrace_function_##name() { \
    static const headrace_function described = ::headrace::Glue::Describe<type>(); \
    return &described;                                                             \
  }
#define HEADRACE_LIBRARY() \
  extern "C" HEADRACE_EXPORT std::uint32_t headrace_abi_version() { return HEADRACE_ABI_VERSION; }
