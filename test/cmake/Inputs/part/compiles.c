/* A program that links the compiler as libraries. */
#include "mc/driver/compile.h"
#include "mc/ir/graph.h"
#include "mc/support/arena.h"
#include <stdio.h>

int main(int argc, char **argv) {
  mc_arena *a = mc_arena_create();
  mc_diag d;
  mc_diag_init(&d, a);
  mc_module *m = argc > 1 ? mc_driver_load(argv[1], &d) : NULL;
  if (!m) return 1;
  printf("graph %s: %d input\n", m->graphs->name, m->graphs->nin);
  mc_module_destroy(m);
  mc_arena_destroy(a);
  return 0;
}
