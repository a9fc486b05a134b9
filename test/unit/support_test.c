// RUN: %unit/support_test
#include "check.h"
#include "mc/support/arena.h"
#include "mc/support/diag.h"
#include "mc/support/glob.h"
#include "mc/support/map.h"
#include "mc/support/strbuf.h"
#include "mc/support/suggest.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void arena_aligns_and_zeroes(void) {
  mc_arena *a = mc_arena_create();
  for (size_t n = 0; n < 300; n += 7) {
    unsigned char *p = mc_arena_alloc(a, n);
    CHECK((uintptr_t)p % (n >= 64 ? 64 : 16) == 0);
    for (size_t i = 0; i < n; i++) CHECK(p[i] == 0);
    memset(p, 0xa5, n);
  }
  for (size_t n = 1 << 14; n <= 1 << 17;
       n += 1 << 12) { /* a large block is nobody else's, whatever its size */
    unsigned char *large = mc_arena_alloc(a, n), *next = mc_arena_alloc(a, 64);
    CHECK(next + 64 <= large || large + n <= next);
  }
  unsigned char *big = mc_arena_alloc(a, 1 << 20), *small = mc_arena_alloc(a, 64);
  memset(big, 1, 1 << 20);
  CHECK(small[0] == 0);
  mc_arena_destroy(a);
}

static void arena_block_of_chunk_size_stays(void) {
  mc_arena *a = mc_arena_create();
  for (size_t n = (1 << 16) - 64; n <= (1 << 16) + 64; n += 64) {
    unsigned char *p = mc_arena_alloc(a, n);
    memset(p, 1, n);
    for (int i = 0; i < 10; i++) memset(mc_arena_alloc(a, 100), 2, 100);
    for (size_t i = 0; i < n; i++)
      if (p[i] != 1) CHECK_FAIL("a later allocation lies in an earlier one");
  }
  mc_arena_destroy(a);
}

static void map_keeps_order(void) {
  mc_arena *a = mc_arena_create();
  mc_map m;
  mc_map_init(&m, a);
  char key[16];
  for (int i = 0; i < 1000; i++) {
    snprintf(key, sizeof key, "k%d", i * 7919 % 1000);
    *mc_map_str_slot(&m, key) = a;
  }
  CHECK(m.n == 1000);
  CHECK(strcmp(m.entries[1].key, "k919") == 0);
  CHECK(mc_map_str_get(&m, "k5") == a && !mc_map_str_get(&m, "x"));
  mc_map p;
  mc_map_init(&p, a);
  *mc_map_ptr_slot(&p, key) = key;
  CHECK(mc_map_ptr_get(&p, key) == key && !mc_map_ptr_get(&p, key + 1));
  mc_arena_destroy(a);
}

static void floats_print_shortest(void) {
  static const struct {
    float x;
    const char *text;
  } cases[] = { { 0.1f, "0.1" },
                { 1.0f, "1.0" },
                { -0.0f, "-0.0" },
                { 1e-5f, "1e-05" },
                { 16777216.0f, "16777216.0" },
                { 20.0f, "20.0" },
                { 3e20f, "3e+20" },
                { INFINITY, "inf" },
                { -INFINITY, "-inf" },
                { 0.166666672f, "0.16666667" } };

  mc_strbuf b = { 0 };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mc_sb_clear(&b);
    mc_sb_float(&b, cases[i].x);
    CHECK(strtof(mc_sb_str(&b), NULL) == cases[i].x);
    if (strcmp(mc_sb_str(&b), cases[i].text) != 0)
      fprintf(stderr, "%s\n", mc_sb_str(&b)), CHECK_FAIL("text");
  }
  for (uint32_t bits = 1; bits < 0x7f800000u; bits += 104729u * 13) {
    float x, y;
    memcpy(&x, &bits, 4);
    mc_sb_clear(&b);
    mc_sb_float(&b, x);
    y = strtof(mc_sb_str(&b), NULL);
    CHECK(memcmp(&x, &y, 4) == 0);
  }
  mc_sb_free(&b);
}

static void diagnostics_quote_the_line(void) {
  mc_arena *a = mc_arena_create();
  mc_source src = { "f.mir", "mir 1\n  bad thing\n", 18 };
  mc_diag d;
  mc_diag_init(&d, a);
  CHECK(!mc_error(&d, (mc_loc){ &src, 8, 11, NULL }, "no %s", "good"));
  mc_strbuf b = { 0 };
  mc_diag_render(&b, &d.list.v[0]);
  CHECK(strcmp(mc_sb_str(&b), "f.mir:2:3: error: no good\n    bad thing\n    ^~~\n") == 0);
  CHECK(d.errors == 1);
  mc_sb_free(&b);
  mc_arena_destroy(a);
}

static void globs_match(void) {
  static const struct {
    const char *p, *s;
    bool yes;
  } t[] = { { "*", "", true },           { "", "", false },         { "a", "a", true },
            { "a", "ab", false },        { "a*", "a", true },       { "*a", "ba", true },
            { "*a", "ab", false },       { "a*c", "abbc", true },   { "a*c", "abcd", false },
            { "a**c", "ac", true },      { "*b*d*", "abcd", true }, { "*ab", "aab", true },
            { "*aab*b", "aaabb", true }, { "x:a*", "ab", true },    { "x:y", "ab", false },
            { "a*b*c", "abxbc", true } };

  for (size_t i = 0; i < sizeof t / sizeof *t; i++)
    if (mc_glob_list(t[i].p, t[i].s) != t[i].yes) CHECK_FAIL(t[i].p);
  char text[4001],
      pattern[4001]; /* many stars and nearly a match: exponential where each star tries all */
  memset(text, 'a', 4000), text[4000] = 0;
  for (int i = 0; i < 4000; i++) pattern[i] = i % 2 ? 'a' : '*';
  pattern[3999] = 'b', pattern[4000] = 0;
  CHECK(!mc_glob_list(pattern, text));
}

static void suggestions_are_near(void) {
  static const char *const names[] = { "quant", "calib", "calib-method", "print-after", "o",
                                       "g",     NULL };

  static const struct {
    const char *word, *want;
  } t[] = { { "quantize", "quant" },
            { "qant", "quant" },
            { "QUANT", "quant" },
            { "cali", "calib" },
            { "calib_method", "calib-method" },
            { "calibration", "calib" },
            { "print", "print-after" },
            { "output", NULL },
            { "pr", NULL },
            { "zzz", NULL } };

  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    const char *near = mc_suggest(t[i].word, names);
    if (near != t[i].want && (!near || !t[i].want || strcmp(near, t[i].want)))
      CHECK_FAIL(t[i].word);
  }
  char a[400],
      b[400]; /* long words that differ are not near, whatever a third of their letters is */
  memset(a, 'a', 399), memset(b, 'b', 399), a[399] = b[399] = 0;
  CHECK(mc_suggest_better(a, NULL, b) == NULL);
}

int main(void) {
  globs_match();
  suggestions_are_near();
  arena_aligns_and_zeroes();
  arena_block_of_chunk_size_stays();
  map_keeps_order();
  floats_print_shortest();
  diagnostics_quote_the_line();
  return CHECK_DONE();
}
