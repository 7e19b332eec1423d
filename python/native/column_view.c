#include "codec.h"

/* A column of a block: len(), iter() any number of times. Rows are made one by one, so that those of a function's arguments live
 * as long as its call. Keeps the bytes' owner. */
typedef struct {
  PyObject_HEAD BlockColumn column;
  PyObject *owner, *absent;
} ColumnView;

typedef struct {
  PyObject_HEAD ColumnView *view;
  uint64_t next;
} ColumnIterator;

static PyTypeObject *g_view_type, *g_iterator_type;

static PyObject *alloc(PyTypeObject *type) {
  allocfunc make = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  return make(type, 0);
}

static void release(PyObject *object) {
  PyTypeObject *type = Py_TYPE(object);
  freefunc release_memory = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release_memory(object);
  Py_DECREF(type);
}

static void view_dealloc(PyObject *object) {
  ColumnView *self = (ColumnView *)object;
  Py_XDECREF(self->owner);
  Py_XDECREF(self->absent);
  release(object);
}

static Py_ssize_t view_length(PyObject *object) { return (Py_ssize_t)((ColumnView *)object)->column.rows; }

static PyObject *view_row(const ColumnView *self, uint64_t i) {
  const BlockColumn *column = &self->column;
  if (column->validity == NULL || column->validity[i]) return block_row(column, i);
  Py_INCREF(self->absent);
  return self->absent;
}

static PyObject *view_item(PyObject *object, Py_ssize_t i) {
  ColumnView *self = (ColumnView *)object;
  if (i >= 0 && (uint64_t)i < self->column.rows) return view_row(self, (uint64_t)i);
  PyErr_SetString(PyExc_IndexError, "row out of range");
  return NULL;
}

static PyObject *view_iterate(PyObject *object) {
  ColumnIterator *iterator = (ColumnIterator *)alloc(g_iterator_type);
  if (iterator == NULL) return NULL;
  Py_INCREF(object);
  iterator->view = (ColumnView *)object;
  return (PyObject *)iterator;
}

static void iterator_dealloc(PyObject *object) {
  Py_XDECREF(((ColumnIterator *)object)->view);
  release(object);
}

static PyObject *iterator_self(PyObject *object) {
  Py_INCREF(object);
  return object;
}

static PyObject *iterator_next(PyObject *object) {
  ColumnIterator *self = (ColumnIterator *)object;
  if (self->next >= self->view->column.rows) return NULL;
  return view_row(self->view, self->next++);
}

static PyObject *iterator_left(PyObject *object, PyObject *unused) {
  ColumnIterator *self = (ColumnIterator *)object;
  (void)unused;
  return PyLong_FromUnsignedLongLong(self->view->column.rows - self->next);
}

PyObject *make_view(const BlockColumn *column, PyObject *owner) {
  PyObject *absent = block_absent(column);
  ColumnView *view = absent == NULL ? NULL : (ColumnView *)alloc(g_view_type);
  if (view == NULL) return NULL;
  view->column = *column;
  Py_INCREF(owner);
  view->owner = owner;
  Py_INCREF(absent);
  view->absent = absent;
  return (PyObject *)view;
}

int view_types_make(PyObject *module) {
  PyObject *view = PyType_FromSpec(&kColumnViewSpec), *iterator = PyType_FromSpec(&kColumnIteratorSpec);
  if (view == NULL || iterator == NULL) return -1;
  g_view_type = (PyTypeObject *)view;
  g_iterator_type = (PyTypeObject *)iterator;
  return PyModule_AddObjectRef(module, "ColumnView", view);
}

static PyType_Slot kViewSlots[] = {{Py_tp_doc, "A column of a block, whose rows are made while they are read."},
                                   {Py_tp_dealloc, view_dealloc},
                                   {Py_tp_iter, view_iterate},
                                   {Py_sq_length, view_length},
                                   {Py_sq_item, view_item},
                                   {0, NULL}};

PyType_Spec kColumnViewSpec = {.name = "headrace._codec.ColumnView",
                               .basicsize = sizeof(ColumnView),
                               .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               .slots = kViewSlots};

static PyMethodDef kIteratorMethods[] = {{"__length_hint__", iterator_left, METH_NOARGS, "Rows that are left."}, {NULL, NULL, 0, NULL}};

static PyType_Slot kIteratorSlots[] = {{Py_tp_dealloc, iterator_dealloc},
                                       {Py_tp_iter, iterator_self},
                                       {Py_tp_iternext, iterator_next},
                                       {Py_tp_methods, kIteratorMethods},
                                       {0, NULL}};

PyType_Spec kColumnIteratorSpec = {.name = "headrace._codec.ColumnIterator",
                                   .basicsize = sizeof(ColumnIterator),
                                   .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                   .slots = kIteratorSlots};
