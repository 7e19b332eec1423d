#pragma once
#include "data/format/schema_registry.h"
#include "plan/connector_options.h"

namespace headrace::data::connector {

/// The options schema_registry* of a connector.
inline format::RegistryAccess RegistryAccessOf(const plan::ConnectorSpec& spec, bool is_source) {
  const auto option = [&](const char* name) { return plan::OptionString(spec, is_source, name); };
  return {option("schema_registry"),
          option("schema_registry_auth"),
          {option("schema_registry_ca"), option("schema_registry_certificate"), option("schema_registry_key")}};
}

}  // namespace headrace::data::connector
