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
