#include "codec.h"

static const char *const kHookNames[kHookCount] = {
    "encode_other", "decode_other", "describe_type", "build_dataclass", "encode_key_other", "ABSENT"};
static PyObject *g_hooks[kHookCount];
static PyObject *g_types; /* dict: type -> description tuple or None */

PyObject *hook_get(Hook which) {
  if (g_hooks[which] == NULL) {
    PyObject *module = PyImport_ImportModule("headrace.codec_py");
    if (module == NULL) return NULL;
    g_hooks[which] = PyObject_GetAttrString(module, kHookNames[which]);
    Py_DECREF(module);
  }
  return g_hooks[which];
}

PyObject *type_description(PyTypeObject *type) {
  if (g_types == NULL && (g_types = PyDict_New()) == NULL) return NULL;
  PyObject *found = PyDict_GetItemWithError(g_types, (PyObject *)type);
  if (found != NULL || PyErr_Occurred()) return found;
  PyObject *hook = hook_get(kHookDescribeType);
  if (hook == NULL) return NULL;
  PyObject *made = PyObject_CallFunctionObjArgs(hook, (PyObject *)type, NULL);
  if (made == NULL) return NULL;
  int failed = PyDict_SetItem(g_types, (PyObject *)type, made);
  Py_DECREF(made); /* the dict holds it */
  return failed ? NULL : made;
}

void type_cache_clear(void) {
  if (g_types != NULL) PyDict_Clear(g_types);
}
