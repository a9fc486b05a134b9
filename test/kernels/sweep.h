/* Small graphs with random constants, compiled and compared with the reference evaluator: what
 * sweep_*.c build and sweep.c runs. */
#ifndef MC_TEST_SWEEP_H
#define MC_TEST_SWEEP_H
#include "mc/ir/build.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct tcase {
  const char *name;
  mc_arena *a;
  mc_diag d;
  mc_module *m;
  mc_graph *g;
  mc_builder b;
  uint64_t seed;
  double tolerance; /* |difference| of f32 results, and of bf16 results but for a last place; 0: bit
                       for bit */
  mc_value *out[16];
  int nout;
  bool kept;  /* its weights can be stored small: counted where they are */
  bool zeros; /* its weights have blocks of zeros: counted where the kernel leaves them out */
  bool winograd, ready; /* with the pass of this name, faster or not; with its option ready */
} tcase;

/* Called by the generators for each case; true when the case is wanted: build it and call
 * sweep_end. */
tcase *sweep_begin(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void sweep_end(tcase *t);
void sweep_products(void);
void sweep_sparse(void);
void sweep_few_bits(void);
extern bool
    sweep_small_weights; /* --small-weights: weights with zeros are kept as bits and values */
/* `n` shapes of each family that no list has: sizes of every order, odd ones too. The same ones
 * each time. */
void sweep_random_products(int n);
void sweep_random_depthwise(int n);
/* A number in [lo, hi], small ones more often, from the sequence that *state is the place in. */
int64_t sweep_size(uint64_t *state, int64_t lo, int64_t hi);
void sweep_depthwise(void);
void sweep_elementwise(void);
void sweep_shapes(void);

/* ---- building ---- */
uint64_t rnd(tcase *t);
int64_t rnd_in(tcase *t, int64_t lo, int64_t hi); /* [lo, hi] */
float rnd_f32(tcase *t, float lo, float hi);
#define DIMS(...)                                                                                  \
  (const int64_t[]) { __VA_ARGS__ }
mc_value *in_f32(tcase *t, int rank, const int64_t *dim);
mc_value *in_real(tcase *t, mc_dtype dtype, int rank, const int64_t *dim); /* f32 or bf16 */
mc_value *in_q(tcase *t, mc_dtype dtype, float scale, int32_t zero, int rank, const int64_t *dim);
mc_value *in_int(tcase *t, mc_dtype dtype, int rank, const int64_t *dim);
mc_value *const_f32(tcase *t, float lo, float hi, int rank, const int64_t *dim);
mc_value *const_real(tcase *t, mc_dtype dtype, float lo, float hi, int rank, const int64_t *dim);
/* i8 weights in [-127, 127], extremes often; per axis 0 or per tensor. */
mc_value *const_w8(tcase *t, bool per_axis, int rank, const int64_t *dim);
mc_value *const_i32(tcase *t, int64_t lo, int64_t hi, int64_t n);
mc_value *const_q(tcase *t, mc_dtype dtype, float scale, int32_t zero, int rank,
                  const int64_t *dim);
/* The accumulator type of a product of x and w with the channels on axis `axis` of `dims`. */
const mc_type *acc_type(tcase *t, const mc_value *x, const mc_value *w, int axis);
mc_value *op1(tcase *t, mc_opcode op, mc_value *x, const void *attrs);
mc_value *op2(tcase *t, mc_opcode op, mc_value *x, mc_value *y, const void *attrs);
mc_value *as_q(tcase *t, mc_opcode op, mc_value *x, const void *attrs, mc_dtype dtype, float scale,
               int32_t zero);
mc_value *op2_q(tcase *t, mc_opcode op, mc_value *x, mc_value *y, mc_dtype dtype, float scale,
                int32_t zero);
/* ops with a result of this plain type */
mc_value *op1_as(tcase *t, mc_opcode op, mc_value *x, const void *attrs, mc_dtype dtype);
mc_value *op2_as(tcase *t, mc_opcode op, mc_value *x, mc_value *y, const void *attrs,
                 mc_dtype dtype);

static inline bool is_real(const mc_value *v) {
  return v->type->dtype == MC_f32 || v->type->dtype == MC_bf16;
}

/* requantize to a scale that uses the range of sums of `k` products. */
mc_value *requant(tcase *t, mc_value *acc, int64_t k, mc_dtype dtype, int rounding);
mc_ints ints(tcase *t, int n, const int64_t *v);
void result(tcase *t, mc_value *v);

/* ---- shares of a group's work (sweep_shares.c) ---- */
/* The memory that a compiled graph writes, and what was found. */
typedef struct shares {
  const char *name;

  struct {
    unsigned char *p;
    size_t n;
  } part[17];

  int n, calls;
  int64_t overlaps;
} shares;

void shares_add(shares *s, void *p, size_t n);
/* An mc_parallel_for; ctx: the shares. */
void shares_run(void *ctx, int ntasks, void (*task)(void *arg, int i), void *arg);
#endif
