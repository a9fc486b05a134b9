/* x86-64 instructions that this processor lacks, executed by a SIGILL handler: AMX tiles (int8,
 * bf16) and VEX-encoded AVX-VNNI. A tool for tests: slow, and strict where hardware is (shapes,
 * palettes, unconfigured tiles end the process with a message). Nothing traps where the processor
 * has the instructions. */
#ifndef MC_TEST_EMULATE_H
#define MC_TEST_EMULATE_H
#include <stdbool.h>
#include <stdint.h>

/* Install the handler. False on machines that are not x86-64. */
bool emulate_install(void);

/* Instructions executed so far by all threads, by kind: what a test asks to know that code ran this
 * way. */
typedef enum emulate_kind {
  EMULATE_config,
  EMULATE_load,
  EMULATE_store,
  EMULATE_zero,
  EMULATE_product,
  EMULATE_vnni,
  EMULATE_NUM
} emulate_kind;

uint64_t emulate_count(emulate_kind kind);

/* Single steps: until emulate_unwatch, `on` is called before every instruction that this
 * thread executes, emulated or not. general: the 16 general registers in the order of their
 * numbers. quick: tile instructions only move the instruction pointer (what they are checked for
 * is), so sums are wrong; for code whose path does not depend on them. */
typedef struct emulate_point {
  const unsigned char *at;
  int64_t general[16];
} emulate_point;

typedef void emulate_on(void *ctx, const emulate_point *p);
bool emulate_watch(emulate_on *on, void *ctx, bool quick);
void emulate_unwatch(void);

/* ---- between the files of this folder ---- */
enum { EMU_TILES = 8, EMU_ROWS = 16, EMU_ROW_BYTES = 64 };

typedef struct emu_tiles {
  bool on;
  uint8_t rows[EMU_TILES], colsb[EMU_TILES], config[64];
  unsigned char data[EMU_TILES][EMU_ROWS][EMU_ROW_BYTES];
} emu_tiles;

typedef enum emu_product {
  EMU_uu,
  EMU_us,
  EMU_su,
  EMU_ss,
  EMU_bf16
} emu_product; /* signs of A, B */

/* NULL, or why hardware would refuse. */
const char *emu_configure(emu_tiles *t, const unsigned char *config);
const char *emu_check(const emu_tiles *t, int tile);
void emu_load(emu_tiles *t, int tile, const unsigned char *base, int64_t stride);
void emu_store(const emu_tiles *t, int tile, unsigned char *base, int64_t stride);
void emu_zero(emu_tiles *t, int tile);
const char *emu_multiply(emu_tiles *t, emu_product kind, int c, int a, int b);
/* vpdpbusd, vpdpbusds, vpdpwssd, vpdpwssds (opcode 0x50 ... 0x53) on `lanes` 32-bit lanes. */
void emu_vnni(int opcode, int32_t *acc, const void *a, const void *b, int lanes);
#endif
