#include "mc/support/arena.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 64, CHUNK = 1 << 16, PAGES = 1 << 23 };

/* open: shared by small allocations; a large one of the same size is not. mapped: bytes of pages of
 * its own (PAGES and more), which come as zeros, and large where the system has such; 0: of the
 * heap. */
typedef struct chunk {
  struct chunk *next;
  size_t used, mapped;
  bool open;
} chunk;

struct mc_arena {
  chunk *head;
  size_t used;
};

static void *must(void *p) {
  if (!p) abort();
  return p;
}

static char *chunk_base(chunk *c) {
  return (char *)(((uintptr_t)(c + 1) + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1));
}

static chunk *chunk_new(size_t cap, bool open) {
  chunk *c = must(malloc(sizeof *c + ALIGN + cap));
  *c = (chunk){ .open = open };
  return c;
}

mc_arena *mc_arena_create(void) { return must(calloc(1, sizeof(mc_arena))); }

void mc_arena_destroy(mc_arena *a) {
  if (!a) return;
  for (chunk *c = a->head, *next; c; c = next) {
    next = c->next;
    if (c->mapped)
      munmap(c, c->mapped);
    else
      free(c);
  }
  free(a);
}

/* The debug build gives each allocation a malloc of its own, so that ASan sees reads and writes
 * past the end; large ones get that in any build. */
static bool own_chunk(size_t size) {
#ifdef MC_ARENA_DEBUG
  (void)size;
  return true;
#else
  return size > CHUNK / 4;
#endif
}

static bool own_pages(size_t size) {
#ifdef MC_ARENA_DEBUG
  (void)size;
  return false;
#else
  return size >= PAGES;
#endif
}

static chunk *chunk_map(size_t cap) {
  size_t bytes = sizeof(chunk) + ALIGN + cap;
  chunk *c = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (c == MAP_FAILED) abort();
#ifdef MADV_HUGEPAGE
  madvise(c, bytes, MADV_HUGEPAGE); /* a hint: what it says does not matter */
#endif
  c->mapped = bytes;
  return c;
}

static void *alloc_own(mc_arena *a, size_t size) {
  bool pages = own_pages(size);
  chunk *c = pages ? chunk_map(size) : chunk_new(size, false);
  chunk **at =
      a->head && a->head->open ? &a->head->next : &a->head; /* an open chunk stays in front */
  c->next = *at;
  *at = c;
  return pages ? chunk_base(c) : memset(chunk_base(c), 0, size);
}

void *mc_arena_alloc(mc_arena *a, size_t size) {
  if (size > SIZE_MAX / 4) abort();
  a->used += size;
  if (own_chunk(size)) return alloc_own(a, size);
  size_t step =
      size ? (size + 15) / 16 * 16 : 16; /* small objects need 16; vectors of data get 64 below */
  if (size >= ALIGN) step = (size + ALIGN - 1) / ALIGN * ALIGN;
  size_t at = a->head && a->head->open ? a->head->used : CHUNK;
  if (size >= ALIGN) at = (at + ALIGN - 1) / ALIGN * ALIGN;
  if (at + step > CHUNK) {
    chunk *c = chunk_new(CHUNK, true);
    c->next = a->head;
    a->head = c;
    at = 0;
  }
  a->head->used = at + step;
  return memset(chunk_base(a->head) + at, 0, size);
}

void *mc_arena_copy(mc_arena *a, const void *p, size_t size) {
  void *q = mc_arena_alloc(a, size);
  return size ? memcpy(q, p, size) : q;
}

char *mc_arena_strndup(mc_arena *a, const char *s, size_t n) {
  char *q = mc_arena_alloc(a, n + 1);
  if (n) memcpy(q, s, n);
  return q;
}

char *mc_arena_strdup(mc_arena *a, const char *s) { return mc_arena_strndup(a, s, strlen(s)); }

char *mc_arena_printf(mc_arena *a, const char *fmt, ...) {
  va_list ap, ap2;
  va_start(ap, fmt);
  va_copy(ap2, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  va_end(ap);
  char *q = mc_arena_alloc(a, (size_t)n + 1);
  vsnprintf(q, (size_t)n + 1, fmt, ap2);
  va_end(ap2);
  return q;
}

size_t mc_arena_used(const mc_arena *a) { return a->used; }

void *mc_arena_grow(mc_arena *a, void *old, size_t *cap, size_t elem) {
  size_t n = *cap ? *cap * 2 : 8;
  if (n > SIZE_MAX / elem / 4) abort();
  void *p = mc_arena_alloc(a, n * elem);
  if (*cap) memcpy(p, old, *cap * elem);
  *cap = n;
  return p;
}
