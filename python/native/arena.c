#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec.h"

/* A memfd mapped into this process. Owns the mapping, not the descriptor. One thread uses it. */
typedef struct {
  PyObject_HEAD
  int fd;
  uint8_t *base;
  size_t size;
} Arena;

enum { kGrowthStep = 1 << 16, kMaxArenaBytes = 1 << 30 };

static int arena_remap(Arena *self, size_t size) {
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
  if (self->base != NULL) munmap(self->base, self->size);
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

static PyMethodDef kArenaMethods[] = {
    {"map", arena_map, METH_O, "map(size): maps at least size bytes of a file that the other side has grown."},
    {"size", arena_size, METH_NOARGS, "size() -> bytes mapped."},
    {"read", arena_read, METH_VARARGS, "read(offset, length) -> bytes."},
    {"read_block", arena_read_block, METH_VARARGS, "read_block(offset, length) -> [(role, form, rows)...]."},
    {"write", arena_write, METH_VARARGS, "write(offset, data): grows the file when needed."},
    {"write_block", arena_write_block, METH_VARARGS, "write_block(offset, [(role, rows)...]) -> length; grows the file."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot kArenaSlots[] = {
    {Py_tp_doc, "Arena(fd): a memfd mapped into this process; owns the mapping, not the descriptor."},
    {Py_tp_new, arena_new},
    {Py_tp_dealloc, arena_dealloc},
    {Py_tp_methods, kArenaMethods},
    {0, NULL}};

PyType_Spec kArenaSpec = {.name = "headrace._codec.Arena", .basicsize = sizeof(Arena), .flags = Py_TPFLAGS_DEFAULT, .slots = kArenaSlots};
