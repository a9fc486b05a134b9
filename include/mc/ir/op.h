/* What ops.def says, as C: opcodes, attribute structs, the table. */
#ifndef MC_IR_OP_H
#define MC_IR_OP_H
#include "mc/support/field.h"

typedef enum mc_opcode {

#define MC_OP(id, lo, hi, outs, traits, doc) MC_OP_##id,
#include "mc/ir/ops.def"
  MC_NUM_OPS
} mc_opcode;

/* mc_e_rounding: mc_rounding_fp32_rne, mc_rounding_single, ... and mc_names_rounding[] */
#define MC_ENUM(id, doc) typedef enum mc_e_##id {
#define MC_CASE(id, c, word, doc) mc_##id##_##c,
#define MC_ENUM_END(id)                                                                            \
  mc_##id##_count_                                                                                 \
  }                                                                                                \
  mc_e_##id;                                                                                       \
  extern const char *const mc_names_##id[mc_##id##_count_ + 1];
#include "mc/ir/enums.def"
extern const char *const mc_names_family[]; /* mc_family (family.h) */
extern const char *const mc_names_form[];   /* mc_kernel_form */

enum {
  MC_T_ELEM = 1,
  MC_T_UNARY = 2,
  MC_T_BINARY = 4,
  MC_T_ACCUM = 8,
  MC_T_MOVE = 16,
  MC_T_REDUCE = 32,
  MC_T_QFORM = 64,
  MC_T_LEAF = 128,
  MC_T_CONST = 256,
  MC_T_TERM = 512,
  MC_T_CHOSEN = 1024,
  MC_T_REGION = 2048,
  MC_T_INTS = 4096,
  MC_T_QPROD = 8192,
  /* of passes, not of the language */
  MC_T_ZERO = 16384,
  MC_T_TINY = 32768,
  MC_T_COMPARE = 65536
};

/* Products of two numbers of up to 255 that a 32-bit sum holds. MC_NORM_MOST: elements of u8 or i8
 * that one layer_norm takes, whose squares it adds. */
enum { MC_SUM_MOST = 33000, MC_NORM_MOST = MC_SUM_MOST };

/* struct mc_attrs_conv2d { int64_t stride[2]; ...; int64_t groups; ... } */
#define MC_OP(id, lo, hi, outs, traits, doc) typedef struct mc_attrs_##id {
#define MC_ATTR(op, name, KIND, dflt, doc) mc_field_##KIND name;
#define MC_ATTRN(op, name, KIND, count, dflt, doc) mc_field_##KIND name[count];
#define MC_ATTRE(op, name, enm, dflt, doc) mc_field_ENUM name;
#define MC_ATTRQ(op, name, list, dflt, doc) mc_field_QUOTED name;
#define MC_OP_END(id)                                                                              \
  char end_;                                                                                       \
  }                                                                                                \
  mc_attrs_##id;
#include "mc/ir/ops.def"

typedef struct mc_op_doc {
  const char *name, *doc;
} mc_op_doc;

typedef struct mc_op_info {
  const char *text;         /* "conv2d" */
  int in_min, in_max, outs; /* -1: any number */
  unsigned traits;
  const char *summary;
  size_t attrs_size;
  const mc_field *attrs; /* ends with a NULL name */
  const mc_op_doc *ins;  /* ends with a NULL name */
  const char *out_doc;
} mc_op_info;

extern const mc_op_info mc_ops[MC_NUM_OPS];
bool mc_op_from_text(const char *text, mc_opcode *out);
/* The member `name` of attrs, a struct of mc_attrs_<op> (of the type mc_field_<KIND>); NULL: the op
 * has no such attribute. */
void *mc_op_attr(mc_opcode op, void *attrs, const char *name);

static inline bool mc_op_has(mc_opcode op, unsigned trait) {
  return (mc_ops[op].traits & trait) != 0;
}
#endif
