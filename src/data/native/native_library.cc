#include "data/native/native_library.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>

#include "plan/process.h"

namespace headrace::data::native {

namespace {

Status Wrong(const std::string& what, std::string hint) { return Error(ErrorCode::kUnknownFeature, what, std::move(hint)); }

/// What the loader says, without the path that is told already.
std::string LoaderError(const std::string& path) {
  const char* said = ::dlerror();
  std::string text = said == nullptr ? "unknown reason" : said;
  if (text.starts_with(path + ": ")) text = text.substr(path.size() + 2);
  return text.substr(0, 500);
}

}  // namespace

Result<const headrace_function*> LoadFunction(const std::string& folder, const std::string& library, const std::string& function) {
  const std::string named = fmt::format("the native function \"{:.100}\" of the library \"{:.100}\"", function, library);
  if (!plan::IsNativeName(library) || !plan::IsNativeName(function))
    return Wrong(named + ": names have letters, digits, _ and, of a library, -", "Name it as native(\"library\", \"function\").");
  if (folder.empty())
    return Wrong(named + " cannot be loaded: this TaskManager loads no native libraries (taskmanager.native_libraries is empty)",
                 "An operator allows them by taskmanager.native_libraries, a folder that holds lib" + library + ".so.");
  const std::string path = fmt::format("{}/lib{}.so", folder, library);
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0 || !S_ISREG(found.st_mode))
    return Wrong(fmt::format("{}: this TaskManager has no file {}", named, path),
                 "Put the library into the folder taskmanager.native_libraries of every TaskManager.");
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    return Wrong(fmt::format("{} cannot be loaded from {}: {}", named, path, LoaderError(path)),
                 "Build it on a system like the TaskManager's, with what it needs linked in.");
  const auto version = reinterpret_cast<headrace_abi_version_fn>(::dlsym(handle, "headrace_abi_version"));
  if (version == nullptr)
    return Wrong(fmt::format("{}: {} is no library of Headrace functions, it has no headrace_abi_version()", named, path),
                 "Put HEADRACE_LIBRARY() of headrace/native.h into one of its files.");
  if (version() != HEADRACE_ABI_VERSION)
    return Wrong(fmt::format("{}: {} was built for version {} of the boundary, and this TaskManager has version {}", named, path, version(),
                             HEADRACE_ABI_VERSION),
                 "Build it again with the headers of this version (python -m headrace.native_functions).");
  const auto find = reinterpret_cast<headrace_function_fn>(::dlsym(handle, ("headrace_function_" + function).c_str()));
  if (find == nullptr)
    return Wrong(fmt::format("{}: {} has no function of that name", named, path),
                 "Offer it there by HEADRACE_FUNCTION(" + function + ", …).");
  const headrace_function* described = find();
  if (described == nullptr || described->struct_size < sizeof(headrace_function) || described->open == nullptr ||
      described->process == nullptr || described->on_timers == nullptr || described->close == nullptr)
    return Wrong(fmt::format("{}: what {} says of it is incomplete", named, path), "Offer it by HEADRACE_FUNCTION().");
  return described;
}

}  // namespace headrace::data::native
