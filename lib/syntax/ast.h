/* The light tree that the grammar makes: places in the text and their order, nothing resolved.
 * ../syntax/build*.c turns it into a module, once the whole file has been read: the data section
 * comes last in the text, and weights need it. Everything lives in the parse's arena. */
#ifndef MC_SYNTAX_AST_H
#define MC_SYNTAX_AST_H
#include "mc/ir/graph.h"

typedef struct mir_span {
  uint32_t begin, end;
} mir_span; /* bytes of the source */

typedef struct mir_spans {
  MC_VEC(mir_span) list;
} mir_spans;

/* u8<0.5:128>[1,2]   i8<@s axis=0>[4,2]   f32[] ; range(lo, hi) after the types of values */
typedef enum ast_quant { AST_PLAIN, AST_PER_TENSOR, AST_PER_AXIS } ast_quant;

typedef struct ast_type {
  mir_span at, dtype;
  ast_quant quant;
  mir_span scale,
      zero; /* of AST_PER_TENSOR; of AST_PER_AXIS the name of the scales, and the axis */
  mir_spans *dims;
  bool has_range;
  mir_span range, lo, hi;
} ast_type;

typedef struct ast_types {
  MC_VEC(ast_type *) list;
} ast_types;

/* dense<[[1, 2], [3, 4]]>: the numbers in order, and the shape of the nesting. */
typedef struct ast_dense {
  mir_span at;
  MC_VEC(mir_span) num;
  int rank;  /* of the nesting; -1 until the first number; 0: one number for all elements */
  int depth; /* while it is read: open lists */
  int64_t count[MC_MAX_RANK + 1], dim[MC_MAX_RANK];
  bool bad; /* reported */
} ast_dense;

typedef struct ast_operand {
  mir_span at;
  ast_dense *dense;
} ast_operand; /* %name, @name (its first byte tells), or dense */

typedef struct ast_operands {
  MC_VEC(ast_operand) list;
} ast_operands;

typedef struct ast_attr {
  mir_span name;
  mc_fvalue value;
} ast_attr;

typedef struct ast_attrs {
  MC_VEC(ast_attr) list;
} ast_attrs;

typedef struct ast_values {
  MC_VEC(mc_fvalue) list;
} ast_values;
typedef struct ast_body ast_body;

/* %a, %b = op operands {attributes} {region} : types loc("...") ; lists are never NULL */
typedef struct ast_stmt {
  mir_span at, op;
  mir_spans *results;
  ast_operands *operands;
  ast_attrs *attrs;
  ast_body *region; /* NULL: none */
  ast_types *types;
  mir_span source; /* the string of loc; empty: none */
} ast_stmt;

struct ast_body {
  mir_span at;
  MC_VEC(ast_stmt *) list;
};

typedef struct ast_param {
  mir_span at, name;
  ast_type *type;
  mir_span source;
} ast_param;

typedef struct ast_params {
  MC_VEC(ast_param) list;
} ast_params;

typedef struct ast_graph {
  mir_span at, name;
  ast_params *params;
  ast_types *results;
  ast_body *body;
} ast_graph;

typedef struct ast_data {
  mir_span at, name;
  ast_type *type;
  mir_spans *strings;
} ast_data;

typedef struct ast_file {
  mir_span weights, calibration; /* empty: none */
  MC_VEC(ast_graph *) graphs;
  MC_VEC(ast_data *) data;
} ast_file;
#endif
