#include "mc/ir/op.h"
#include <string.h>

#define MC_ENUM(id, doc) const char *const mc_names_##id[] = {
#define MC_CASE(id, c, word, doc) word,
#define MC_ENUM_END(id)                                                                            \
  NULL                                                                                             \
  }                                                                                                \
  ;
#include "mc/ir/enums.def"

#define MC_OP(id, lo, hi, outs, traits, doc) static const mc_field attrs_##id[] = {
#define MC_ATTR(op, name, KIND, dflt, doc)                                                         \
  { #name, MC_F_##KIND, 1, offsetof(mc_attrs_##op, name), dflt, NULL, doc },
#define MC_ATTRN(op, name, KIND, count, dflt, doc)                                                 \
  { #name, MC_F_##KIND, count, offsetof(mc_attrs_##op, name), dflt, NULL, doc },
#define MC_ATTRE(op, name, enm, dflt, doc)                                                         \
  { #name, MC_F_ENUM, 1, offsetof(mc_attrs_##op, name), dflt, mc_names_##enm, doc },
#define MC_ATTRQ(op, name, list, dflt, doc)                                                        \
  { #name, MC_F_QUOTED, 1, offsetof(mc_attrs_##op, name), dflt, mc_names_##list, doc },
#define MC_OP_END(id)                                                                              \
  {                                                                                                \
    NULL, MC_F_I64, 0, 0, NULL, NULL, NULL                                                         \
  }                                                                                                \
  }                                                                                                \
  ;
#include "mc/ir/ops.def"

#define MC_OP(id, lo, hi, outs, traits, doc) static const mc_op_doc ins_##id[] = {
#define MC_IN(op, name, doc) { #name, doc },
#define MC_OP_END(id)                                                                              \
  {                                                                                                \
    NULL, NULL                                                                                     \
  }                                                                                                \
  }                                                                                                \
  ;
#include "mc/ir/ops.def"

#define MC_OP(id, lo, hi, outs, traits, doc) static const char out_doc_##id[] = ""
#define MC_OUT(op, doc) doc
#define MC_OP_END(id) ;
#include "mc/ir/ops.def"

enum { /* the words of the traits column */
       ELEM = MC_T_ELEM,
       UNARY = MC_T_UNARY,
       BINARY = MC_T_BINARY,
       ACCUM = MC_T_ACCUM,
       MOVE = MC_T_MOVE,
       REDUCE = MC_T_REDUCE,
       QFORM = MC_T_QFORM,
       LEAF = MC_T_LEAF,
       CONST = MC_T_CONST,
       TERM = MC_T_TERM,
       CHOSEN = MC_T_CHOSEN,
       REGION = MC_T_REGION,
       INTS = MC_T_INTS,
       QPROD = MC_T_QPROD,
       ZERO = MC_T_ZERO,
       TINY = MC_T_TINY,
       COMPARE = MC_T_COMPARE
};

/* The rows of elementwise ops name their functions: as many rows as traits say. */
enum {
  ELEM_TRAITS = 0

#define MC_OP(id, lo, hi, outs, traits, doc) +(((traits) & ELEM) != 0)
#include "mc/ir/ops.def"
  ,
  ELEM_ROWS = 0
#define MC_UNARY(id) +1
#define MC_BINARY(id, ints) +1
#define MC_ELEMENT(id) +1
#include "mc/ir/ops.def"
};
_Static_assert((int)ELEM_TRAITS == (int)ELEM_ROWS,
               "ops.def: an ELEM op is one of MC_UNARY, MC_BINARY, MC_ELEMENT");

/* Each op has one row of each of these: a forgotten one is an undeclared name here, a second one a
 * name that is declared twice. */
enum {

#define MC_ROUTE(op, family, channels) ROUTE_OF_##op,
#include "mc/ir/ops.def"
  NROUTES
};

enum {

#define MC_COST(op, units, ops, model, vectors) COST_OF_##op,
#include "mc/ir/ops.def"
  NCOSTS
};

enum {

#define MC_FOLLOW(op, flip, flow, cut) FOLLOW_OF_##op,
#include "mc/ir/ops.def"
  NFOLLOWS
};

enum {

#define MC_QUANT(op, fit, range, factor, noise) QUANT_OF_##op,
#include "mc/ir/ops.def"
  NQUANTS
};

enum {

#define MC_OP(id, lo, hi, outs, traits, doc)                                                       \
  ROUTED_##id = ROUTE_OF_##id, COSTED_##id = COST_OF_##id, FOLLOWED_##id = FOLLOW_OF_##id,         \
  QUANTIZED_##id = QUANT_OF_##id,
#include "mc/ir/ops.def"
};
_Static_assert((int)NROUTES == (int)MC_NUM_OPS && (int)NCOSTS == (int)MC_NUM_OPS &&
                   (int)NFOLLOWS == (int)MC_NUM_OPS && (int)NQUANTS == (int)MC_NUM_OPS,
               "ops.def: a row of MC_ROUTE ... MC_QUANT of an op that there is not");

const mc_op_info mc_ops[MC_NUM_OPS] = {
#define MC_OP(id, lo, hi, outs, traits, doc)                                                       \
  [MC_OP_##id] = { #id,        lo,       hi,          outs, traits, doc, sizeof(mc_attrs_##id),    \
                   attrs_##id, ins_##id, out_doc_##id },
#include "mc/ir/ops.def"
};

bool mc_op_from_text(const char *text, mc_opcode *out) {
  for (int i = 0; i < MC_NUM_OPS; i++)
    if (strcmp(mc_ops[i].text, text) == 0) return *out = (mc_opcode)i, true;
  return false;
}

void *mc_op_attr(mc_opcode op, void *attrs, const char *name) {
  const mc_field *f = mc_field_find(mc_ops[op].attrs, name);
  return f ? (char *)attrs + f->offset : NULL;
}
