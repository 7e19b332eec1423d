#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "data/connector/nexmark/nexmark_model.h"

namespace headrace::data::connector::nexmark {

/// The text columns of Nexmark, appended to `out`; pure functions of model and event. Long texts are cuts of one block of
/// letters, which keeps making them near the speed of copying.
void AppendChannel(const Model& model, std::int64_t event, std::string* out);
void AppendUrl(const Model& model, std::int64_t event, std::string* out);
void AppendPersonName(const Model& model, std::int64_t event, std::string* out);
void AppendEmail(const Model& model, std::int64_t event, std::string* out);
void AppendCard(const Model& model, std::int64_t event, std::string* out);
void AppendCity(const Model& model, std::int64_t event, std::string* out);
void AppendState(const Model& model, std::int64_t event, std::string* out);
/// 3 to `most` - 1 letters and blanks, no blank at either end.
void AppendWords(const Model& model, std::int64_t event, Draw draw, std::int64_t most, std::string* out);
/// Filler that brings a row of `bytes` to some `average` bytes; nothing when it is there already.
void AppendExtra(const Model& model, std::int64_t event, Draw where, Draw size, std::int64_t bytes, std::int64_t average, std::string* out);

}  // namespace headrace::data::connector::nexmark
