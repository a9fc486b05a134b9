/* tile_costs: what tile instructions take on this core, for the models that could not be measured
 * where they were written (test/emulate/core.c, pick.c, machines.def).
 *
 *   tile_costs [-cpu N] [-quick]
 *
 * JSON: nanoseconds of each, the least of many short runs. Exit code 3: no AMX here, or the kernel
 * refuses it. -quick: one short run of each, for tests under emulation. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef struct shapes {
  uint8_t palette, start, zero[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} __attribute__((packed, aligned(64))) shapes;

enum { MOST_BYTES = 64 << 20, SUMS = 16384 };

static shapes config;
static char *buffer;
static char sums[SUMS] __attribute__((aligned(4096)));
static size_t span, row_distance = 64;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* All tiles of `rows` rows; B (6, 7) of 16. */
static void configure(int rows) {
  memset(&config, 0, sizeof config);
  config.palette = 1;
  for (int t = 0; t < 8; t++) {
    config.row_bytes[t] = 64;
    config.rows[t] = (uint8_t)(t >= 6 ? 16 : rows);
  }
  __asm__ volatile("ldtilecfg %0" ::"m"(config));
}

#define LOAD(t, at)                                                                                \
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"(at), "r"(row_distance) : "memory")
#define STORE(t, at)                                                                               \
  __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"(at), "r"(64l) : "memory")
#define PRODUCT(c, a, b) __asm__ volatile("tdpbusd %tmm" #b ", %tmm" #a ", %tmm" #c)

/* ---- one unit of each ---- */
static void products(long n) {
  while (n--) {
    PRODUCT(0, 4, 6);
    PRODUCT(1, 4, 7);
    PRODUCT(2, 5, 6);
    PRODUCT(3, 5, 7);
  }
}

static void products_one_sum(long n) {
  while (n--) PRODUCT(0, 4, 6);
}

static void products_two_sums(long n) {
  while (n--) {
    PRODUCT(0, 4, 6);
    PRODUCT(1, 4, 7);
  }
}

static void loads(long n) {
  size_t at = 0, step = row_distance == 64 ? 1024 : 64;
  while (n--) {
    LOAD(4, buffer + at);
    at = at + step + 16 * row_distance > span ? 0 : at + step;
  }
}

static void stores(long n) {
  while (n--) {
    STORE(0, sums);
    STORE(1, sums + 1024);
    STORE(2, sums + 2048);
    STORE(3, sums + 3072);
  }
}

/* A block of `steps` steps as kernels have them. */
static void block(int steps) {
  size_t a = 0, b = span / 2;
  for (int s = 0; s < steps; s++, a += 2048, b += 2048) {
    LOAD(6, buffer + b);
    LOAD(4, buffer + a);
    PRODUCT(0, 4, 6);
    LOAD(7, buffer + b + 1024);
    PRODUCT(1, 4, 7);
    LOAD(5, buffer + a + 1024);
    PRODUCT(2, 5, 6);
    PRODUCT(3, 5, 7);
  }
}

static void blocks_without_stores(long n) {
  while (n--) block(4);
}

static void blocks_with_stores(long n) {
  while (n--) {
    block(4);
    stores(1);
  }
}

static void configurations(long n) {
  while (n--) __asm__ volatile("ldtilecfg %0" ::"m"(config));
}

static void releases(long n) {
  while (n--) __asm__ volatile("ldtilecfg %0\n\ttilerelease" ::"m"(config));
}

/* A store, and a vector load of its last row whose bytes the next store's address waits for. */
static void store_then_load(long n) {
  uint64_t zero = 0;
  while (n--) {
    char *at = sums + zero;
    STORE(0, at);
    uint64_t v;
    __asm__ volatile("vmovdqu64 960(%1), %%zmm0\n\tvmovq %%xmm0, %0"
                     : "=r"(v)
                     : "r"(at)
                     : "xmm0", "memory");
    zero = v & 0;
    __asm__ volatile("" : "+r"(zero));
  }
}

static void tiles_off(long n) {
  while (n--) __asm__ volatile("tilerelease");
}

/* ---- vector instructions alone, and beside tiles: 64 of a kind, a tile instruction before each 32
 * of them ---- */
#define OP3(op, d) #op " %%zmm0, %%zmm31, %%zmm" #d "\n\t"
#define OP2(op, d) #op " %%zmm0, %%zmm" #d "\n\t"
#define EIGHT(form, op)                                                                            \
  form(op, 1) form(op, 2) form(op, 3) form(op, 4) form(op, 5) form(op, 6) form(op, 7) form(op, 8)
