/* Packed weights of a product in the forms of stored.def. A new form is a row there and a file here
 * with two functions. docs/internals/stored-weights.md. */
#ifndef MC_KERNELS_STORED_H
#define MC_KERNELS_STORED_H
#include "gemm.h"

/* Make constants of the object from `panels`: packed B of all groups as the engine reads it,
 * p->b_group bytes for each. Sets p->b (plain: what the nest's addresses count from) and whatever
 * the other function wants in p->kept. Nothing of `panels` is kept. */
typedef void kstored_pack(kgemm *p, const char *panels);
/* The nest comes to a block of nv vectors of columns: emit what unpacks it, and return its address.
 * b: where it would be in plain B; index: its number in the group (p->units_group: of the group).
 */
typedef kvalue kstored_columns(kgemm *p, kvalue b, kvalue index, int nv);

#define MC_STORED(id, text, doc)                                                                   \
  kstored_pack kstored_##id##_pack;                                                                \
  kstored_columns kstored_##id##_columns;
#include "mc/analysis/stored.def"

typedef struct kstored_code {
  kstored_pack *pack;
  kstored_columns *columns;
} kstored_code;

const kstored_code *kstored_code_of(const kgemm *p);

/* ---- unpacked in registers (d.direct) ---- */
/* A block of mr rows by `width` columns, of which nb registers of `lanes` columns exist; `row`:
 * bytes from one row of A to the next. */
typedef struct kdirect {
  kgemm *p;
  int64_t width, row;
  int lanes, nb;
} kdirect;

/* acc[r][j] += all products of the block; a: A of its first row, b: what kstored_columns gave. */
void kdirect_products(const kdirect *d, kvalue a, kvalue b, kvalue *acc);
/* The same by form: f32 of 8 or 16 bits; a code book; 4 bits. */
void kdirect_floats(const kdirect *d, kvalue a, kvalue b, kvalue *acc);
void kdirect_codes(const kdirect *d, kvalue a, kvalue b, kvalue *acc);
void kdirect_nibbles(const kdirect *d, kvalue a, kvalue b, kvalue *acc);
/* Step `step` of A, from a on, for each row of the block. */
void kdirect_a(const kdirect *d, kvalue a, int64_t step, kvalue *av);
/* f32 of each register of the block's columns, from `at` on: p->scales, where there are any. */
void kdirect_scales(const kdirect *d, kvalue *scale);

/* ---- for the files of forms ---- */
/* Where a task's block of columns is unpacked to: mc_stored_task_bytes. */
kvalue kstored_scratch(kgemm *p);

/* Blocks of columns of a group; block q of one starts at this byte of its panel (q is the number of
 * blocks: where the panel ends). */
int64_t kstored_blocks(const kgemm *p);
/* f32 panels as whole numbers [elements] in `a`, and their scales as a constant of the object:
 * [groups][columns, whole vectors]. */
int8_t *kstored_steps(const kgemm *p, const char *panels, mc_arena *a, kvalue *scales);
/* The scales of block `index` of columns; NULL: `scales` is. */
kvalue kstored_scales(const kgemm *p, kvalue scales, kvalue index);
int64_t kstored_start(const kgemm *p, int64_t q);
#endif
