/* Any bytes as .mir: no crash; every report can be rendered; what parses prints to a text that
 * parses and prints the same. */
#include "mc/ir/print.h"
#include "mc/syntax/parse.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void render_all(const mc_diag *d) {
  mc_strbuf b = { 0 };
  for (size_t i = 0; i < d->list.n; i++) mc_diag_render(&b, &d->list.v[i]);
  mc_sb_free(&b);
}

/* The print of a text, or false when it does not parse. */
static bool print_of(mc_strbuf *out, const char *text, size_t size, mc_diag *d) {
  mc_source src = { "fuzz.mir", text, size };
  mc_module *m = mc_parse(&src, "/nonexistent", d);
  if (m) mc_print_module(out, m, NULL);
  if (!m && !d->errors) abort(); /* a refusal without a reason */
  mc_module_destroy(m);
  render_all(d);
  return m != NULL;
}

static void round_trip(const mc_strbuf *first) {
  mc_arena *a = mc_arena_create();
  mc_diag d;
  mc_diag_init(&d, a);
  mc_strbuf second = { 0 };
  bool ok = print_of(&second, first->s, first->n, &d);
  if (!ok || second.n != first->n || memcmp(second.s, first->s, first->n) != 0) {
    fprintf(stderr, "not a fixed point:\n%s\n---\n%s\n", first->s,
            ok ? second.s : d.list.v[0].text);
    abort();
  }
  mc_sb_free(&second);
  mc_arena_destroy(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mc_arena *a = mc_arena_create();
  mc_diag d;
  mc_diag_init(&d, a);
  mc_strbuf first = { 0 };
  if (print_of(&first, (const char *)data, size, &d)) round_trip(&first);
  mc_sb_free(&first);
  mc_arena_destroy(a);
  return 0;
}
