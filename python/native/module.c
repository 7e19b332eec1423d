#include "codec.h"

#include <malloc.h>

static PyObject *finish(Writer *w, int result) {
  PyObject *bytes = result < 0 ? NULL : PyBytes_FromStringAndSize((const char *)w->base, (Py_ssize_t)w->pos);
  heap_writer_free(w);
  return bytes;
}

static PyObject *py_encode(PyObject *module, PyObject *value) {
  (void)module;
  Writer w;
  heap_writer_init(&w);
  return finish(&w, encode_value(&w, value, 0));
}

static PyObject *py_encode_key(PyObject *module, PyObject *key) {
  (void)module;
  Writer w;
  heap_writer_init(&w);
  return finish(&w, encode_key(&w, key, 0));
}

static PyObject *py_encode_block(PyObject *module, PyObject *columns) {
  (void)module;
  Writer w;
  heap_writer_init(&w);
  return finish(&w, encode_block(&w, columns));
}

static PyObject *with_bytes(PyObject *data, PyObject *(*decode)(const uint8_t *, size_t)) {
  char *start;
  Py_ssize_t n;
  PyObject *bytes = PyBytes_Check(data) ? (Py_INCREF(data), data) : PyBytes_FromObject(data);
  if (bytes == NULL) return NULL;
  PyObject *result = NULL;
  if (PyBytes_AsStringAndSize(bytes, &start, &n) == 0) result = decode((const uint8_t *)start, (size_t)n);
  Py_DECREF(bytes);
  return result;
}

static PyObject *py_decode(PyObject *module, PyObject *data) {
  (void)module;
  return with_bytes(data, decode_whole);
}

static PyObject *py_decode_block(PyObject *module, PyObject *data) {
  (void)module;
  return with_bytes(data, decode_block);
}

static PyObject *py_clear_types(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  type_cache_clear();
  Py_RETURN_NONE;
}

/* What glibc comes to by itself once a block of 32 MiB has been freed: arrays of a batch come and go in memory that has pages. */
static PyObject *py_keep_freed_memory(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
  Py_RETURN_NONE;
}

static PyMethodDef kMethods[] = {
    {"encode", py_encode, METH_O, "encode(value) -> bytes. ValueError, TypeError or PicklingError if it cannot."},
    {"decode", py_decode, METH_O, "decode(data) -> value. ValueError for malformed bytes."},
    {"encode_key", py_encode_key, METH_O, "encode_key(key) -> bytes. TypeError or ValueError if it cannot be a key."},
    {"encode_block", py_encode_block, METH_O, "encode_block([(role, rows)...]) -> bytes of a batch block."},
    {"decode_block", py_decode_block, METH_O, "decode_block(data) -> [(role, form, rows)...]. ValueError if malformed."},
    {"clear_types", py_clear_types, METH_NOARGS, "Forgets what was learned about classes, after one was registered."},
    {"keep_freed_memory", py_keep_freed_memory, METH_NOARGS, "Lets malloc() keep what is freed, up to 64 MiB, for the next array."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef kModule = {
    PyModuleDef_HEAD_INIT, .m_name = "headrace._codec", .m_size = -1, .m_methods = kMethods,
    .m_doc = "Values, keys and batch blocks as bytes, whole batches at a time; headrace.codec_py is its twin in Python."};

PyMODINIT_FUNC PyInit__codec(void) {
  PyObject *module = PyModule_Create(&kModule);
  if (module == NULL) return NULL;
  PyObject *arena = PyType_FromSpec(&kArenaSpec);
  if (arena == NULL || PyModule_AddObjectRef(module, "Arena", arena) < 0 || loan_type_make(module) < 0 || view_types_make(module) < 0) {
    Py_XDECREF(arena);
    Py_DECREF(module);
    return NULL;
  }
  Py_DECREF(arena);
  return module;
}
