#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "control/rest/routes/routes.h"
#include "control/rest/view_json.h"
#include "net/multipart.h"

namespace headrace::control::rest {
namespace {

constexpr std::size_t kMaxUploadBytes = 66u << 20;
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxKeyBytes = 255;

Status BadField(std::string message) {
  return Error(ErrorCode::kBadRequest, std::move(message), "Send job_file, and if wanted parallelism and job_name.");
}

Status ReadParallelism(std::string_view text, job::SubmitRequest* submit) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return Error(ErrorCode::kBadParallelism, fmt::format("parallelism \"{}\" is not a whole number that fits", text.substr(0, 32)));
  }
  if (value == 0) return Error(ErrorCode::kBadParallelism, "parallelism is 0");
  submit->parallelism = value;
  return Status::OK();
}

Status ReadField(const net::FormPart& part, job::SubmitRequest* submit) {
  if (part.name == "job_file") {
    if (part.content.empty()) return Error(ErrorCode::kNotAJobFile, "job_file is empty");
    submit->job_file.assign(part.content);
    return Status::OK();
  }
  if (part.name == "parallelism") return ReadParallelism(part.content, submit);
  if (part.name == "job_name") {
    if (part.content.size() > kMaxNameBytes) return BadField(fmt::format("job_name is longer than {} bytes", kMaxNameBytes));
    submit->job_name.assign(part.content);
    return Status::OK();
  }
  if (part.name == "savepoint_path" || part.name == "allow_non_restored_state") {
    if (part.content.empty()) return Status::OK();
    return BadField(fmt::format("{}: this version cannot start a job from a savepoint", part.name));
  }
  return BadField(fmt::format("\"{}\" is not a field of this request", part.name.substr(0, 64)));
}

Result<job::SubmitRequest> ReadSubmit(const net::HttpRequest& request) {
  HR_ASSIGN_OR_RAISE(const std::string boundary, net::MultipartBoundary(request.Header("Content-Type")));
  HR_ASSIGN_OR_RAISE(const auto parts, net::ParseMultipart(request.body, boundary));
  job::SubmitRequest submit;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool repeated = std::any_of(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(i),
                                      [&](const net::FormPart& p) { return p.name == parts[i].name; });
    if (repeated) return BadField(fmt::format("\"{}\" is given twice", parts[i].name.substr(0, 64)));
    HR_RETURN_NOT_OK(ReadField(parts[i], &submit));
  }
  if (net::FindPart(parts, "job_file") == nullptr) return BadField("the field job_file is missing");
  submit.idempotency_key = std::string(request.Header("Idempotency-Key"));
  const bool printable =
      std::all_of(submit.idempotency_key.begin(), submit.idempotency_key.end(), [](char c) { return c > ' ' && c < 0x7f; });
  const std::size_t keys = net::CountFields(request.headers, "Idempotency-Key");
  if (keys > 1 || !printable || submit.idempotency_key.size() > kMaxKeyBytes || (keys == 1 && submit.idempotency_key.empty())) {
    return Error(ErrorCode::kBadRequest, fmt::format("Idempotency-Key must be 1 to {} printable characters without blanks", kMaxKeyBytes),
                 "Send a UUID.");
  }
  return submit;
}

}  // namespace

void AddSubmitRoutes(Router* router, const RouteServices& services) {
  const RouteOptions upload{.max_body_bytes = kMaxUploadBytes, .multipart = true};
  router->Add(
      "POST", "/jobs/submit",
      [services](Call call) {
        auto submit = ReadSubmit(call.request);
        if (!submit.ok()) return call.responder.Send(submit.status());
        services.dispatcher->Submit(std::move(*submit), [responder = call.responder](Result<job::SubmitAnswer> answer) {
          if (!answer.ok()) return responder.Send(answer.status());
          responder.Send(net::JsonResponse(200, SubmittedJson(*answer)));
        });
      },
      upload);
  router->Add(
      "POST", "/jobs/validate",
      [services](Call call) {
        auto submit = ReadSubmit(call.request);
        if (!submit.ok()) return call.responder.Send(submit.status());
        services.dispatcher->Validate(std::move(*submit), [executor = services.executor, responder = call.responder](
                                                              const Result<std::shared_ptr<const plan::ExecutionPlan>>& plan) {
          if (!plan.ok()) return responder.Send(plan.status());
          executor->Post([responder, plan = *plan] { responder.Send(net::JsonResponse(200, ValidatedJson(*plan))); });
        });
      },
      upload);
}

}  // namespace headrace::control::rest
