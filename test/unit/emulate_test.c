// RUN: %unit/emulate_test
// The trap's decoder and arithmetic: instructions executed in place, against products worked out
// here.
#include "check.h"
#include "emulate.h"
#include <string.h>

/* ---- arithmetic, on any machine ---- */
static emu_tiles t;

static void configure(int rows, int colsb) {
  unsigned char c[64] = { 1 };
  for (int i = 0; i < 8; i++) {
    c[16 + 2 * i] = (unsigned char)(i == 1 ? colsb : 8);
    c[48 + i] = (unsigned char)(i == 2 ? colsb / 4 : rows);
  }
  CHECK(emu_configure(&t, c) == NULL);
}

static int32_t sum_at(int m, int n) {
  int32_t v;
  memcpy(&v, &t.data[0][m][4 * n], 4);
  return v;
}

static void bytes_by_hand(void) {
  static const unsigned char a[2][4] = { { 1, 2, 3, 4 }, { 255, 128, 0, 1 } };
  static const unsigned char b[8] = {
    1, 1, 1, 1, 255, 127, 128, 2
  }; /* column 0; column 1: as signed -1, 127, -128, 2 */
  configure(2, 4);
  emu_load(&t, 1, a[0], 4);
  emu_load(&t, 2, b, 8);
  CHECK(emu_multiply(&t, EMU_us, 0, 1, 2) == NULL);
  CHECK(sum_at(0, 0) == 10 && sum_at(0, 1) == -1 + 254 - 384 + 8 && sum_at(1, 0) == 384 &&
        sum_at(1, 1) == -255 + 128 * 127 + 2);
  CHECK(emu_multiply(&t, EMU_us, 0, 1, 2) == NULL && sum_at(0, 0) == 20);
  emu_zero(&t, 0);
  emu_multiply(&t, EMU_ss, 0, 1, 2);
  CHECK(sum_at(1, 0) == -1 - 128 + 0 + 1 && sum_at(1, 1) == 1 - 128 * 127 + 2);
  emu_zero(&t, 0);
  emu_multiply(&t, EMU_uu, 0, 1, 2);
  CHECK(sum_at(0, 1) == 255 + 254 + 384 + 8);
  emu_zero(&t, 0);
  emu_multiply(&t, EMU_su, 0, 1, 2);
  CHECK(sum_at(1, 1) == -255 - 128 * 127 + 2);
}

static void bf16_by_hand(void) {
  static const unsigned short a[2] = { 0x3f80, 0x4040 },
                              b[4] = { 0x4000, 0xbf80, 0x0001,
                                       0x3f00 }; /* 1, 3; columns 2, -1 and a denormal, 0.5 */
  configure(1, 4);
  emu_load(&t, 1, (const unsigned char *)a, 4);
  emu_load(&t, 2, (const unsigned char *)b, 8);
  float c[2];
  CHECK(emu_multiply(&t, EMU_bf16, 0, 1, 2) == NULL);
  memcpy(c, t.data[0][0], 8);
  CHECK(c[0] == -1.0f && c[1] == 1.5f);
}

static void hardware_would_refuse(void) {
  unsigned char c[64] = { 2 };
  CHECK(emu_configure(&t, c) != NULL);
  c[0] = 1;
  c[3] = 1;
  CHECK(emu_configure(&t, c) != NULL);
  c[3] = 0;
  c[16] = 65;
  c[48] = 1;
  CHECK(emu_configure(&t, c) != NULL);
  configure(2, 4);
  CHECK(emu_multiply(&t, EMU_us, 0, 2, 1) != NULL && emu_multiply(&t, EMU_us, 0, 1, 1) != NULL);
  t.on = false;
  CHECK(emu_check(&t, 0) != NULL);
}

