#include "codec.h"

enum { kRoleValue = 0, kRoleKey = 1, kRoleGroup = 2, kRoleState = 3, kRoleCounts = 4, kRoleColumn = 5 };
enum { kFormEncoded = 0, kFormUtf8 = 1, kFormInt64 = 2, kFormFloat64 = 3, kFormBool = 4, kFormBytes = 5 };
enum { kBlockHeader = 8, kColumnHeader = 56, kMaxColumns = 4096 };

/* ---- writing ---- */

/* `block` is where the block starts in the writer; `absent` is NULL where the role allows no nulls. */
typedef struct {
  Writer *w;
  size_t block;
  PyObject *rows;
  Py_ssize_t n;
  PyObject *absent;
  PyTypeObject *only; /* of every row, or NULL: another gives kOtherType */
  size_t offsets_at, data_at, validity_at;
} Column;

/* Beside 0 and -1: a row is an int beyond 64 bits, or not of the type that all should have, or text without UTF-8. */
enum { kBeyondInt64 = 1, kOtherType = 2 };

static int align(Writer *w, size_t block) {
  size_t padding = (64 - (w->pos - block) % 64) % 64;
  if (writer_reserve(w, padding) < 0) return -1;
  memset(w->base + w->pos, 0, padding);
  w->pos += padding;
  return 0;
}

static int reserve_section(Column *c, size_t bytes, size_t *at) {
  if (align(c->w, c->block) < 0 || writer_reserve(c->w, bytes) < 0) return -1;
  *at = c->w->pos - c->block;
  memset(c->w->base + c->w->pos, 0, bytes);
  c->w->pos += bytes;
  return 0;
}

static int type_form(const PyTypeObject *type) {
  if (type == &PyLong_Type) return kFormInt64;
  if (type == &PyUnicode_Type) return kFormUtf8;
  if (type == &PyFloat_Type) return kFormFloat64;
  if (type == &PyBool_Type) return kFormBool;
  if (type == &PyBytes_Type) return kFormBytes;
  return kFormEncoded;
}

/* The native form of every row's type, else kFormEncoded. Ints may still be beyond int64. */
static int choose_form(const Column *c) {
  PyTypeObject *type = NULL;
  for (Py_ssize_t i = 0; i < c->n; i++) {
    PyObject *row = PyList_GetItem(c->rows, i);
    if (row == c->absent) continue;
    if (type == NULL) type = Py_TYPE(row);
    if (Py_TYPE(row) != type) return kFormEncoded;
    if (type == &PyUnicode_Type) {
      Py_ssize_t ignored;
      if (PyUnicode_AsUTF8AndSize(row, &ignored) == NULL) { /* lone surrogates */
        PyErr_Clear();
        return kFormEncoded;
      }
    } else if (type != &PyLong_Type && type != &PyFloat_Type && type != &PyBytes_Type && type != &PyBool_Type) {
      return kFormEncoded;
    }
  }
  return type_form(type);
}

static int put_fixed_row(uint8_t *at, int form, PyObject *row) {
  if (form == kFormInt64) {
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(row, &overflow);
    if (overflow) return kBeyondInt64;
    if (v == -1 && PyErr_Occurred()) return -1;
    memcpy(at, &v, 8);
  } else if (form == kFormFloat64) {
    double d = PyFloat_AsDouble(row);
    memcpy(at, &d, 8);
  } else {
    *at = row == Py_True;
  }
  return 0;
}

static int put_fixed_rows(Column *c, int form) {
  size_t width = form == kFormBool ? 1 : 8;
  if (reserve_section(c, (size_t)c->n * width, &c->data_at) < 0) return -1;
  uint8_t *data = c->w->base + c->block + c->data_at;
  for (Py_ssize_t i = 0; i < c->n; i++) {
    PyObject *row = PyList_GetItem(c->rows, i);
    if (row == c->absent) continue;
    if (c->only != NULL && Py_TYPE(row) != c->only) return kOtherType;
    int result = put_fixed_row(data + (size_t)i * width, form, row);
    if (result != 0) return result;
  }
  return 0;
}

