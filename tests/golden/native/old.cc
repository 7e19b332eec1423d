// A library of another version of the boundary.
#include "headrace/native_abi.h"

extern "C" HEADRACE_EXPORT uint32_t headrace_abi_version() { return 99; }
