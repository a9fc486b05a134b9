/* peaks: what one core of this machine can do at most, as shares of peak are stated against it.
 *
 *   peaks [-cpu N] [-fifo] [-json]
 *
 * Multiply-accumulates per second from registers (fp32 and bf16 multiply-adds, INT8 dot products)
 * and bytes read per second from each level of memory. Every figure is the best of many short runs:
 * on a shared machine that is the only one that means anything. Rows whose instructions the
 * processor lacks are left out. AMX is asked from the kernel first. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef __x86_64__
#error "peaks.c knows x86-64 only"
#endif
#include <cpuid.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- arithmetic: twelve independent accumulators, one instruction each, in a loop ---- */

#define EACH(I) I(0) I(1) I(2) I(3) I(4) I(5) I(6) I(7) I(8) I(9) I(10) I(11)
#define CLOBBER                                                                                    \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",         \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define ZERO(n) "vpxor %%xmm" #n ", %%xmm" #n ", %%xmm" #n "\n\t"
#define KERNEL(name, I)                                                                            \
  static void name(long n) {                                                                       \
    __asm__ volatile(EACH(ZERO) ZERO(12) ZERO(13) "1:\n\t" EACH(I)                                 \
                         EACH(I) "dec %0\n\tjnz 1b\n\tvzeroupper"                                  \
                     : "+r"(n)                                                                     \
                     :                                                                             \
                     : CLOBBER, "cc");                                                             \
  }

enum { PER_LOOP = 24 };

#define FMA256(n) "vfmadd231ps %%ymm12, %%ymm13, %%ymm" #n "\n\t"
#define FMA512(n) "vfmadd231ps %%zmm12, %%zmm13, %%zmm" #n "\n\t"
#define BF512(n) "vdpbf16ps %%zmm12, %%zmm13, %%zmm" #n "\n\t"
#define DOT256(n) "%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm" #n "\n\t"
#define DOT512(n) "vpdpbusd %%zmm12, %%zmm13, %%zmm" #n "\n\t"
#define WIDEN256(n)                                                                                \
  "vpmaddwd %%ymm12, %%ymm13, %%ymm14\n\tvpaddd %%ymm14, %%ymm" #n ", %%ymm" #n "\n\t"
KERNEL(fma256, FMA256)
KERNEL(fma512, FMA512)
KERNEL(bf512, BF512)
KERNEL(dot256, DOT256)
KERNEL(dot512, DOT512)
KERNEL(widen256, WIDEN256)

/* ---- AMX: two by two tiles ---- */

static const struct {
  uint8_t palette, start, zero[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} __attribute__((packed, aligned(64))) tiles = { .palette = 1,
                                                 .row_bytes = { 64, 64, 64, 64, 64, 64, 64, 64 },
                                                 .rows = { 16, 16, 16, 16, 16, 16, 16, 16 } };

#define AMX(name, op)                                                                              \
  static void name(long n) {                                                                       \
    __asm__ volatile("ldtilecfg %1\n\ttilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero "             \
                     "%%tmm2\n\ttilezero %%tmm3\n\ttilezero %%tmm4\n\ttilezero %%tmm5\n\t"         \
                     "tilezero %%tmm6\n\ttilezero %%tmm7\n1:\n\t" op                               \
                     " %%tmm6, %%tmm4, %%tmm0\n\t" op " %%tmm7, %%tmm4, %%tmm1\n\t" op             \
                     " %%tmm6, %%tmm5, %%tmm2\n\t" op                                              \
                     " %%tmm7, %%tmm5, %%tmm3\n\tdec %0\n\tjnz 1b\n\ttilerelease"                  \
                     : "+r"(n)                                                                     \
                     : "m"(tiles)                                                                  \
                     : "cc");                                                                      \
  }
AMX(amx_int8, "tdpbusd")
AMX(amx_bf16, "tdpbf16ps")

/* ---- what the processor has ---- */

enum { AVX2 = 1, AVX512 = 2, VNNI512 = 4, VNNI256 = 8, BF16 = 16, AMX_INT8 = 32, AMX_BF16 = 64 };

static int features(void) {
  unsigned a, b, c, d, f = 0;
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) f |= AVX2;
  if (__builtin_cpu_supports("avx512f")) f |= AVX512;
  if (__builtin_cpu_supports("avx512vnni")) f |= VNNI512;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return (int)f;
  bool granted = ((d >> 24) & 3) == 3 &&
                 syscall(SYS_arch_prctl, 0x1023, 18) == 0; /* ARCH_REQ_XCOMP_PERM, tile data */
  if (granted && d >> 25 & 1) f |= AMX_INT8;
  if (granted && d >> 22 & 1) f |= AMX_BF16;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d)) return (int)f;
  if (a >> 4 & 1) f |= VNNI256;
  if (a >> 5 & 1 && f & AVX512) f |= BF16;
  return (int)f;
}

