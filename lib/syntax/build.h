/* From the tree to the module. */
#ifndef MC_SYNTAX_BUILD_H
#define MC_SYNTAX_BUILD_H
#include "mc/ir/build.h"
#include "scan.h"

#define MIR_MAX_SPLAT ((size_t)1 << 26) /* bytes of all constants that are one repeated number */

typedef struct mir_build {
  mir_parse p;
  mc_module *m;
  mc_map values;       /* of the present top-level graph and its regions: name -> mir_symbol */
  bool weights_failed; /* the weights file could not be read: unknown tensors follow from that */
  size_t splat_bytes;
} mir_build;

/* A %name. value NULL: its statement was wrong, and what uses it is not worth a report. */
typedef struct mir_symbol {
  mc_value *value;
  mc_graph *scope;
  mir_span at;
} mir_symbol;

/* The tensor named at `at`; NULL after reporting. */
mc_tensor *mir_find_tensor(mir_build *b, mir_span at);
/* The interned type, checked; NULL after reporting. */
const mc_type *mir_build_type(mir_build *b, const ast_type *t);
/* The range after a type, into v. */
void mir_build_range(mir_build *b, const ast_type *t, mc_value *v);
/* loc("..."): NULL when there is none. */
const char *mir_build_source(mir_build *b, mir_span at);
/* An inline constant for a dense list of type t; NULL after reporting. */
mc_tensor *mir_dense_tensor(mir_build *b, const ast_dense *d, const mc_type *t);
/* Weights file, data section. */
void mir_build_tensors(mir_build *b);
/* Enter a name, or report that it is taken. `v` may be NULL. Gives v its name. */
void mir_define(mir_build *b, mir_span at, mc_value *v, mc_graph *scope);
/* Statements of a body, into g. */
void mir_build_body(mir_build *b, mc_graph *g, const ast_body *body);
void mir_build_graph(mir_build *b, const ast_graph *a);
#endif
