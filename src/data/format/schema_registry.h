#pragma once
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "net/http_client.h"

namespace headrace::data::format {

/// A schema as a registry keeps it, with those it refers to (in the order in which they can be read).
struct RegisteredSchema {
  std::string type;  ///< "AVRO", "JSON", "PROTOBUF"
  std::string text;
  std::vector<std::pair<std::string, std::string>> references;  ///< name, text
};

/// Where a schema registry is and how it is spoken to.
struct RegistryAccess {
  std::string url;          ///< http://host:port[/path] or https://…; empty: there is none
  std::string credentials;  ///< "user:password", or empty
  net::TlsOptions tls;      ///< of https
};

/// A client of a Confluent-style schema registry over HTTP or HTTPS, with basic authentication or a client's certificate. Schemas never
/// change under their id, so each is asked for once a process: callers that come while the answer is under way share it. A failure is not
/// kept. Calls block: side threads only; any number of them.
class SchemaRegistry {
 public:
  /// One object per access in this process. kBadOption for a url that is none.
  static Result<std::shared_ptr<SchemaRegistry>> Get(const RegistryAccess& access);
  /// Invalid when the registry knows no such id; kNotReady while it does not answer; kBadOption when it refuses us.
  Result<std::shared_ptr<const RegisteredSchema>> ById(std::int32_t id);

  /// The id of a schema under a subject, made a new version of it when it is none yet (`registers`), else only looked up. Asked each time.
  /// kBadOption, with what the registry says, when it does not take the schema (incompatible with an earlier one, no schema), or does not
  /// have it; else as ById().
  Result<std::int32_t> IdOf(const std::string& subject, const RegisteredSchema& schema, bool registers);
  /// The newest version of a subject and its id. kBadOption when the subject has none.
  Result<std::pair<std::int32_t, RegisteredSchema>> Latest(const std::string& subject);

 private:
  SchemaRegistry(std::string host, std::uint16_t port, std::string path, std::string authorization, std::optional<net::TlsOptions> tls)
      : host_(std::move(host)), port_(port), path_(std::move(path)), authorization_(std::move(authorization)), tls_(std::move(tls)) {}
  using Answer = Result<std::shared_ptr<const RegisteredSchema>>;
  Answer Fetch(std::int32_t id) const;
  Result<net::HttpResponse> Send(const std::string& method, const std::string& target, std::string body) const;
  Result<std::string> Ask(const std::string& target) const;
  Result<RegisteredSchema> Read(const std::string& answer, int depth) const;
  Status ReadReferences(const std::string& answer, RegisteredSchema* schema, int depth) const;

  const std::string host_;
  const std::uint16_t port_;
  const std::string path_, authorization_;
  const std::optional<net::TlsOptions> tls_;
  std::mutex mutex_;
  std::map<std::int32_t, std::shared_future<Answer>> answers_;  ///< known, or under way
};

/// Cuts the head of the registry's wire format off a record: a zero byte and the schema's id, big-endian. Invalid when there is none.
Status TakeSchemaId(std::string_view* record, std::int32_t* id);
/// Puts it in front of one.
void PutSchemaId(std::int32_t id, std::string* record);

}  // namespace headrace::data::format
