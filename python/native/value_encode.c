#include <stdlib.h>

#include "codec.h"

static int put_tagged(Writer *w, uint8_t tag, const char *data, size_t n) {
  if (writer_reserve(w, n + 11) < 0) return -1;
  put_u8(w, tag);
  put_varint(w, n);
  put_bytes(w, data, n);
  return 0;
}

static int put_tag_and_count(Writer *w, uint8_t tag, size_t n) {
  if (writer_reserve(w, 11) < 0) return -1;
  put_u8(w, tag);
  put_varint(w, n);
  return 0;
}

/* Leaves that C does not know, as whole encodings made by Python: calendar types, Decimal, UUID, big ints, pickles. */
static int encode_other(Writer *w, PyObject *value) {
  PyObject *hook = hook_get(kHookEncodeOther);
  return hook == NULL ? -1 : write_whole(w, PyObject_CallFunctionObjArgs(hook, value, NULL));
}

static int put_text(Writer *w, const char *data, size_t n) { return put_tagged(w, kTagStr, data, n); }

static int encode_int(Writer *w, PyObject *value) {
  int overflow;
  long long v = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow) return encode_other(w, value);
  if (v == -1 && PyErr_Occurred()) return -1;
  if (writer_reserve(w, 11) < 0) return -1;
  put_u8(w, kTagInt);
  put_varint(w, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
  return 0;
}

static int encode_float(Writer *w, PyObject *value) {
  double d = PyFloat_AsDouble(value);
  if (writer_reserve(w, 9) < 0) return -1;
  put_u8(w, kTagFloat);
  put_bytes(w, &d, 8);
  return 0;
}

static int encode_tuple(Writer *w, PyObject *value, int depth) {
  Py_ssize_t n = PyTuple_Size(value);
  if (put_tag_and_count(w, kTagTuple, (size_t)n) < 0) return -1;
  for (Py_ssize_t i = 0; i < n; i++) {
    if (encode_value(w, PyTuple_GetItem(value, i), depth) < 0) return -1;
  }
  return 0;
}

static int changed(void) {
  PyErr_SetString(PyExc_RuntimeError, "the value changed while it was encoded");
  return -1;
}

static int encode_list(Writer *w, PyObject *value, int depth) {
  Py_ssize_t n = PyList_Size(value);
  if (put_tag_and_count(w, kTagList, (size_t)n) < 0) return -1;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *item = PyList_GetItem(value, i);
    if (item == NULL) return changed();
    Py_INCREF(item); /* pickling an item may run user code that changes the list */
    int result = encode_value(w, item, depth);
    Py_DECREF(item);
    if (result < 0) return -1;
  }
  return PyList_Size(value) == n ? 0 : changed();
}

static int encode_dict(Writer *w, PyObject *value, int depth) {
  Py_ssize_t n = PyDict_Size(value), seen = 0, pos = 0;
  PyObject *key, *item;
  if (put_tag_and_count(w, kTagDict, (size_t)n) < 0) return -1;
  while (PyDict_Next(value, &pos, &key, &item)) {
    Py_INCREF(key);
    Py_INCREF(item);
    int result = encode_value(w, key, depth);
    if (result == 0) result = encode_value(w, item, depth);
    Py_DECREF(key);
    Py_DECREF(item);
    if (result < 0) return -1;
    seen++;
  }
  return seen == n && PyDict_Size(value) == n ? 0 : changed();
}

typedef struct {
  const uint8_t *data;
  size_t n;
} Span;

static int compare_spans(const void *a, const void *b) {
  const Span *x = a, *y = b;
  int order = memcmp(x->data, y->data, x->n < y->n ? x->n : y->n);
  if (order != 0) return order;
  return (x->n > y->n) - (x->n < y->n);
}

/* Items of a set one after the other into `items`, their ends into `ends`. */
static int encode_set_items(Writer *items, size_t *ends, PyObject *set, Py_ssize_t n, int depth) {
  PyObject *iterator = PyObject_GetIter(set), *item;
  if (iterator == NULL) return -1;
  Py_ssize_t i = 0;
  while (i < n && (item = PyIter_Next(iterator)) != NULL) {
    int result = encode_value(items, item, depth);
    Py_DECREF(item);
    if (result < 0) break;
    ends[i++] = items->pos;
  }
  Py_DECREF(iterator);
  if (PyErr_Occurred()) return -1;
  return i == n ? 0 : changed();
}

