#include "codec.h"

static PyObject *malformed(const char *what) {
  PyErr_Format(PyExc_ValueError, "malformed value: %s", what);
  return NULL;
}

static inline size_t left(const Reader *r) { return (size_t)(r->end - r->at); }

static int read_varint(Reader *r, uint64_t *out) {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (r->at == r->end) {
      malformed("it ends inside a varint");
      return -1;
    }
    uint8_t byte = *r->at++;
    if (shift == 63 && byte > 1) break;
    value |= (uint64_t)(byte & 0x7F) << shift;
    if (byte < 0x80) {
      *out = value;
      return 0;
    }
  }
  malformed("a varint has more than 64 bits");
  return -1;
}

/* A length or a count of things that take at least `unit` bytes each. */
static int read_count(Reader *r, size_t unit, Py_ssize_t *out) {
  uint64_t n;
  if (r->at != r->end && *r->at < 0x80) {
    n = *r->at++;
  } else if (read_varint(r, &n) < 0) {
    return -1;
  }
  if (n > left(r) / unit) {
    malformed("a length goes beyond the end");
    return -1;
  }
  *out = (Py_ssize_t)n;
  return 0;
}

static PyObject *decode_int(Reader *r) {
  uint64_t n;
  if (r->at != r->end && *r->at < 0x80) {
    n = *r->at++;
  } else if (read_varint(r, &n) < 0) {
    return NULL;
  }
  return PyLong_FromLongLong((long long)(n >> 1) ^ -(long long)(n & 1));
}

static PyObject *decode_float(Reader *r) {
  if (left(r) < 8) return malformed("it ends inside a float");
  double d;
  memcpy(&d, r->at, 8);
  r->at += 8;
  return PyFloat_FromDouble(d);
}

static PyObject *decode_str(Reader *r) {
  Py_ssize_t n;
  if (read_count(r, 1, &n) < 0) return NULL;
  PyObject *value = PyUnicode_DecodeUTF8((const char *)r->at, n, NULL);
  r->at += n;
  return value;
}

static PyObject *decode_bytes(Reader *r) {
  Py_ssize_t n;
  if (read_count(r, 1, &n) < 0) return NULL;
  PyObject *value = PyBytes_FromStringAndSize((const char *)r->at, n);
  r->at += n;
  return value;
}

static PyObject *decode_tuple(Reader *r, int depth) {
  Py_ssize_t n;
  if (read_count(r, 1, &n) < 0) return NULL;
  PyObject *value = PyTuple_New(n);
  if (value == NULL) return NULL;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *item = decode_value(r, depth);
    if (item == NULL || PyTuple_SetItem(value, i, item) < 0) {
      Py_DECREF(value);
      return NULL;
    }
  }
  return value;
}

static PyObject *decode_list(Reader *r, int depth) {
  Py_ssize_t n;
  if (read_count(r, 1, &n) < 0) return NULL;
  PyObject *value = PyList_New(n);
  if (value == NULL) return NULL;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *item = decode_value(r, depth);
    if (item == NULL || PyList_SetItem(value, i, item) < 0) {
      Py_DECREF(value);
      return NULL;
    }
  }
  return value;
}

static PyObject *unhashable(PyObject *container) {
  Py_DECREF(container);
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) return NULL;
  PyErr_Clear();
  return malformed("a dict key or set item is not hashable");
}

static PyObject *decode_dict(Reader *r, int depth) {
  Py_ssize_t n;
  if (read_count(r, 2, &n) < 0) return NULL;
  PyObject *value = PyDict_New();
  if (value == NULL) return NULL;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *key = decode_value(r, depth);
    PyObject *item = key == NULL ? NULL : decode_value(r, depth);
    if (item == NULL) {
      Py_XDECREF(key);
      Py_DECREF(value);
      return NULL;
    }
    int failed = PyDict_SetItem(value, key, item);
    Py_DECREF(key);
    Py_DECREF(item);
    if (failed) return unhashable(value);
  }
  return value;
}

static PyObject *decode_set(Reader *r, uint8_t tag, int depth) {
  Py_ssize_t n;
  if (read_count(r, 1, &n) < 0) return NULL;
  PyObject *value = tag == kTagSet ? PySet_New(NULL) : PyFrozenSet_New(NULL);
  if (value == NULL) return NULL;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *item = decode_value(r, depth);
    if (item == NULL) {
      Py_DECREF(value);
      return NULL;
    }
    int failed = PySet_Add(value, item); /* takes a frozenset that nobody has seen yet, too */
    Py_DECREF(item);
    if (failed) return unhashable(value);
  }
  return value;
}

