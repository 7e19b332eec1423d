#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec.h"

/* Memory of an arena in the hands of user code, by what holds a reference. `pages` are its own: none while it is the arena's. */
typedef struct {
  PyObject_HEAD uint8_t *data;
  size_t size;
  uint8_t *pages;
  size_t pages_size;
} Loan;

/* A memfd mapped into this process. Owns the mapping, not the descriptor. One thread uses it. */
typedef struct {
  PyObject_HEAD int fd;
  uint8_t *base;
  size_t size;
  Loan *loan; /* what is lent, at most one */
} Arena;

static PyTypeObject *g_loan_type;

int loan_type_make(PyObject *module) {
  PyObject *type = PyType_FromSpec(&kLoanSpec);
  if (type == NULL) return -1;
  g_loan_type = (PyTypeObject *)type;
  return PyModule_AddObjectRef(module, "Loan", type);
}

static void loan_dealloc(PyObject *object) {
  Loan *self = (Loan *)object;
  PyTypeObject *type = Py_TYPE(object);
  if (self->pages != NULL) munmap(self->pages, self->pages_size);
  freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release(object);
  Py_DECREF(type);
}

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* Puts pages with the same bytes where the loan's are, which it keeps; the arena is mapped anew elsewhere. */
static int loan_keep(Arena *self, Loan *loan) {
  size_t page = page_size(), mapped = (self->size + page - 1) / page * page;
  size_t from = (size_t)(loan->data - self->base) / page * page;
  size_t to = ((size_t)(loan->data - self->base) + loan->size + page - 1) / page * page;
  if (to == from) to += page;
  void *base = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
  void *copy = base == MAP_FAILED ? MAP_FAILED : mmap(NULL, to - from, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) {
    PyErr_SetFromErrno(PyExc_OSError);
    if (base != MAP_FAILED) munmap(base, self->size);
    return -1;
  }
  memcpy(copy, self->base + from, to - from);
  if (mremap(copy, to - from, to - from, MREMAP_MAYMOVE | MREMAP_FIXED, self->base + from) == MAP_FAILED) {
    PyErr_SetFromErrno(PyExc_OSError);
    munmap(copy, to - from);
    munmap(base, self->size);
    return -1;
  }
  if (from > 0) munmap(self->base, from);
  if (mapped > to) munmap(self->base + to, mapped - to);
  loan->pages = self->base + from;
  loan->pages_size = to - from;
  self->base = base;
  return 0;
}

static int loan_end(Arena *self) {
  Loan *loan = self->loan;
  if (loan == NULL) return 0;
  if (loan->size > 0 && Py_REFCNT(loan) > 1 && loan_keep(self, loan) < 0) return -1;
  self->loan = NULL;
  Py_DECREF(loan);
  return 0;
}

enum { kGrowthStep = 1 << 16, kMaxArenaBytes = 1 << 30 };

static int arena_remap(Arena *self, size_t size) {
  if (loan_end(self) < 0) return -1;
  void *base = self->base == NULL ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0)
                                  : mremap(self->base, self->size, size, MREMAP_MAYMOVE);
  if (base == MAP_FAILED) {
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
  }
  self->base = base;
  self->size = size;
  return 0;
}

/* Makes the file and the mapping at least `need` bytes long. */
static int arena_grow(Arena *self, size_t need) {
  if (need > kMaxArenaBytes) {
    PyErr_SetString(PyExc_ValueError, "the results of one batch have more than 1 GiB");
    return -1;
  }
  size_t size = self->size + self->size / 2;
  if (size > kMaxArenaBytes) size = kMaxArenaBytes;
  if (size < need) size = need;
  size = (size + kGrowthStep - 1) / kGrowthStep * kGrowthStep;
  if (ftruncate(self->fd, (off_t)size) != 0) {
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
  }
  return arena_remap(self, size);
}

