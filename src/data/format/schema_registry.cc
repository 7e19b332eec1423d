#include "data/format/schema_registry.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "columnar/value_text.h"
#include "net/http_client.h"

namespace headrace::data::format {
namespace {

using Json = nlohmann::json;
constexpr char kContentType[] = "application/vnd.schemaregistry.v1+json";
constexpr int kMaxReferenceDepth = 20;
constexpr std::size_t kMaxReferences = 200;
constexpr std::chrono::milliseconds kTimeout{10'000};

struct Address {
  std::string host;
  std::uint16_t port = 8081;
  bool secure = false;
  std::string path;
};

std::optional<Address> ParseUrl(std::string_view url) {
  Address address;
  address.secure = url.starts_with("https://");
  if (!address.secure && !url.starts_with("http://")) return std::nullopt;
  if (address.secure) address.port = 443;
  url.remove_prefix(url.find("//") + 2);
  const std::size_t slash = url.find('/');
  if (slash != std::string_view::npos) address.path = url.substr(slash);
  while (address.path.ends_with('/')) address.path.pop_back();
  std::string_view host = url.substr(0, slash);
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
    const std::string_view digits = host.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
    if (error != std::errc() || end != digits.data() + digits.size() || address.port == 0) return std::nullopt;
    host = host.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty() || host.find_first_of("@ \r\n") != std::string_view::npos || address.path.find_first_of(" \r\n") != std::string::npos)
    return std::nullopt;
  address.host = host;
  return address;
}

std::string TextOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string Escaped(std::string_view subject) {
  std::string escaped;
  for (const char c : subject) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    escaped += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return escaped;
}

}  // namespace

void PutSchemaId(std::int32_t id, std::string* record) {
  record->push_back('\0');
  for (int shift = 24; shift >= 0; shift -= 8) record->push_back(static_cast<char>(static_cast<std::uint32_t>(id) >> shift));
}

Status TakeSchemaId(std::string_view* record, std::int32_t* id) {
  if (record->size() < 5 || (*record)[0] != 0)
    return Status::Invalid(
        "it does not begin with a schema's id (a zero byte and four more), as what a schema registry's clients write does");
  std::uint32_t big_endian = 0;
  for (std::size_t i = 1; i < 5; ++i) big_endian = big_endian << 8 | static_cast<std::uint8_t>((*record)[i]);
  *id = static_cast<std::int32_t>(big_endian);
  record->remove_prefix(5);
  return Status::OK();
}

Result<std::shared_ptr<SchemaRegistry>> SchemaRegistry::Get(const RegistryAccess& access) {
  static std::mutex mutex;
  using Key = std::array<std::string, 5>;
  static std::map<Key, std::shared_ptr<SchemaRegistry>> registries;
  const std::lock_guard lock(mutex);
  std::shared_ptr<SchemaRegistry>& registry =
      registries[Key{access.url, access.credentials, access.tls.authorities, access.tls.certificate, access.tls.key}];
  if (registry != nullptr) return registry;
  auto address = ParseUrl(access.url);
  if (!address)
    return Error(ErrorCode::kBadOption, fmt::format("\"{:.200}\" is no address of a schema registry", access.url),
                 "Write it as http://host:port or https://host:port.");
  std::string authorization;
  if (!access.credentials.empty()) {
    authorization = "Basic ";
    columnar::AppendBase64(access.credentials, &authorization);
  }
  registry.reset(new SchemaRegistry(std::move(address->host), address->port, std::move(address->path), std::move(authorization),
                                    address->secure ? std::optional(access.tls) : std::nullopt));
  return registry;
}

Result<std::shared_ptr<const RegisteredSchema>> SchemaRegistry::ById(std::int32_t id) {
  std::promise<Answer> promise;
  {
    std::unique_lock lock(mutex_);
    if (const auto found = answers_.find(id); found != answers_.end()) {
      const std::shared_future<Answer> answer = found->second;
      lock.unlock();
      return answer.get();
    }
    answers_.emplace(id, promise.get_future().share());
  }
  Answer answer = Fetch(id);
  if (!answer.ok()) {
    // Those who wait are told, whoever comes later asks again.
    const std::lock_guard lock(mutex_);
    answers_.erase(id);
  }
  promise.set_value(answer);
  return answer;
}

SchemaRegistry::Answer SchemaRegistry::Fetch(std::int32_t id) const {
  HR_ASSIGN_OR_RAISE(const std::string answer, Ask(fmt::format("/schemas/ids/{}", id)));
  HR_ASSIGN_OR_RAISE(RegisteredSchema read, Read(answer, 0));
  return std::make_shared<const RegisteredSchema>(std::move(read));
}

/// Refusals that waiting does not change are kBadOption, the rest kNotReady; answers to the question itself are left to the caller.
Result<net::HttpResponse> SchemaRegistry::Send(const std::string& method, const std::string& target, std::string body) const {
  net::HttpClient client(host_, port_);
  client.set_timeout(kTimeout);
  if (tls_) client.set_tls(*tls_);
  net::HttpFields headers = {{"Accept", kContentType}};
  if (!body.empty()) headers.emplace_back("Content-Type", kContentType);
  if (!authorization_.empty()) headers.emplace_back("Authorization", authorization_);
  auto answer = client.Send(method, path_ + target, headers, std::move(body));
  if (!answer.ok() && CodeOf(answer.status()) == ErrorCode::kBadOption) return WithContext(answer.status(), "the schema registry");
  if (!answer.ok()) return Error(ErrorCode::kNotReady, "the schema registry does not answer: " + answer.status().message());
  const int status = answer->status;
  if (status == 200 || status == 404 || status == 409 || status == 422) return answer;
  const std::string what = fmt::format("the schema registry {}:{} answers {} to {}", host_, port_, status, target);
  if (status == 401 || status == 403) return Error(ErrorCode::kBadOption, what, "Check schema_registry_auth: \"user:password\".");
  return Error(ErrorCode::kNotReady, what);
}

Result<std::string> SchemaRegistry::Ask(const std::string& target) const {
  HR_ASSIGN_OR_RAISE(net::HttpResponse response, Send("GET", target, {}));
  if (response.status == 200) return std::move(response.body);
  return Status::Invalid("the schema registry ", host_, ":", port_, " knows no ", target.substr(1));
}

Result<std::int32_t> SchemaRegistry::IdOf(const std::string& subject, const RegisteredSchema& schema, bool registers) {
  Json body{{"schema", schema.text}};
  if (schema.type != "AVRO") body["schemaType"] = schema.type;
  const std::string target = fmt::format("/subjects/{}{}", Escaped(subject), registers ? "/versions" : "");
  HR_ASSIGN_OR_RAISE(const net::HttpResponse response, Send("POST", target, body.dump()));
  const Json answer = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (response.status == 200) {
    const auto id = answer.is_object() ? answer.find("id") : answer.end();
    if (id != answer.end() && id->is_number_integer()) return id->get<std::int32_t>();
    return Error(ErrorCode::kNotReady, fmt::format("{}:{} does not answer like a schema registry", host_, port_));
  }
  const std::string why = answer.is_object() ? TextOf(answer, "message") : std::string();
  if (!registers)
    return Error(ErrorCode::kBadOption,
                 fmt::format("the schema registry {}:{} does not have the schema of the rows under subject \"{:.200}\": {:.600}", host_,
                             port_, subject, why),
                 "Register it, or let the sink do so with auto_register.");
  return Error(ErrorCode::kBadOption,
               fmt::format("the schema registry {}:{} does not take the schema of the rows for subject \"{:.200}\": {:.600}", host_, port_,
                           subject, why),
               "Change the rows so that they fit the subject's earlier schemas, or its compatibility in the registry.");
}

Result<std::pair<std::int32_t, RegisteredSchema>> SchemaRegistry::Latest(const std::string& subject) {
  HR_ASSIGN_OR_RAISE(const net::HttpResponse response, Send("GET", fmt::format("/subjects/{}/versions/latest", Escaped(subject)), {}));
  if (response.status != 200)
    return Error(ErrorCode::kBadOption,
                 fmt::format("the schema registry {}:{} has no schema under subject \"{:.200}\"", host_, port_, subject),
                 "Register one, or leave use_latest away.");
  HR_ASSIGN_OR_RAISE(RegisteredSchema schema, Read(response.body, 0));
  const Json answer = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  const auto id = answer.find("id");
  if (id == answer.end() || !id->is_number_integer())
    return Error(ErrorCode::kNotReady, fmt::format("{}:{} does not answer like a schema registry", host_, port_));
  return std::pair(id->get<std::int32_t>(), std::move(schema));
}

Result<RegisteredSchema> SchemaRegistry::Read(const std::string& answer, int depth) const {
  const Json json = Json::parse(answer, nullptr, /*allow_exceptions=*/false);
  RegisteredSchema schema;
  if (!json.is_object() || (schema.text = TextOf(json, "schema")).empty())
    return Error(ErrorCode::kNotReady, fmt::format("{}:{} does not answer like a schema registry", host_, port_));
  schema.type = TextOf(json, "schemaType");
  if (schema.type.empty()) schema.type = "AVRO";
  HR_RETURN_NOT_OK(ReadReferences(answer, &schema, depth));
  return schema;
}

Status SchemaRegistry::ReadReferences(const std::string& answer, RegisteredSchema* schema, int depth) const {
  const Json json = Json::parse(answer, nullptr, /*allow_exceptions=*/false);
  const auto references = json.find("references");
  if (references == json.end() || !references->is_array()) return Status::OK();
  if (depth >= kMaxReferenceDepth) return Status::Invalid("schemas refer to each other more than ", kMaxReferenceDepth, " deep");
  for (const Json& reference : *references) {
    const std::string name = TextOf(reference, "name"), subject = TextOf(reference, "subject");
    const auto version = reference.find("version");
    if (name.empty() || subject.empty() || version == reference.end() || !version->is_number_integer()) continue;
    HR_ASSIGN_OR_RAISE(const std::string found,
                       Ask(fmt::format("/subjects/{}/versions/{}", Escaped(subject), version->get<std::int64_t>())));
    HR_ASSIGN_OR_RAISE(RegisteredSchema read, Read(found, depth + 1));
    for (auto& inner : read.references) schema->references.push_back(std::move(inner));
    schema->references.emplace_back(name, std::move(read.text));
    if (schema->references.size() > kMaxReferences) return Status::Invalid("a schema refers to more than ", kMaxReferences, " others");
  }
  return Status::OK();
}

}  // namespace headrace::data::format
