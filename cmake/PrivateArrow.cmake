# Arrow C++ from the pyarrow wheel of .venv, as private copies with hidden third-party symbols (tools/hide_arrow_symbols.py).
# Gives the targets Arrow::arrow and Arrow::parquet. The copies live in <build>/lib, which is also where the binaries look at run time.
set(HEADRACE_PYTHON "${CMAKE_SOURCE_DIR}/.venv/bin/python" CACHE FILEPATH "Python that has pyarrow")
if(NOT EXISTS "${HEADRACE_PYTHON}")
  message(FATAL_ERROR "${HEADRACE_PYTHON} is missing. Run ./dev build, which makes the .venv first.")
endif()
execute_process(
  COMMAND "${HEADRACE_PYTHON}" -c
    "import importlib.util as u,os,re;d=os.path.dirname(u.find_spec('pyarrow').origin);h=open(os.path.join(d,'include/arrow/util/config.h')).read();print(d+';'+re.search(r'ARROW_SO_VERSION \"(\\d+)\"',h)[1],end='')"
  OUTPUT_VARIABLE _pyarrow COMMAND_ERROR_IS_FATAL ANY)
list(GET _pyarrow 0 _pyarrow_dir)
list(GET _pyarrow 1 _arrow_so)
set(HEADRACE_PRIVATE_LIB_DIR "${CMAKE_BINARY_DIR}/lib")
set(_arrow_libraries arrow parquet)
set(_arrow_stale OFF)
foreach(_library IN LISTS _arrow_libraries)
  set(_copy "${HEADRACE_PRIVATE_LIB_DIR}/lib${_library}.so.${_arrow_so}")
  if(NOT EXISTS "${_copy}" OR "${CMAKE_SOURCE_DIR}/tools/hide_arrow_symbols.py" IS_NEWER_THAN "${_copy}")
    set(_arrow_stale ON)
  endif()
endforeach()
# Together, because each keeps what the other takes from it.
if(_arrow_stale)
  execute_process(COMMAND "${HEADRACE_PYTHON}" "${CMAKE_SOURCE_DIR}/tools/hide_arrow_symbols.py" "${HEADRACE_PRIVATE_LIB_DIR}" ${_arrow_libraries}
    COMMAND_ERROR_IS_FATAL ANY)
endif()
# Headers by a link inside the build folder: the same relative path in every checkout, which keeps ccache warm.
file(CREATE_LINK "${_pyarrow_dir}/include" "${CMAKE_BINARY_DIR}/arrow-include" SYMBOLIC)
foreach(_library IN LISTS _arrow_libraries)
  add_library(Arrow::${_library} SHARED IMPORTED GLOBAL)
  set_target_properties(Arrow::${_library} PROPERTIES
    IMPORTED_LOCATION "${HEADRACE_PRIVATE_LIB_DIR}/lib${_library}.so.${_arrow_so}"
    IMPORTED_SONAME "lib${_library}.so.${_arrow_so}"
    INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_BINARY_DIR}/arrow-include")
endforeach()
set_property(TARGET Arrow::parquet APPEND PROPERTY INTERFACE_LINK_LIBRARIES Arrow::arrow)
# Linkers take a symbol from the first library that has it, hidden in the copy or not, and leave those out that then seem unneeded. So
# libparquet stands behind the system's libraries whose symbols it carries.
foreach(_system OpenSSL::SSL OpenSSL::Crypto simdjson::simdjson)
  set_property(TARGET ${_system} APPEND PROPERTY INTERFACE_LINK_LIBRARIES Arrow::parquet)
endforeach()
