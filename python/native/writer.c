#include <stdlib.h>

#include "codec.h"

static int heap_grow(Writer *w, size_t need) {
  size_t capacity = w->capacity ? w->capacity : 256;
  while (capacity < need) capacity *= 2;
  uint8_t *base = realloc(w->base, capacity);
  if (base == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  w->base = base;
  w->capacity = capacity;
  return 0;
}

void heap_writer_init(Writer *w) {
  w->base = NULL;
  w->pos = 0;
  w->capacity = 0;
  w->grow = heap_grow;
  w->owner = NULL;
}

void heap_writer_free(Writer *w) {
  free(w->base);
  w->base = NULL;
}

int write_u8(Writer *w, uint8_t b) {
  if (writer_reserve(w, 1) < 0) return -1;
  put_u8(w, b);
  return 0;
}

int write_whole(Writer *w, PyObject *bytes) {
  if (bytes == NULL) return -1;
  char *data;
  Py_ssize_t n;
  int result = PyBytes_AsStringAndSize(bytes, &data, &n);
  if (result == 0 && (result = writer_reserve(w, (size_t)n)) == 0) put_bytes(w, data, (size_t)n);
  Py_DECREF(bytes);
  return result;
}

/* The UTF-8 of a str through `put`; a str with lone surrogates has none and goes to `surrogates`. */
int write_text(Writer *w, PyObject *text, int (*put)(Writer *, const char *, size_t), int (*surrogates)(Writer *, PyObject *)) {
  Py_ssize_t n;
  const char *data = PyUnicode_AsUTF8AndSize(text, &n);
  if (data != NULL) return put(w, data, (size_t)n);
  if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) return -1;
  PyErr_Clear();
  return surrogates(w, text);
}
