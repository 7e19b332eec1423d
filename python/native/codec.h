/* The parts of headrace._codec: values, keys and batch blocks as bytes (docs/formats/value.md, docs/formats/worker.md).
 *
 * Built on the CPython limited API (3.10 and later, one binary for all), no other dependency. Everything here runs with
 * the GIL held. Functions that return int give 0, or -1 with a Python exception set; pointers are NULL with one set.
 */
#ifndef HEADRACE_CODEC_H
#define HEADRACE_CODEC_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030A0000
#endif
#include <Python.h>
#include <stdint.h>
#include <string.h>

enum {
  kTagNone = 0x00,
  kTagFalse = 0x01,
  kTagTrue = 0x02,
  kTagInt = 0x03,
  kTagBigInt = 0x04,
  kTagFloat = 0x05,
  kTagStr = 0x06,
  kTagBytes = 0x07,
  kTagTuple = 0x08,
  kTagList = 0x09,
  kTagDict = 0x0A,
  kTagSet = 0x0B,
  kTagFrozenset = 0x0C,
  kTagDecimal = 0x0D,
  kTagAwareDatetime = 0x0E,
  kTagNaiveDatetime = 0x0F,
  kTagDate = 0x10,
  kTagTime = 0x11,
  kTagTimedelta = 0x12,
  kTagDataclass = 0x13,
  kTagPickle = 0x14,
  kTagUuid = 0x15
};

enum { kKeyNone = 0x10, kKeyNumber = 0x20, kKeyNan = 0x21, kKeyBytes = 0x30, kKeyStr = 0x40, kKeyTuple = 0x50 };

/* Containers that may be open around a value. */
enum { kMaxDepth = 100 };

/* Bytes that grow. `grow` makes room for at least `need` bytes in all, moving `base` if it must. */
typedef struct Writer {
  uint8_t* base;
  size_t pos;
  size_t capacity;
  int (*grow)(struct Writer* writer, size_t need);
  void* owner;
} Writer;

typedef struct Reader {
  const uint8_t* at;
  const uint8_t* end;
} Reader;

static inline int writer_reserve(Writer* w, size_t n) {
  if (w->capacity - w->pos >= n) return 0;
  return w->grow(w, w->pos + n);
}

static inline void put_u8(Writer* w, uint8_t b) { w->base[w->pos++] = b; }

static inline void put_varint(Writer* w, uint64_t n) {
  while (n >= 0x80) {
    put_u8(w, (uint8_t)(n | 0x80));
    n >>= 7;
  }
  put_u8(w, (uint8_t)n);
}

static inline void put_bytes(Writer* w, const void* data, size_t n) {
  memcpy(w->base + w->pos, data, n);
  w->pos += n;
}

static inline void store_u32(uint8_t* p, uint32_t v) { memcpy(p, &v, 4); }
static inline void store_u64(uint8_t* p, uint64_t v) { memcpy(p, &v, 8); }
static inline uint32_t load_u32(const uint8_t* p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}
static inline uint64_t load_u64(const uint8_t* p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}

/* writer.c: a Writer on the heap; free it with heap_writer_free. */
void heap_writer_init(Writer* w);
void heap_writer_free(Writer* w);
int write_u8(Writer* w, uint8_t b);          /* reserves, then puts */
int write_whole(Writer* w, PyObject* bytes); /* a bytes object as it is; takes the reference, NULL passes its error on */
int write_text(Writer* w, PyObject* text, int (*put)(Writer*, const char*, size_t), int (*surrogates)(Writer*, PyObject*));

/* hooks.c: what stays in Python (headrace.codec_py), imported when first needed. */
typedef enum {
  kHookEncodeOther,
  kHookDecodeOther,
  kHookDescribeType,
  kHookBuildDataclass,
  kHookEncodeKeyOther,
  kHookAbsent,
  kHookCount
} Hook;
PyObject* hook_get(Hook which);                 /* borrowed */
PyObject* type_description(PyTypeObject* type); /* borrowed: a tuple for a dataclass, else None */
void type_cache_clear(void);

/* value_encode.c, value_decode.c */
int encode_value(Writer* w, PyObject* value, int depth);
PyObject* decode_value(Reader* r, int depth);          /* new reference */
PyObject* decode_whole(const uint8_t* data, size_t n); /* new reference; refuses trailing bytes */

/* key_encode.c */
int encode_key(Writer* w, PyObject* key, int depth);

/* batch_block.c */
int encode_block(Writer* w, PyObject* columns);
PyObject* decode_block(const uint8_t* data, size_t n); /* new reference: [(role, form, rows)...] */
/* A checked column of a block that somebody keeps. */
typedef struct {
  const uint8_t* block;
  size_t size;
  uint32_t role, form;
  uint64_t rows;
  const uint8_t *offsets, *data, *validity;
  uint64_t data_length;
} BlockColumn;
/* new reference: [(role, form, made)...], made by `make(column, owner)`. */
PyObject* read_block(const uint8_t* data, size_t n, PyObject* (*make)(const BlockColumn*, PyObject*), PyObject* owner);
PyObject* block_absent(const BlockColumn* column);          /* borrowed: stands for rows without a value */
PyObject* block_row(const BlockColumn* column, uint64_t i); /* new reference: a row that has a value */

/* column_view.c: the rows of a column, made while they are iterated. */
extern PyType_Spec kColumnViewSpec, kColumnIteratorSpec;
int view_types_make(PyObject* module);
PyObject* make_view(const BlockColumn* column, PyObject* owner); /* new reference; keeps the owner of the bytes */

/* arena.c */
extern PyType_Spec kArenaSpec, kLoanSpec;
int loan_type_make(PyObject* module); /* the type of what an arena lends, added to the module */

#endif