static int writer_grow(Writer *w, size_t need) {
  Arena *self = w->owner;
  if (arena_grow(self, need) < 0) return -1;
  w->base = self->base;
  w->capacity = self->size;
  return 0;
}

static Writer arena_writer(Arena *self, size_t offset) {
  return (Writer){.base = self->base, .pos = offset, .capacity = self->size, .grow = writer_grow, .owner = self};
}

static int check_range(const Arena *self, Py_ssize_t offset, Py_ssize_t length) {
  if (offset >= 0 && length >= 0 && (size_t)offset <= self->size && (size_t)length <= self->size - (size_t)offset) return 0;
  PyErr_SetString(PyExc_ValueError, "a body lies outside its arena");
  return -1;
}

static PyObject *arena_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  int fd;
  (void)kwargs;
  if (!PyArg_ParseTuple(args, "i", &fd)) return NULL;
  allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  Arena *self = (Arena *)alloc(type, 0);
  if (self != NULL) self->fd = fd;
  return (PyObject *)self;
}

static void arena_dealloc(PyObject *object) {
  Arena *self = (Arena *)object;
  PyTypeObject *type = Py_TYPE(object);
  if (loan_end(self) < 0) PyErr_Clear(); /* without memory for a copy what is lent stays mapped */
  if (self->base != NULL && self->loan == NULL) munmap(self->base, self->size);
  freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release(object);
  Py_DECREF(type);
}

static PyObject *arena_map(PyObject *object, PyObject *arg) {
  Arena *self = (Arena *)object;
  size_t size = PyLong_AsSize_t(arg);
  struct stat status;
  if (size == (size_t)-1 && PyErr_Occurred()) return NULL;
  if (size > self->size) {
    if (fstat(self->fd, &status) != 0) return PyErr_SetFromErrno(PyExc_OSError);
    if ((size_t)status.st_size < size) {
      PyErr_SetString(PyExc_ValueError, "the arena is shorter than announced");
      return NULL;
    }
    if (arena_remap(self, size) < 0) return NULL;
  }
  Py_RETURN_NONE;
}

static PyObject *arena_size(PyObject *object, PyObject *unused) {
  (void)unused;
  return PyLong_FromSize_t(((Arena *)object)->size);
}

static PyObject *arena_read(PyObject *object, PyObject *args) {
  Arena *self = (Arena *)object;
  Py_ssize_t offset, length;
  if (!PyArg_ParseTuple(args, "nn", &offset, &length) || check_range(self, offset, length) < 0) return NULL;
  return PyBytes_FromStringAndSize((const char *)self->base + offset, length);
}

static PyObject *arena_read_block(PyObject *object, PyObject *args) {
  Arena *self = (Arena *)object;
  Py_ssize_t offset, length;
  if (!PyArg_ParseTuple(args, "nn", &offset, &length) || check_range(self, offset, length) < 0) return NULL;
  return decode_block(self->base + offset, (size_t)length);
}

static PyObject *arena_write(PyObject *object, PyObject *args) {
  Arena *self = (Arena *)object;
  Py_ssize_t offset, n;
  const char *data;
  if (!PyArg_ParseTuple(args, "ny#", &offset, &data, &n)) return NULL;
  if (offset < 0) return check_range(self, offset, 0), NULL;
  if ((size_t)(offset + n) > self->size && arena_grow(self, (size_t)(offset + n)) < 0) return NULL;
  memcpy(self->base + offset, data, (size_t)n);
  Py_RETURN_NONE;
}

static PyObject *arena_write_block(PyObject *object, PyObject *args) {
  Arena *self = (Arena *)object;
  Py_ssize_t offset;
  PyObject *columns;
  if (!PyArg_ParseTuple(args, "nO", &offset, &columns)) return NULL;
  if (offset < 0) return check_range(self, offset, 0), NULL;
  if ((size_t)offset > self->size && arena_grow(self, (size_t)offset) < 0) return NULL;
  Writer w = arena_writer(self, (size_t)offset);
  if (encode_block(&w, columns) < 0) return NULL;
  return PyLong_FromSize_t(w.pos - (size_t)offset);
}