static void dot_products_by_hand(void) {
  static const unsigned char a[4] = { 255, 255, 255, 255 };
  static const signed char b[4] = { 127, 127, 127, 127 }, words[4] = { 0, -128, 0, -128 };
  int32_t s = INT32_MAX - 1000;
  emu_vnni(0x51, &s, a, b, 1);
  CHECK(s == INT32_MAX);
  s = INT32_MAX - 1000;
  emu_vnni(0x50, &s, a, b, 1);
  CHECK(s == (int32_t)(INT32_MAX - 1000u + 4u * 255u * 127u));
  s = 0;
  emu_vnni(0x52, &s, words, words, 1);
  CHECK(s == INT32_MIN); /* 2^31, modulo 2^32 */
  s = 0;
  emu_vnni(0x53, &s, words, words, 1);
  CHECK(s == INT32_MAX);
}

/* ---- instructions: only where the processor lacks them do they come to the handler ---- */
#if defined(__x86_64__)
static unsigned char config[64], a_rows[16][80], b_rows[16][64], c_rows[16][64], d_rows[16][64];

static int32_t expected(int m, int n, int a_signed, int b_signed) {
  int32_t s = 0;
  for (int k = 0; k < 64; k++) {
    int x = a_rows[m][k], y = b_rows[k / 4][4 * n + k % 4];
    s += (a_signed ? (signed char)x : x) * (b_signed ? (signed char)y : y);
  }
  return s;
}

static int products_agree(int a_signed, int b_signed) {
  for (int m = 0; m < 13; m++)
    for (int n = 0; n < 16; n++) {
      int32_t v;
      memcpy(&v, &c_rows[m][4 * n], 4);
      if (v != expected(m, n, a_signed, b_signed)) return 0;
    }
  return 1;
}

static void fill_operands(void) {
  unsigned s = 12345;
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 64; j++) {
      a_rows[i][j] = (unsigned char)((s = s * 1664525u + 1013904223u) >> 24);
      b_rows[i][j] = (unsigned char)((s = s * 1664525u + 1013904223u) >> 24);
    }
  config[0] = 1;
  for (int i = 0; i < 8; i++) {
    config[16 + 2 * i] = 64;
    config[48 + i] = i == 6 ? 16 : 13;
  }
}

/* Base and index in low and high registers, with and without displacement. */
static void tiles_by_instruction(void) {
  memset(c_rows, 0, sizeof c_rows);
  __asm__ volatile("ldtilecfg %0" : : "m"(config));
  __asm__ volatile("movq %0, %%r13\n movq $10, %%r12\n tileloadd 0(%%r13,%%r12,8), %%tmm4"
                   :
                   : "r"(a_rows)
                   : "r12", "r13", "memory");
  __asm__ volatile("leaq -200(%0), %%rax\n movq $64, %%rcx\n tileloaddt1 200(%%rax,%%rcx,1), %%tmm6"
                   :
                   : "r"(b_rows)
                   : "rax", "rcx", "memory");
  __asm__ volatile("tilezero %%tmm0\n tdpbusd %%tmm6, %%tmm4, %%tmm0\n movq $32, %%rsi\n leaq "
                   "-5(%0), %%rdi\n tilestored %%tmm0, 5(%%rdi,%%rsi,2)"
                   :
                   : "r"(c_rows)
                   : "rsi", "rdi", "memory");
  CHECK(products_agree(0, 1));
  __asm__ volatile("tilezero %%tmm1\n tdpbssd %%tmm6, %%tmm4, %%tmm1\n movq $64, %%r9\n tilestored "
                   "%%tmm1, (%0,%%r9)"
                   :
                   : "r"(c_rows)
                   : "r9", "memory");
  CHECK(products_agree(1, 1));
  __asm__ volatile("tilezero %%tmm2\n tdpbsud %%tmm6, %%tmm4, %%tmm2\n movq $64, %%r9\n tilestored "
                   "%%tmm2, (%0,%%r9)"
                   :
                   : "r"(c_rows)
                   : "r9", "memory");
  CHECK(products_agree(1, 0));
  __asm__ volatile("tilezero %%tmm7\n tdpbuud %%tmm6, %%tmm4, %%tmm7\n movq $64, %%r9\n tilestored "
                   "%%tmm7, (%0,%%r9)"
                   :
                   : "r"(c_rows)
                   : "r9", "memory");
  CHECK(products_agree(0, 0));
  memset(c_rows, 0x55, sizeof c_rows);
  __asm__ volatile(
      "movq $0, %%r9\n tileloadd (%0,%%r9), %%tmm3\n movq $64, %%r9\n tilestored %%tmm3, (%1,%%r9)"
      :
      : "r"(a_rows), "r"(c_rows)
      : "r9", "memory");
  CHECK(memcmp(c_rows[12], a_rows[0], 64) == 0 &&
        c_rows[13][0] == 0x55); /* stride 0 repeats; 13 rows are written */
  __asm__ volatile("sttilecfg %0" : "=m"(d_rows));
  CHECK(memcmp(d_rows, config, 64) == 0);
  __asm__ volatile("tilerelease\n sttilecfg %0" : "=m"(d_rows));
  CHECK(d_rows[0][0] == 0);
}

