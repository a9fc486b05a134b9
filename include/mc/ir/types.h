/* Element types, shapes, quantization. Types are interned per module: equal types are the same
 * pointer. */
#ifndef MC_IR_TYPES_H
#define MC_IR_TYPES_H
#include "mc/support/arena.h"
#include "mc/support/strbuf.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum mc_dtype {

#define MC_DTYPE(id, text, bytes, kind, st, np) MC_##id,
#include "mc/ir/dtypes.def"
  MC_NUM_DTYPES
} mc_dtype;
extern const char *const mc_dtype_names[MC_NUM_DTYPES + 1]; /* "f32", ..., NULL */
size_t mc_dtype_size(mc_dtype t);                           /* bytes */
const char *mc_dtype_st_name(mc_dtype t);                   /* "F32" */
const char *mc_dtype_np_descr(mc_dtype t);                  /* "<f4", or NULL */
bool mc_dtype_from_st(const char *name, mc_dtype *out);
bool mc_dtype_is_float(mc_dtype t);
bool mc_dtype_is_int(mc_dtype t); /* i8 u8 i16 i32 i64 */
/* Smallest and largest value of an integer type that quantization uses (i8, u8, i16, i32). */
void mc_dtype_range(mc_dtype t, int64_t *lo, int64_t *hi);

enum { MC_MAX_RANK = 8 };
struct mc_tensor;

typedef enum mc_quant_kind { MC_Q_NONE, MC_Q_TENSOR, MC_Q_AXIS } mc_quant_kind;

/* real = (q - zero) * scale. TENSOR: scale > 0 finite, zero representable. AXIS: one scale per
 * index of `axis` in the named f32 tensor `scales`, zero = 0. */
typedef struct mc_quant {
  mc_quant_kind kind;
  float scale;
  int32_t zero;
  int axis;
  struct mc_tensor *scales;
} mc_quant;

typedef struct mc_type {
  mc_dtype dtype;
  int rank;
  int64_t dim[MC_MAX_RANK];
  mc_quant q;
} mc_type;

/* Elements; dims are checked against overflow when a type is made, so the products below cannot
 * overflow. A rank-0 type has 1. */
int64_t mc_type_elems(const mc_type *t);
int64_t mc_type_bytes(const mc_type *t); /* dense, row-major */
bool mc_type_is_quant(const mc_type *t);
bool mc_type_same_shape(const mc_type *a, const mc_type *b);
/* Scale of index c along q.axis (or the tensor's scale). */
float mc_type_scale(const mc_type *t, int64_t c);
/* sign and name; names that are not words of the language are quoted: @w0, %"a b" */
void mc_name_print(mc_strbuf *out, char sign, const char *name);
/* "u8<0.02:128>[1,32,32,16]" */
void mc_type_print(mc_strbuf *out, const mc_type *t);
#endif
