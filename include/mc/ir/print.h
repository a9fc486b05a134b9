/* Graph to text. parse(print(m)) equals m, bit for bit. */
#ifndef MC_IR_PRINT_H
#define MC_IR_PRINT_H
#include "mc/ir/graph.h"

typedef struct mc_print_opts {
  bool no_data;             /* leave the data section out (dumps for people) */
  const char *weights_file; /* name written in the `weights` line; tensors without a file are then
                               expected in that file, not in the data section */
} mc_print_opts;

/* Tensors with a file stay references; the others travel in a trailing data section (base64),
 * unless opts say otherwise. opts may be NULL. */
void mc_print_module(mc_strbuf *out, const mc_module *m, const mc_print_opts *opts);
void mc_print_graph(mc_strbuf *out, const mc_graph *g);
void mc_print_node(mc_strbuf *out, const mc_node *n); /* one line without newline */
/* Mark the tensors that the graphs name (weights, scales of types): used[tensor] becomes non-NULL.
 * `used` is keyed by pointer. */
void mc_module_used_tensors(const mc_module *m, mc_map *used);
#endif