static PyObject *decode_dataclass(Reader *r, int depth) {
  PyObject *name = decode_str(r), *fields = NULL, *result = NULL;
  Py_ssize_t n;
  if (name == NULL) return NULL;
  if (read_count(r, 2, &n) == 0 && (fields = PyList_New(0)) != NULL) {
    for (Py_ssize_t i = 0; i < n; i++) {
      PyObject *field = decode_str(r);
      PyObject *item = field == NULL ? NULL : decode_value(r, depth);
      PyObject *pair = item == NULL ? NULL : PyTuple_Pack(2, field, item);
      int failed = pair == NULL || PyList_Append(fields, pair) < 0;
      Py_XDECREF(field);
      Py_XDECREF(item);
      Py_XDECREF(pair);
      if (failed) goto done;
    }
    PyObject *hook = hook_get(kHookBuildDataclass);
    if (hook != NULL) result = PyObject_CallFunctionObjArgs(hook, name, fields, NULL);
  }
done:
  Py_XDECREF(fields);
  Py_DECREF(name);
  return result;
}

static int skip_varint(Reader *r) {
  uint64_t ignored;
  return read_varint(r, &ignored);
}

/* Finds the end of the leaf's payload and lets Python make the object from it. */
static PyObject *decode_other(Reader *r, uint8_t tag) {
  const uint8_t *start = r->at;
  Py_ssize_t n = 0;
  switch (tag) {
    case kTagBigInt: case kTagDecimal: case kTagPickle:
      if (read_count(r, 1, &n) < 0) return NULL;
      start = r->at;
      break;
    case kTagDate: case kTagTime: case kTagTimedelta:
      if (skip_varint(r) < 0) return NULL;
      n = r->at - start;
      r->at = start;
      break;
    case kTagAwareDatetime: n = 12; break;
    case kTagNaiveDatetime: n = 8; break;
    case kTagUuid: n = 16; break;
    default:
      PyErr_Format(PyExc_ValueError, "malformed value: unknown tag 0x%02x", (int)tag);
      return NULL;
  }
  if ((size_t)n > left(r)) return malformed("a length goes beyond the end");
  r->at += n;
  PyObject *hook = hook_get(kHookDecodeOther);
  if (hook == NULL) return NULL;
  PyObject *py_tag = PyLong_FromLong(tag);
  PyObject *payload = PyBytes_FromStringAndSize((const char *)start, n);
  PyObject *result = NULL;
  if (py_tag != NULL && payload != NULL) result = PyObject_CallFunctionObjArgs(hook, py_tag, payload, NULL);
  Py_XDECREF(py_tag);
  Py_XDECREF(payload);
  return result;
}

static PyObject *constant(PyObject *value) {
  Py_INCREF(value);
  return value;
}

PyObject *decode_value(Reader *r, int depth) {
  if (r->at == r->end) return malformed("it ends where a value should start");
  uint8_t tag = *r->at++;
  switch (tag) {
    case kTagNone: return constant(Py_None);
    case kTagFalse: return constant(Py_False);
    case kTagTrue: return constant(Py_True);
    case kTagInt: return decode_int(r);
    case kTagFloat: return decode_float(r);
    case kTagStr: return decode_str(r);
    case kTagBytes: return decode_bytes(r);
    case kTagTuple: case kTagList: case kTagDict: case kTagSet: case kTagFrozenset: case kTagDataclass: break;
    default: return decode_other(r, tag);
  }
  if (depth >= kMaxDepth) return malformed("nested deeper than 100 levels");
  switch (tag) {
    case kTagTuple: return decode_tuple(r, depth + 1);
    case kTagList: return decode_list(r, depth + 1);
    case kTagDict: return decode_dict(r, depth + 1);
    case kTagDataclass: return decode_dataclass(r, depth + 1);
    default: return decode_set(r, tag, depth + 1);
  }
}

PyObject *decode_whole(const uint8_t *data, size_t n) {
  Reader r = {data, data + n};
  PyObject *value = decode_value(&r, 0);
  if (value != NULL && r.at != r.end) {
    Py_DECREF(value);
    return malformed("bytes follow after its end");
  }
  return value;
}
