/* Hash maps in an arena: from strings, and from pointers. Iteration order is insertion order
 * (determinism). */
#ifndef MC_SUPPORT_MAP_H
#define MC_SUPPORT_MAP_H
#include "mc/support/arena.h"
#include <stdbool.h>

typedef struct mc_map_entry {
  const void *key;
  size_t len;
  void *val;
} mc_map_entry;

typedef struct mc_map {
  mc_arena *arena;
  mc_map_entry *entries;
  size_t n, cap; /* insertion order; read freely */
  unsigned *slots;
  size_t nslots;
} mc_map;

void mc_map_init(mc_map *m, mc_arena *a);
/* String keys are copied; the value slot is created (NULL) when absent. */
void **mc_map_str_slot(mc_map *m, const char *key);
void *mc_map_str_get(const mc_map *m, const char *key);
/* Any bytes as key (copied). */
void **mc_map_bytes_slot(mc_map *m, const void *key, size_t len);
void *mc_map_bytes_get(const mc_map *m, const void *key, size_t len);
/* The pointer itself is the key. */
void **mc_map_ptr_slot(mc_map *m, const void *key);
void *mc_map_ptr_get(const mc_map *m, const void *key);
#endif