static int put_bytes_row(Writer *w, int form, PyObject *row) {
  Py_ssize_t n;
  const char *data;
  if (form == kFormUtf8) {
    data = PyUnicode_AsUTF8AndSize(row, &n);
    if (data == NULL) return PyErr_ExceptionMatches(PyExc_UnicodeEncodeError) ? (PyErr_Clear(), kOtherType) : -1;
  } else {
    char *bytes;
    if (PyBytes_AsStringAndSize(row, &bytes, &n) < 0) return -1;
    data = bytes;
  }
  if (writer_reserve(w, (size_t)n) < 0) return -1;
  put_bytes(w, data, (size_t)n);
  return 0;
}

static int put_row(Writer *w, int role, int form, PyObject *row) {
  if (role == kRoleKey) return encode_key(w, row, 0);
  if (form == kFormEncoded) return encode_value(w, row, 0);
  return put_bytes_row(w, form, row);
}

static int put_variable_rows(Column *c, int role, int form) {
  Writer *w = c->w;
  if (reserve_section(c, ((size_t)c->n + 1) * 8, &c->offsets_at) < 0 || align(w, c->block) < 0) return -1;
  size_t start = w->pos;
  c->data_at = start - c->block;
  for (Py_ssize_t i = 0; i < c->n; i++) {
    PyObject *row = PyList_GetItem(c->rows, i);
    if (row == NULL) return -1; /* user code run by pickling shortened the list */
    if (row != c->absent) {
      if (c->only != NULL && Py_TYPE(row) != c->only) return kOtherType;
      Py_INCREF(row);
      int result = put_row(w, role, form, row);
      Py_DECREF(row);
      if (result != 0) return result;
    }
    store_u64(w->base + c->block + c->offsets_at + 8 * ((size_t)i + 1), w->pos - start);
  }
  return 0;
}

static int put_validity(Column *c) {
  int any_absent = 0;
  for (Py_ssize_t i = 0; i < c->n && !any_absent; i++) any_absent = PyList_GetItem(c->rows, i) == c->absent;
  if (!any_absent) return 0;
  if (reserve_section(c, (size_t)c->n, &c->validity_at) < 0) return -1;
  uint8_t *validity = c->w->base + c->block + c->validity_at;
  for (Py_ssize_t i = 0; i < c->n; i++) validity[i] = PyList_GetItem(c->rows, i) != c->absent;
  return 0;
}

static int role_form(long role, const Column *c) {
  if (role == kRoleKey) return kFormBytes;
  if (role == kRoleState) return kFormEncoded; /* kept per key by the other side, so never a native form */
  return role == kRoleGroup || role == kRoleCounts ? kFormInt64 : choose_form(c);
}

static int is_fixed(int form) { return form == kFormInt64 || form == kFormFloat64 || form == kFormBool; }

static int put_rows(Column *c, long role, int form) {
  return is_fixed(form) ? put_fixed_rows(c, form) : put_variable_rows(c, (int)role, form);
}

/* Most columns hold values of one type, all present: then one pass over the rows is enough. The form, -1, or kFormEncoded when it is
 * not such a column and nothing is written. */
static int put_uniform(Column *c, long role) {
  if ((role != kRoleValue && role != kRoleColumn) || c->n == 0) return kFormEncoded;
  c->only = Py_TYPE(PyList_GetItem(c->rows, 0));
  int form = type_form(c->only);
  size_t mark = c->w->pos;
  int result = form == kFormEncoded ? kOtherType : put_rows(c, role, form);
  c->only = NULL;
  if (result <= 0) return result < 0 ? -1 : form;
  c->w->pos = mark;
  c->offsets_at = c->data_at = 0;
  return kFormEncoded;
}

