#include <math.h>

#include "codec.h"

static int put_escaped(Writer *w, uint8_t tag, const char *data, size_t n) {
  if (writer_reserve(w, 2 * n + 3) < 0) return -1;
  put_u8(w, tag);
  if (memchr(data, 0, n) == NULL) {
    put_bytes(w, data, n);
  } else {
    for (size_t i = 0; i < n; i++) {
      put_u8(w, (uint8_t)data[i]);
      if (data[i] == 0) put_u8(w, 0xFF);
    }
  }
  put_u8(w, 0);
  put_u8(w, 0);
  return 0;
}

static void put_big_endian(Writer *w, uint64_t v, int size) {
  for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) put_u8(w, (uint8_t)(v >> shift));
}

static void put_ordered_double(Writer *w, double d) {
  uint64_t bits;
  memcpy(&bits, &d, 8);
  bits = bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
  put_u8(w, kKeyNumber);
  put_big_endian(w, bits, 8);
}

static int encode_float_key(Writer *w, PyObject *key) {
  double d = PyFloat_AsDouble(key);
  if (d == -1.0 && PyErr_Occurred()) return -1;
  if (writer_reserve(w, 10) < 0) return -1;
  if (isnan(d)) {
    put_u8(w, kKeyNan);
    return 0;
  }
  put_ordered_double(w, d == 0 ? 0.0 : d);
  put_u8(w, 0);
  return 0;
}

static int encode_key_other(Writer *w, PyObject *key, int depth) {
  PyObject *hook = hook_get(kHookEncodeKeyOther);
  return hook == NULL ? -1 : write_whole(w, PyObject_CallFunction(hook, "Oi", key, depth));
}

/* 0 < r: as 0.D x 10^e. */
static void put_remainder(Writer *w, uint64_t r) {
  char digits[20];
  int n = 0;
  for (; r != 0; r /= 10) digits[n++] = (char)('0' + r % 10);
  put_u8(w, 1);
  put_big_endian(w, (uint64_t)n + ((uint64_t)1 << 31), 4);
  int last = 0;
  while (digits[last] == '0') last++;
  for (int i = n - 1; i >= last; i--) put_u8(w, (uint8_t)digits[i]);
  put_u8(w, 0);
}

static int encode_int_key(Writer *w, PyObject *key) {
  int overflow;
  long long v = PyLong_AsLongLongAndOverflow(key, &overflow);
  if (overflow) return encode_key_other(w, key, 0);
  if (v == -1 && PyErr_Occurred()) return -1;
  if (writer_reserve(w, 40) < 0) return -1;
  double d = (double)v;
  if ((__int128)d > v) d = nextafter(d, -INFINITY);
  put_ordered_double(w, d);
  uint64_t remainder = (uint64_t)(v - (__int128)d);
  if (remainder == 0) {
    put_u8(w, 0);
  } else {
    put_remainder(w, remainder);
  }
  return 0;
}

static int put_text(Writer *w, const char *data, size_t n) { return put_escaped(w, kKeyStr, data, n); }

static int refuse_surrogates(Writer *w, PyObject *key) {
  (void)w;
  (void)key;
  PyErr_SetString(PyExc_ValueError, "a str with lone surrogates cannot be a key");
  return -1;
}

static int encode_tuple_key(Writer *w, PyObject *key, int depth) {
  if (depth >= kMaxDepth) {
    PyErr_Format(PyExc_ValueError, "the key is nested deeper than %d levels", (int)kMaxDepth);
    return -1;
  }
  if (write_u8(w, kKeyTuple) < 0) return -1;
  Py_ssize_t n = PyTuple_Size(key);
  for (Py_ssize_t i = 0; i < n; i++) {
    if (encode_key(w, PyTuple_GetItem(key, i), depth + 1) < 0) return -1;
  }
  return write_u8(w, 0);
}

int encode_key(Writer *w, PyObject *key, int depth) {
  if (PyUnicode_Check(key)) return write_text(w, key, put_text, refuse_surrogates);
  if (PyLong_Check(key)) return encode_int_key(w, key);
  if (PyTuple_Check(key)) return encode_tuple_key(w, key, depth);
  if (PyFloat_Check(key)) return encode_float_key(w, key);
  if (key == Py_None) return write_u8(w, kKeyNone);
  if (PyBytes_Check(key)) {
    char *data;
    Py_ssize_t n;
    if (PyBytes_AsStringAndSize(key, &data, &n) < 0) return -1;
    return put_escaped(w, kKeyBytes, data, (size_t)n);
  }
  return encode_key_other(w, key, depth);
}