/* The upper half of the result, all 16 registers' numbers, a memory operand, and that a 128-bit
 * form clears what is above. */
static void vectors_by_instruction(void) {
  int32_t out[8], want[8] = { 0 };
  emu_vnni(0x50, want, a_rows[0], b_rows[0], 8);
  __asm__ volatile("vmovdqu %1, %%ymm1\n vmovdqu %2, %%ymm14\n vpxor %%ymm9, %%ymm9, %%ymm9\n "
                   "%{vex%} vpdpbusd %%ymm14, %%ymm1, %%ymm9\n vmovdqu %%ymm9, %0"
                   : "=m"(out)
                   : "m"(a_rows[0]), "m"(b_rows[0])
                   : "xmm1", "xmm9", "xmm14");
  CHECK(memcmp(out, want, 32) == 0);
  emu_vnni(0x53, want, a_rows[1], b_rows[1], 8);
  __asm__ volatile("vmovdqu %1, %%ymm1\n vmovdqu %0, %%ymm3\n movq $4, %%r10\n %{vex%} vpdpwssds "
                   "-32(%2,%%r10,8), %%ymm1, %%ymm3\n vmovdqu %%ymm3, %0"
                   : "+m"(out)
                   : "m"(a_rows[1]), "r"(b_rows[1])
                   : "xmm1", "xmm3", "r10", "memory");
  CHECK(memcmp(out, want, 32) == 0);
  emu_vnni(0x50, want, a_rows[0], b_rows[0], 4);
  memset(want + 4, 0, 16);
  __asm__ volatile("vmovdqu %1, %%ymm1\n vmovdqu %0, %%ymm3\n %{vex%} vpdpbusd %2, %%xmm1, "
                   "%%xmm3\n vmovdqu %%ymm3, %0"
                   : "+m"(out)
                   : "m"(a_rows[0]), "m"(b_rows[0])
                   : "xmm1", "xmm3");
  CHECK(memcmp(out, want, 32) == 0);
}

static void by_instruction(void) {
  fill_operands();
  __builtin_cpu_init();
  if (!emulate_install()) return;
  bool amx = __builtin_cpu_supports("amx-int8"),
       vnni = __builtin_cpu_supports(
           "avxvnni"); /* natively nothing traps, and tiles would need the system's permission */
  if (!amx) tiles_by_instruction();
  CHECK(amx || (emulate_count(EMULATE_product) == 4 && emulate_count(EMULATE_load) == 3 &&
                emulate_count(EMULATE_store) == 5));
  if (!vnni && __builtin_cpu_supports("avx2")) {
    vectors_by_instruction();
    CHECK(emulate_count(EMULATE_vnni) == 3);
  }
}
#else
static void by_instruction(void) {}
#endif

int main(void) {
  bytes_by_hand();
  bf16_by_hand();
  hardware_would_refuse();
  dot_products_by_hand();
  by_instruction();
  return CHECK_DONE();
}