static int put_mixed(Column *c, long role) {
  if (role == kRoleState) {
    c->absent = hook_get(kHookAbsent);
    if (c->absent == NULL || put_validity(c) < 0) return -1;
  } else if (role == kRoleColumn) {
    c->absent = Py_None;
    if (put_validity(c) < 0) return -1;
  }
  int form = role_form(role, c);
  size_t mark = c->w->pos;
  int result = put_rows(c, role, form);
  if (result == kBeyondInt64) { /* rare: written again, as values */
    c->w->pos = mark;
    if (role == kRoleGroup || role == kRoleCounts) {
      PyErr_SetString(PyExc_ValueError, "a number of rows beyond 64 bits");
      return -1;
    }
    form = kFormEncoded;
    result = put_rows(c, role, form);
  }
  return result < 0 ? -1 : form;
}

static int put_column(Writer *w, size_t block, Py_ssize_t index, long role, PyObject *rows) {
  Column c = {.w = w, .block = block, .rows = rows, .n = PyList_Size(rows)};
  int form = put_uniform(&c, role);
  if (form == kFormEncoded) form = put_mixed(&c, role);
  if (form < 0) return -1;
  uint8_t *head = w->base + block + kBlockHeader + (size_t)index * kColumnHeader;
  store_u32(head, (uint32_t)role);
  store_u32(head + 4, (uint32_t)form);
  store_u64(head + 8, (uint64_t)c.n);
  store_u64(head + 16, c.offsets_at);
  store_u64(head + 24, c.data_at);
  store_u64(head + 32, w->pos - block - c.data_at);
  store_u64(head + 40, c.validity_at);
  store_u64(head + 48, 0);
  return 0;
}

int encode_block(Writer *w, PyObject *columns) {
  if (!PyList_Check(columns) || PyList_Size(columns) < 1 || PyList_Size(columns) > kMaxColumns) {
    PyErr_SetString(PyExc_ValueError, "a block takes a list of 1 to 4096 columns");
    return -1;
  }
  Py_ssize_t count = PyList_Size(columns);
  size_t block = w->pos;
  if (writer_reserve(w, kBlockHeader + (size_t)count * kColumnHeader) < 0) return -1;
  w->pos += kBlockHeader + (size_t)count * kColumnHeader;
  for (Py_ssize_t i = 0; i < count; i++) {
    long role;
    PyObject *rows;
    PyObject *column = PyList_GetItem(columns, i);
    if (!PyTuple_Check(column)) {
      PyErr_SetString(PyExc_TypeError, "a column is a tuple (role, rows)");
      return -1;
    }
    if (!PyArg_ParseTuple(column, "lO!", &role, &PyList_Type, &rows)) return -1;
    if (i == 0) store_u32(w->base + block, (uint32_t)PyList_Size(rows));
    if (put_column(w, block, i, role, rows) < 0) return -1;
  }
  store_u32(w->base + block + 4, (uint32_t)count);
  return 0;
}

/* ---- reading ---- */

static int malformed(const char *what) {
  PyErr_Format(PyExc_ValueError, "malformed batch block: %s", what);
  return -1;
}

/* The section of n bytes at a position of the block; NULL after an error. */
static const uint8_t *section(const BlockColumn *v, uint64_t at, uint64_t n) {
  if (at % 64 != 0 || at > v->size || n > v->size - at) {
    malformed("a section lies outside the block or is not aligned");
    return NULL;
  }
  return v->block + at;
}

static int check_offsets(const BlockColumn *v) {
  uint64_t previous = load_u64(v->offsets);
  if (previous != 0) return malformed("the first offset is not 0");
  for (uint64_t i = 1; i <= v->rows; i++) {
    uint64_t next = load_u64(v->offsets + 8 * i);
    if (next < previous || next > v->data_length) return malformed("offsets fall or go beyond the data");
    previous = next;
  }
  return 0;
}

static int view_column(BlockColumn *v, const uint8_t *head) {
  v->role = load_u32(head);
  v->form = load_u32(head + 4);
  v->rows = load_u64(head + 8);
  v->data_length = load_u64(head + 32);
  uint64_t offsets_at = load_u64(head + 16), validity_at = load_u64(head + 40);
  if (v->role > kRoleColumn || v->form > kFormBytes) return malformed("unknown role or form");
  if (v->rows > v->size) return malformed("more rows than bytes");
  v->data = section(v, load_u64(head + 24), v->data_length);
  if (v->data == NULL) return -1;
  if (v->form == kFormInt64 || v->form == kFormFloat64 || v->form == kFormBool) {
    if (v->data_length < v->rows * (v->form == kFormBool ? 1 : 8)) return malformed("a column is shorter than its rows");
  } else {
    v->offsets = section(v, offsets_at, (v->rows + 1) * 8);
    if (v->offsets == NULL || check_offsets(v) < 0) return -1;
  }
  if (validity_at != 0) {
    if (v->role != kRoleState && v->role != kRoleColumn) return malformed("a column of this role has no validity");
    v->validity = section(v, validity_at, v->rows);
    if (v->validity == NULL) return -1;
  }
  return 0;
}