/* ---- reading memory ---- */

static char *buffer;
static size_t buffer_bytes;

/* Loads alone, each kept by an empty statement that needs its register. */
#ifdef __AVX512F__
typedef uint64_t vec __attribute__((vector_size(64)));
#else
typedef uint64_t vec __attribute__((vector_size(32)));
#endif
static void read_all(long n) {
  for (long i = 0; i < n; i++) {
    const vec *p = (const vec *)(const void *)buffer;
    for (size_t k = 0; k < buffer_bytes / sizeof(vec); k += 8) {
#pragma GCC unroll 8
      for (size_t j = 0; j < 8; j++) __asm__ volatile("" : : "x"(p[k + j]));
    }
  }
}

/* ---- the table ---- */

/* Best rate in 1e9 units per second over `seconds`, in runs of about 2 ms. */
static double best(void (*f)(long), double units, double seconds) {
  long n = 1;
  double t, end, r = 0;
  for (;; n *= 2) {
    t = now();
    f(n);
    if ((t = now() - t) > 2e-3) break;
  }
  for (end = now() + seconds; now() < end;) {
    t = now();
    f(n);
    t = now() - t;
    if (units * (double)n / t > r) r = units * (double)n / t;
  }
  return r / 1e9;
}

static const struct {
  const char *name;
  int need;
  void (*f)(long);
  double units;
} sums[] = {
  { "AMX u8 x s8", AMX_INT8, amx_int8, 4 * 16384.0 },
  { "AMX bf16", AMX_BF16, amx_bf16, 4 * 8192.0 },
  { "AVX-512 VNNI u8 x s8", VNNI512, dot512, PER_LOOP * 64.0 },
  { "AVX-VNNI u8 x s8", VNNI256, dot256, PER_LOOP * 32.0 },
  { "AVX2 s16 x s16, widened", AVX2, widen256, PER_LOOP * 16.0 },
  { "AVX512-BF16", BF16, bf512, PER_LOOP * 32.0 },
  { "AVX-512 fp32", AVX512, fma512, PER_LOOP * 16.0 },
  { "AVX2 fp32", AVX2, fma256, PER_LOOP * 8.0 },
};

static const struct {
  const char *name;
  long kib;
} reads[] = { { "24 KiB", 24 },    { "256 KiB", 256 },  { "512 KiB", 512 },   { "4 MiB", 4096 },
              { "12 MiB", 12288 }, { "40 MiB", 40960 }, { "256 MiB", 262144 } };

static void row(bool json, bool *first, const char *name, double v, const char *unit) {
  if (json)
    printf("%s\n \"%s\": %.2f", *first ? "{" : ",", name, v);
  else
    printf("%-32s %9.1f %s\n", name, v, unit);
  fflush(stdout);
  *first = false;
}

int main(int argc, char **argv) {
  bool json = false, fifo = false, first = true;
  int cpu = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "-json"))
      json = true;
    else if (!strcmp(argv[i], "-fifo"))
      fifo = true;
    else if (!strcmp(argv[i], "-cpu") && i + 1 < argc)
      cpu = atoi(argv[++i]);
    else
      return fprintf(stderr, "usage: peaks [-cpu N] [-fifo] [-json]\n"), 2;
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set)) perror("peaks: sched_setaffinity");
  if (fifo && sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 5 }))
    perror("peaks: -fifo");
  int have = features();
  for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
    if ((have & sums[i].need) == sums[i].need)
      row(json, &first, sums[i].name, best(sums[i].f, sums[i].units, 0.3), "GMAC/s");
  size_t most = (size_t)reads[sizeof reads / sizeof *reads - 1].kib << 10;
  buffer = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer == MAP_FAILED) return perror("peaks: mmap"), 1;
  madvise(buffer, most, MADV_HUGEPAGE);
  memset(buffer, 1, most);
  for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
    char name[64];
    snprintf(name, sizeof name, "read %s", reads[i].name);
    buffer_bytes = (size_t)reads[i].kib << 10;
    row(json, &first, name, best(read_all, (double)buffer_bytes, 0.4), "GB/s");
  }
  if (json) printf("\n}\n");
  return 0;
}
