#pragma once
#include <optional>
#include <string>
#include <vector>

namespace headrace::apps {

enum class ProgramErrors { kShow, kDrop };  ///< what becomes of the program's standard error

/// Runs a program, found on PATH, without a shell, and gives back what it printed on standard output; nothing when it cannot be
/// started or fails. Its signals are those of a fresh process, so that Ctrl-C ends it. Blocking; any thread.
std::optional<std::string> OutputOf(const std::vector<std::string>& command, ProgramErrors errors);
/// The first line of it, without the line's end; empty when there is none.
std::string FirstLineOf(const std::vector<std::string>& command);

}  // namespace headrace::apps