PyObject *block_row(const BlockColumn *v, uint64_t i) {
  if (v->form == kFormInt64) return PyLong_FromLongLong((long long)load_u64(v->data + 8 * i));
  if (v->form == kFormFloat64) {
    double d;
    memcpy(&d, v->data + 8 * i, 8);
    return PyFloat_FromDouble(d);
  }
  if (v->form == kFormBool) return PyBool_FromLong(v->data[i]);
  uint64_t start = load_u64(v->offsets + 8 * i), end = load_u64(v->offsets + 8 * (i + 1));
  if (v->form == kFormUtf8) return PyUnicode_DecodeUTF8((const char *)v->data + start, (Py_ssize_t)(end - start), NULL);
  if (v->form == kFormBytes) return PyBytes_FromStringAndSize((const char *)v->data + start, (Py_ssize_t)(end - start));
  return decode_whole(v->data + start, end - start);
}

PyObject *block_absent(const BlockColumn *v) { return v->role == kRoleColumn || v->validity == NULL ? Py_None : hook_get(kHookAbsent); }

static PyObject *decode_rows(const BlockColumn *v) {
  PyObject *absent = block_absent(v);
  if (absent == NULL) return NULL;
  PyObject *rows = PyList_New((Py_ssize_t)v->rows);
  if (rows == NULL) return NULL;
  for (uint64_t i = 0; i < v->rows; i++) {
    PyObject *row;
    if (v->validity != NULL && !v->validity[i]) {
      row = absent;
      Py_INCREF(row);
    } else {
      row = block_row(v, i);
    }
    if (row == NULL || PyList_SetItem(rows, (Py_ssize_t)i, row) < 0) {
      Py_DECREF(rows);
      return NULL;
    }
  }
  return rows;
}

PyObject *read_block(const uint8_t *data, size_t n, PyObject *(*make)(const BlockColumn *, PyObject *), PyObject *owner) {
  if (n < kBlockHeader) return malformed("shorter than its header"), NULL;
  uint32_t rows = load_u32(data), count = load_u32(data + 4);
  if (count > kMaxColumns || n < kBlockHeader + (size_t)count * kColumnHeader) {
    return malformed("too many columns"), NULL;
  }
  PyObject *columns = PyList_New(count);
  if (columns == NULL) return NULL;
  /* A table block: each column has its own length. */
  int table = count > 0 && load_u32(data + kBlockHeader) == kRoleColumn;
  for (uint32_t i = 0; i < count; i++) {
    BlockColumn v = {.block = data, .size = n};
    PyObject *made = NULL, *column = NULL;
    int result = view_column(&v, data + kBlockHeader + (size_t)i * kColumnHeader);
    if (result == 0 && !table && v.role != kRoleState && v.role != kRoleCounts && v.rows != rows) {
      result = malformed("columns of different lengths");
    }
    if (result == 0) made = make(&v, owner);
    if (made != NULL) {
      column = Py_BuildValue("(IIO)", (unsigned)v.role, (unsigned)v.form, made);
      Py_DECREF(made);
    }
    if (column == NULL || PyList_SetItem(columns, (Py_ssize_t)i, column) < 0) {
      Py_DECREF(columns);
      return NULL;
    }
  }
  return columns;
}

static PyObject *make_rows(const BlockColumn *v, PyObject *owner) {
  (void)owner;
  return decode_rows(v);
}

PyObject *decode_block(const uint8_t *data, size_t n) { return read_block(data, n, make_rows, NULL); }
