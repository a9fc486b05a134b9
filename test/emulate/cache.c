/* Three levels of lines, least recently used goes first; a line is in all levels that it passed. */
#include "core.h"
#include <stdlib.h>

enum { LINE = 64 };

typedef struct level {
  uint64_t *tag;
  uint32_t *age;
  int64_t sets;
  int ways;
} level;

struct core_cache {
  level level[LEVEL_DRAM];
  uint32_t now;
};

static void make(level *l, int64_t bytes, int ways) {
  l->ways = ways;
  l->sets = bytes / LINE / ways;
  l->tag = calloc((size_t)(l->sets * ways), sizeof *l->tag);
  l->age = calloc((size_t)(l->sets * ways), sizeof *l->age);
}

core_cache *core_cache_create(int64_t l1, int64_t l2, int64_t l3) {
  core_cache *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  make(&c->level[LEVEL_L1], l1, 12);
  make(&c->level[LEVEL_L2], l2, 16);
  make(&c->level[LEVEL_L3], l3, 16);
  return c;
}

void core_cache_destroy(core_cache *c) {
  for (int i = 0; c && i < LEVEL_DRAM; i++) free(c->level[i].tag), free(c->level[i].age);
  free(c);
}

/* Whether it was there. */
static bool take(level *l, uint64_t line, uint32_t now) {
  size_t set = (size_t)(line % (uint64_t)l->sets) * (size_t)l->ways, oldest = set;
  for (size_t i = set; i < set + (size_t)l->ways; i++) {
    if (l->tag[i] == line) return l->age[i] = now, true;
    if (l->age[i] < l->age[oldest]) oldest = i;
  }
  l->tag[oldest] = line;
  l->age[oldest] = now;
  return false;
}

core_level core_cache_touch(core_cache *c, uint64_t address) {
  core_level found = LEVEL_DRAM;
  c->now++;
  for (int i = LEVEL_L3; i >= LEVEL_L1; i--)
    if (take(&c->level[i], address / LINE, c->now)) found = (core_level)i;
  return found;
}