static int encode_set(Writer *w, uint8_t tag, PyObject *set, int depth) {
  Py_ssize_t n = PySet_Size(set);
  Writer items;
  heap_writer_init(&items);
  size_t *ends = malloc((size_t)(n + 1) * sizeof(size_t));
  Span *spans = malloc((size_t)(n + 1) * sizeof(Span));
  int result = -1;
  if (ends == NULL || spans == NULL) {
    PyErr_NoMemory();
  } else if (encode_set_items(&items, ends, set, n, depth) == 0) {
    for (Py_ssize_t i = 0; i < n; i++) {
      size_t start = i ? ends[i - 1] : 0;
      spans[i].data = items.base + start;
      spans[i].n = ends[i] - start;
    }
    qsort(spans, (size_t)n, sizeof(Span), compare_spans);
    result = put_tag_and_count(w, tag, (size_t)n);
    if (result == 0) result = writer_reserve(w, items.pos);
    for (Py_ssize_t i = 0; result == 0 && i < n; i++) put_bytes(w, spans[i].data, spans[i].n);
  }
  free(ends);
  free(spans);
  heap_writer_free(&items);
  return result;
}

/* `description` is (encoded head, ((field name, encoded field name)...)) as headrace.codec_py.describe_type makes it. */
static int encode_dataclass(Writer *w, PyObject *value, PyObject *description, int depth) {
  char *data;
  Py_ssize_t n;
  PyObject *fields = PyTuple_GetItem(description, 1);
  if (fields == NULL || PyBytes_AsStringAndSize(PyTuple_GetItem(description, 0), &data, &n) < 0) return -1;
  if (writer_reserve(w, (size_t)n) < 0) return -1;
  put_bytes(w, data, (size_t)n);
  Py_ssize_t count = PyTuple_Size(fields);
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *pair = PyTuple_GetItem(fields, i);
    if (PyBytes_AsStringAndSize(PyTuple_GetItem(pair, 1), &data, &n) < 0) return -1;
    if (writer_reserve(w, (size_t)n) < 0) return -1;
    put_bytes(w, data, (size_t)n);
    PyObject *item = PyObject_GetAttr(value, PyTuple_GetItem(pair, 0));
    if (item == NULL) return -1;
    int result = encode_value(w, item, depth);
    Py_DECREF(item);
    if (result < 0) return -1;
  }
  return 0;
}

static int encode_rare(Writer *w, PyObject *value, PyTypeObject *type, int depth) {
  PyObject *description = type_description(type);
  if (description == NULL) return -1;
  if (description == Py_None) return encode_other(w, value);
  Py_INCREF(description);
  int result = encode_dataclass(w, value, description, depth + 1);
  Py_DECREF(description);
  return result;
}

int encode_value(Writer *w, PyObject *value, int depth) {
  PyTypeObject *type = Py_TYPE(value);
  if (type == &PyUnicode_Type) return write_text(w, value, put_text, encode_other);
  if (type == &PyLong_Type) return encode_int(w, value);
  if (type == &PyFloat_Type) return encode_float(w, value);
  if (value == Py_None) return write_u8(w, kTagNone);
  if (type == &PyBool_Type) return write_u8(w, value == Py_True ? kTagTrue : kTagFalse);
  if (type == &PyBytes_Type) {
    char *data;
    Py_ssize_t n;
    if (PyBytes_AsStringAndSize(value, &data, &n) < 0) return -1;
    return put_tagged(w, kTagBytes, data, (size_t)n);
  }
  if (depth >= kMaxDepth) {
    /* A leaf may still sit here; only a container would be one level too many. */
    int container = type == &PyTuple_Type || type == &PyList_Type || type == &PyDict_Type || type == &PySet_Type ||
                    type == &PyFrozenSet_Type;
    if (!container) {
      PyObject *description = type_description(type);
      if (description == NULL) return -1;
      container = description != Py_None;
    }
    if (container) {
      PyErr_Format(PyExc_ValueError, "the value is nested deeper than %d levels", (int)kMaxDepth);
      return -1;
    }
    return encode_other(w, value);
  }
  if (type == &PyTuple_Type) return encode_tuple(w, value, depth + 1);
  if (type == &PyList_Type) return encode_list(w, value, depth + 1);
  if (type == &PyDict_Type) return encode_dict(w, value, depth + 1);
  if (type == &PySet_Type) return encode_set(w, kTagSet, value, depth + 1);
  if (type == &PyFrozenSet_Type) return encode_set(w, kTagFrozenset, value, depth + 1);
  return encode_rare(w, value, type, depth);
}
