#include "mc/support/map.h"
#include <stdint.h>
#include <string.h>

enum { PTR_KEY = -1 }; /* entry length that marks a pointer key */

static uint64_t hash_bytes(const void *key, size_t len) { /* FNV-1a */
  uint64_t h = 1469598103934665603u;
  for (size_t i = 0; i < len; i++) h = (h ^ ((const unsigned char *)key)[i]) * 1099511628211u;
  return h ^ (h >> 29);
}

static uint64_t hash_ptr(const void *key) {
  uint64_t h = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u;
  return h ^ (h >> 32);
}

static uint64_t hash_of(const void *key, size_t len) {
  return len == (size_t)PTR_KEY ? hash_ptr(key) : hash_bytes(key, len);
}

static bool same(const mc_map_entry *e, const void *key, size_t len) {
  if (e->len != len) return false;
  return len == (size_t)PTR_KEY ? e->key == key : !len || memcmp(e->key, key, len) == 0;
}

/* Open addressing; a slot holds the entry's index + 1. */
static size_t probe(const mc_map *m, const void *key, size_t len) {
  size_t i = hash_of(key, len) & (m->nslots - 1);
  while (m->slots[i] && !same(&m->entries[m->slots[i] - 1], key, len))
    i = (i + 1) & (m->nslots - 1);
  return i;
}

static void rehash(mc_map *m) {
  m->nslots = m->nslots ? m->nslots * 2 : 16;
  m->slots = MC_NEWN(m->arena, unsigned, m->nslots);
  for (size_t k = 0; k < m->n; k++)
    m->slots[probe(m, m->entries[k].key, m->entries[k].len)] = (unsigned)k + 1;
}

void mc_map_init(mc_map *m, mc_arena *a) { *m = (mc_map){ .arena = a }; }

static void *get(const mc_map *m, const void *key, size_t len) {
  if (!m->n) return NULL;
  unsigned k = m->slots[probe(m, key, len)];
  return k ? m->entries[k - 1].val : NULL;
}

static void **slot(mc_map *m, const void *key, size_t len) {
  if (m->n * 2 >= m->nslots) rehash(m);
  size_t i = probe(m, key, len);
  if (!m->slots[i]) {
    if (m->n == m->cap)
      m->entries = mc_arena_grow(m->arena, m->entries, &m->cap, sizeof *m->entries);
    const void *own = len == (size_t)PTR_KEY ? key : mc_arena_strndup(m->arena, key, len);
    m->entries[m->n++] = (mc_map_entry){ own, len, NULL };
    m->slots[i] = (unsigned)m->n;
  }
  return &m->entries[m->slots[i] - 1].val;
}

void **mc_map_str_slot(mc_map *m, const char *key) { return slot(m, key, strlen(key)); }

void *mc_map_str_get(const mc_map *m, const char *key) { return get(m, key, strlen(key)); }

void **mc_map_bytes_slot(mc_map *m, const void *key, size_t len) { return slot(m, key, len); }

void *mc_map_bytes_get(const mc_map *m, const void *key, size_t len) { return get(m, key, len); }

void **mc_map_ptr_slot(mc_map *m, const void *key) { return slot(m, key, (size_t)PTR_KEY); }

void *mc_map_ptr_get(const mc_map *m, const void *key) { return get(m, key, (size_t)PTR_KEY); }