/* Borrowed: the arena keeps it until the loan ends. */
static Loan *lend(Arena *self, Py_ssize_t offset, Py_ssize_t length) {
  if (check_range(self, offset, length) < 0 || loan_end(self) < 0) return NULL;
  allocfunc alloc = (allocfunc)PyType_GetSlot(g_loan_type, Py_tp_alloc);
  Loan *loan = (Loan *)alloc(g_loan_type, 0);
  if (loan == NULL) return NULL;
  loan->data = self->base + offset;
  loan->size = (size_t)length;
  self->loan = loan;
  return loan;
}

static PyObject *arena_lend(PyObject *object, PyObject *args) {
  Py_ssize_t offset, length;
  if (!PyArg_ParseTuple(args, "nn", &offset, &length)) return NULL;
  Loan *loan = lend((Arena *)object, offset, length);
  return loan == NULL ? NULL : Py_BuildValue("(OK)", (PyObject *)loan, (unsigned long long)(uintptr_t)loan->data);
}

static PyObject *arena_view_block(PyObject *object, PyObject *args) {
  Py_ssize_t offset, length;
  if (!PyArg_ParseTuple(args, "nn", &offset, &length)) return NULL;
  Loan *loan = lend((Arena *)object, offset, length);
  return loan == NULL ? NULL : read_block(loan->data, loan->size, make_view, (PyObject *)loan);
}

static PyObject *arena_take_back(PyObject *object, PyObject *unused) {
  (void)unused;
  if (loan_end((Arena *)object) < 0) return NULL;
  Py_RETURN_NONE;
}

static PyMethodDef kArenaMethods[] = {
    {"map", arena_map, METH_O, "map(size): maps at least size bytes of a file that the other side has grown."},
    {"size", arena_size, METH_NOARGS, "size() -> bytes mapped."},
    {"read", arena_read, METH_VARARGS, "read(offset, length) -> bytes."},
    {"read_block", arena_read_block, METH_VARARGS, "read_block(offset, length) -> [(role, form, rows)...]."},
    {"lend", arena_lend, METH_VARARGS, "lend(offset, length) -> (loan, address): the memory itself, for whoever keeps the loan."},
    {"view_block", arena_view_block, METH_VARARGS,
     "view_block(offset, length) -> [(role, form, rows)...]: rows are made while they are iterated, in lent memory."},
    {"take_back", arena_take_back, METH_NOARGS,
     "take_back(): ends the loan, before the other side may write again. Who still holds it gets a copy at the same address."},
    {"write", arena_write, METH_VARARGS, "write(offset, data): grows the file when needed."},
    {"write_block", arena_write_block, METH_VARARGS, "write_block(offset, [(role, rows)...]) -> length; grows the file."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot kArenaSlots[] = {{Py_tp_doc, "Arena(fd): a memfd mapped into this process; owns the mapping, not the descriptor."},
                                    {Py_tp_new, arena_new},
                                    {Py_tp_dealloc, arena_dealloc},
                                    {Py_tp_methods, kArenaMethods},
                                    {0, NULL}};

PyType_Spec kArenaSpec = {.name = "headrace._codec.Arena", .basicsize = sizeof(Arena), .flags = Py_TPFLAGS_DEFAULT, .slots = kArenaSlots};

static PyType_Slot kLoanSlots[] = {
    {Py_tp_doc, "Memory of an arena that Arena.lend() gave; stays readable, and the same, as long as it is held."},
    {Py_tp_dealloc, loan_dealloc},
    {0, NULL}};

PyType_Spec kLoanSpec = {.name = "headrace._codec.Loan",
                         .basicsize = sizeof(Loan),
                         .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                         .slots = kLoanSlots};
