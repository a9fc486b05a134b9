/* A Sapphire Rapids core in numbers: instructions that the emulator steps through, in time. Each
 * goes through the front end, a window, ports, a cache hierarchy; tiles have figures of their own,
 * which were measured (docs/internals/tiles.md). An estimate, not a measurement: no
 * branch is mispredicted, nothing else shares the caches, addresses are translated for nothing. */
#ifndef MC_TEST_CORE_H
#define MC_TEST_CORE_H
#include "emulate.h"

/* ---- decode.c: an instruction, once for each place in the code ---- */
enum {
  CORE_SOURCES = 8,
  CORE_RESULTS = 3,
  CORE_REGS = 128
}; /* register numbers: 0 general, 32 vector, 64 mask, 80 tiles, 96 flags */

typedef enum core_unit {
  UNIT_none,
  UNIT_any_vector,
  UNIT_p5,
  UNIT_p0,
  UNIT_scalar,
  UNIT_branch,
  UNIT_tile_load,
  UNIT_tile_store,
  UNIT_tile_product,
  UNIT_tile_config,
  UNIT_tile_release
} core_unit;

typedef struct core_insn {
  short source[CORE_SOURCES], result[CORE_RESULTS];
  int nsource, nresult, base, index, scale; /* general registers of the address; -1: none */
  int64_t disp;
  bool memory, load, store, prefetch,
      string; /* string: movs, stos; stepped through once for each repetition */
  int bytes;  /* of the memory operand */
  core_unit unit;
  int uops, latency; /* uops that the unit executes */
  int length, tile[3];
} core_insn;

/* text: as LLVM prints it, AT&T syntax. */
void core_decode(core_insn *out, const char *text, const unsigned char *at, int length);

/* ---- cache.c ---- */
typedef struct core_cache core_cache;

typedef enum core_level { LEVEL_L1, LEVEL_L2, LEVEL_L3, LEVEL_DRAM, LEVEL_NUM } core_level;

core_cache *core_cache_create(int64_t l1, int64_t l2, int64_t l3);
void core_cache_destroy(core_cache *c);
/* The level that the line of an address comes from; it is in L1 afterwards. */
core_level core_cache_touch(core_cache *c, uint64_t address);

/* ---- core.c ---- */
typedef struct core_totals {
  double ns;
  uint64_t instructions, vectors, p5, loads, stores, configs, products, rows, tile_loads[LEVEL_NUM],
      tile_stores,
      lines[LEVEL_NUM]; /* rows: those that products paid for; lines: other accesses by level */
  double tmul_ns, vector_ns, load_ns, l3_ns; /* how long the products, the two vector ports, the
                                                load ports, L3 and memory would take alone */
} core_totals;
typedef struct core core;
core *core_create(void);
void core_destroy(core *c);
void core_step(core *c, const core_insn *i, const emulate_point *p);
/* What has been added since the last call. */
core_totals core_take(core *c);
#endif
