/* The boundary between Headrace and native process functions in shared libraries: C, version 1. Functions in C++ are written
 * against headrace/native.h, which stands on it. docs/reference/native_functions.md
 *
 * A library exports headrace_abi_version() and, for each function NAME, headrace_function_NAME(). All calls of one instance come one
 * after another from one thread at a time. Calls return 0, or another number with a message in `error`; nothing is thrown.
 * Columns are passed by the Arrow C data interface: who takes an ArrowArray or ArrowSchema releases it, unless it is const. */
#ifndef HEADRACE_NATIVE_ABI_H
#define HEADRACE_NATIVE_ABI_H
#include <stdint.h>

#define HEADRACE_ABI_VERSION 1u
#define HEADRACE_EXPORT __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4
struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};
struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};
#endif

/* A piece of memory; data NULL: there is none. */
struct headrace_bytes {
  const void* data;
  uint64_t size;
};

struct headrace_error {
  char message[1000];
};

enum headrace_state_kind { HEADRACE_VALUE = 1, HEADRACE_LIST = 2, HEADRACE_MAP = 3 };
struct headrace_state {
  const char* name;
  uint32_t kind;
  uint32_t refresh_on_read; /* ttl_ms counts from the last read, too */
  int64_t ttl_ms;           /* of processing time behind the last write; 0: it stays */
};

enum headrace_timer_kind { HEADRACE_NO_TIMER = 0, HEADRACE_EVENT_TIME = 1, HEADRACE_PROCESSING_TIME = 2 };

/* What the engine does for a function, during a call only. `state`: its place among the declared ones; `key`: a number out of
 * headrace_rows.keys, which means the same key for this call alone. Bytes that come back hold until the next call about states. */
struct headrace_host {
  uint32_t struct_size;
  void* self;
  int64_t now_ms;       /* the wall clock */
  int64_t watermark_ms; /* INT64_MIN before the first */
  /* Of a value its bytes; of a list all elements, each behind its size as uint32_t. */
  struct headrace_bytes (*get)(void* self, uint32_t state, uint32_t key);
  /* Replaces a value; without data forgets a value, list or map. */
  int (*put)(void* self, uint32_t state, uint32_t key, struct headrace_bytes value);
  int (*list_add)(void* self, uint32_t state, uint32_t key, struct headrace_bytes element);
  struct headrace_bytes (*map_get)(void* self, uint32_t state, uint32_t key, struct headrace_bytes entry);
  /* Without data in `value`: removes the entry. */
  int (*map_put)(void* self, uint32_t state, uint32_t key, struct headrace_bytes entry, struct headrace_bytes value);
  /* The entry behind `after` in the order of the bytes; the first behind none. Returns 1, or 0 when there is none. */
  int (*map_next)(void* self, uint32_t state, uint32_t key, struct headrace_bytes after, struct headrace_bytes* entry,
                  struct headrace_bytes* value);
  /* Sets (1) or deletes (0) the timer of a key at a time. */
  int (*timer)(void* self, uint32_t key, uint32_t kind, int64_t time_ms, int set);
  /* Gives rows: a struct array of the columns that open() declared, which the engine takes over. times: their event times; NULL: the latest
   * of the rows or timers in hand. */
  int (*emit)(void* self, struct ArrowArray* rows, const int64_t* times);
};

struct headrace_open {
  uint32_t struct_size;
  uint32_t subtask, parallelism;
  const char* options;             /* what the job says in options=, as JSON */
  const struct ArrowSchema* input; /* a struct of the rows' columns */
  const struct ArrowSchema* keys;  /* of the key columns */
};

/* Rows of a batch, or timers: each with the number of its key and its time. */
struct headrace_rows {
  uint32_t struct_size;
  uint32_t timer_kind;
  const struct ArrowArray* columns; /* rows: the columns of `input`; timers: those of `keys` */
  int64_t num_rows;
  const uint32_t* keys;
  const int64_t* times; /* event times of rows, NULL when they have none; of timers theirs */
};

struct headrace_function {
  uint32_t struct_size;
  /* Makes an instance. *output gets the columns of the rows it gives, *states what it keeps for each key, which lives as it does. */
  int (*open)(const struct headrace_open* open, void** instance, struct ArrowSchema* output, const struct headrace_state** states,
              uint32_t* num_states, struct headrace_error* error);
  int (*process)(void* instance, const struct headrace_host* host, const struct headrace_rows* rows, struct headrace_error* error);
  int (*on_timers)(void* instance, const struct headrace_host* host, const struct headrace_rows* timers, struct headrace_error* error);
  void (*close)(void* instance);
};

typedef uint32_t (*headrace_abi_version_fn)(void);
typedef const struct headrace_function* (*headrace_function_fn)(void);

#ifdef __cplusplus
}
#endif
#endif