#define THIRTY_TWO(form, op) EIGHT(form, op) EIGHT(form, op) EIGHT(form, op) EIGHT(form, op)
#define ALONE ""
#define BESIDE_PRODUCTS "tdpbusd %%tmm6, %%tmm4, %%tmm0\n\t"
#define BESIDE_STORES "tilestored %%tmm5, (%1,%2,1)\n\t"
#define VECTORS(name, beside, body)                                                                \
  static void name(long n) {                                                                       \
    __asm__ volatile("1:\n\t" beside body beside body "dec %0\n\tjnz 1b"                           \
                     : "+r"(n)                                                                     \
                     : "r"(sums), "r"(64l)                                                         \
                     : "memory", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8");  \
  }
#define KINDS(name, body)                                                                          \
  VECTORS(name##_alone, ALONE, body)                                                               \
  VECTORS(name##_products, BESIDE_PRODUCTS, body)                                                  \
  VECTORS(name##_stores, BESIDE_STORES, body)
KINDS(multiply, THIRTY_TWO(OP3, vmulps))
KINDS(convert, THIRTY_TWO(OP2, vcvtps2dq))
KINDS(subtract, THIRTY_TWO(OP3, vsubps))
KINDS(integer, THIRTY_TWO(OP3, vpaddd))
KINDS(pack, THIRTY_TWO(OP3, vpackssdw))

typedef struct cost {
  const char *name;
  void (*f)(long);
  int units, rows;
  size_t span, distance;
} cost;

static const cost costs[] = {
  { "product, 16 rows", products, 4, 16, 0, 64 },
  { "product, 14 rows", products, 4, 14, 0, 64 },
  { "product, 8 rows", products, 4, 8, 0, 64 },
  { "product, 4 rows", products, 4, 4, 0, 64 },
  { "product, 16 rows, all into one tile", products_one_sum, 1, 16, 0, 64 },
  { "product, 8 rows, all into one tile", products_one_sum, 1, 8, 0, 64 },
  { "product, 16 rows, into two tiles", products_two_sums, 2, 16, 0, 64 },
  { "load from L1", loads, 1, 16, 16 << 10, 64 },
  { "load from L2", loads, 1, 16, 512 << 10, 64 },
  { "load from L3", loads, 1, 16, 8 << 20, 64 },
  { "load from memory", loads, 1, 16, MOST_BYTES, 64 },
  { "load from L1, rows 256 apart", loads, 1, 16, 16 << 10, 256 },
  { "load from L2, rows 1152 apart", loads, 1, 16, 512 << 10, 1152 },
  { "store", stores, 4, 16, 0, 64 },
  { "store, then a vector load of it", store_then_load, 1, 16, 0, 64 },
  { "block of 4 steps from L1", blocks_without_stores, 1, 16, 16 << 10, 64 },
  { "block of 4 steps from L1, stored", blocks_with_stores, 1, 16, 16 << 10, 64 },
#define ROWS(name, text)                                                                           \
  { "64 " text, name##_alone, 1, 16, 0, 64 },                                                      \
      { "64 " text ", 2 products", name##_products, 1, 16, 0, 64 },                                \
      { "64 " text ", 2 stores", name##_stores, 1, 16, 0, 64 },
  ROWS(multiply, "vmulps") ROWS(convert, "vcvtps2dq") ROWS(subtract, "vsubps")
      ROWS(integer, "vpaddd") ROWS(pack, "vpackssdw"){ "ldtilecfg", configurations, 1, 16, 0, 64 },
  { "ldtilecfg and tilerelease", releases, 1, 16, 0, 64 },
  { "tilerelease", tiles_off, 1, 16, 0, 64 },
};

/* Nanoseconds of one unit. */
static double least(const cost *c, bool quick) {
  double best = 1e30;
  long n = quick ? 2 : 2000;
  configure(c->rows);
  span = c->span;
  row_distance = c->distance;
  for (int round = 0; round < (quick ? 1 : 400); round++) {
    double t = now();
    c->f(n);
    t = now() - t;
    if (t < best) best = t;
    if (c->f == releases || c->f == tiles_off) configure(c->rows);
  }
  return best / (double)n / c->units;
}

static int granted(void) {
  FILE *f = fopen("/proc/cpuinfo", "r");
  char line[8192];
  bool has = false;
  while (f && fgets(line, sizeof line, f)) has |= strstr(line, "amx_int8") != NULL;
  if (f) fclose(f);
  return has && syscall(SYS_arch_prctl, 0x1023, 18) == 0; /* ARCH_REQ_XCOMP_PERM, tile data */
}

int main(int argc, char **argv) {
  bool quick = false;
  for (int i = 1; i < argc; i++) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (!strcmp(argv[i], "-quick"))
      quick = true;
    else if (!strcmp(argv[i], "-cpu") && i + 1 < argc)
      CPU_SET((unsigned)atoi(argv[++i]), &set), sched_setaffinity(0, sizeof set, &set);
    else
      return fprintf(stderr, "usage: tile_costs [-cpu N] [-quick]\n"), 2;
  }
  if (!granted() && !quick)
    return fprintf(stderr, "tile_costs: no AMX on this machine, or the kernel refuses it\n"), 3;
  buffer = aligned_alloc(4096, MOST_BYTES);
  if (!buffer) return 1;
  memset(buffer, 1, MOST_BYTES);
  for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
    printf("%s\n \"%s\": %.2f", i ? "," : "{", costs[i].name, least(&costs[i], quick));
    fflush(stdout);
  }
  printf("\n}\n");
  __asm__ volatile("tilerelease");
  return 0;
}
