#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace headrace::data::format {

/// One type of an Avro schema. Named types that contain themselves make a cycle of pointers, so they are owned by their AvroSchema.
struct AvroType {
  enum class Kind : std::uint8_t {
    kNull,
    kBoolean,
    kInt,
    kLong,
    kFloat,
    kDouble,
    kBytes,
    kString,
    kFixed,
    kEnum,
    kRecord,
    kArray,
    kMap,
    kUnion
  };
  enum class Logical : std::uint8_t { kNone, kDecimal, kDate, kTime, kTimestamp, kLocalTimestamp };
  struct Field {
    std::string name;
    const AvroType* type = nullptr;
    std::string default_json = {};  ///< empty: none
  };
  Kind kind = Kind::kNull;
  Logical logical = Logical::kNone;
  std::int64_t ticks_per_second = 0;    ///< kTime, kTimestamp, kLocalTimestamp
  int scale = 0;                        ///< kDecimal
  std::uint64_t size = 0;               ///< kFixed
  std::string name;                     ///< as people read it: "long", "org.example.Bid", "array"
  std::vector<std::string> symbols;     ///< kEnum
  std::vector<Field> fields;            ///< kRecord
  std::vector<const AvroType*> inside;  ///< kArray, kMap: one; kUnion: its branches
};

/// A schema as a writer registered it. Immutable; any thread.
class AvroSchema {
 public:
  /// Invalid, saying where, for text that is no Avro schema; over 1 MiB or nested more than 60 deep.
  static Result<std::shared_ptr<const AvroSchema>> Parse(std::string_view json);
  const AvroType& root() const { return *root_; }

 private:
  friend class AvroParser;
  std::vector<std::unique_ptr<AvroType>> types_;
  const AvroType* root_ = nullptr;
};

}  // namespace headrace::data::format
