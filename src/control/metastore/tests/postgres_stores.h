#pragma once
namespace headrace::control::metastore { }
