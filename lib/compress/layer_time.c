/* The estimated time of a layer in an object, from its weights as they are now. Kernels leave out
 * blocks of zero weights (docs/internals/zero-weights.md), and an INT8 weight is zero
 * where it rounds to zero: a channel that training has left with weights of 1e-9 costs MACs and no
 * time. */
#include "layer_time.h"
#include <math.h>
#include <string.h>

/* A node whose weights are what mcc would store. */
typedef struct stored {
  mc_node node, weight;
  mc_value *in[3], value;
  mc_attrs_weight attrs;
  mc_tensor tensor;
} stored;

static bool rounds(const mc_node *n, mc_arith how) {
  const mc_tensor *t = mc_value_tensor(n->in[1]);
  bool rows = n->op == MC_OP_conv2d || n->op == MC_OP_linear;
  return how == MC_ARITH_int8 && rows && t && t->dtype == MC_f32 && t->rank > 1 && n->nin <= 3;
}

/* Symmetric, with a scale for each output channel that is large enough for its bias, as
 * lib/quant/params.c has it: |bias| / (scale of the input * scale) stays below 2^30. The scale of
 * the input is not known; 1/16 stands for it, for rows of 1e-9 and less are what matters. */
static void round_rows(const float *w, const float *bias, int64_t rows, int64_t k, int8_t *q) {
  for (int64_t o = 0; o < rows; o++) {
    float most = 0;
    for (int64_t i = 0; i < k; i++) most = fmaxf(most, fabsf(w[o * k + i]));
    float scale = fmaxf(most / 127, bias ? fabsf(bias[o]) * 0x1p-26f : 0);
    if (!(scale > 1e-30f)) scale = 1;
    for (int64_t i = 0; i < k; i++) q[o * k + i] = (int8_t)lrintf(w[o * k + i] / scale);
  }
}

static const mc_node *as_stored(const mc_node *n, stored *s, mc_arena *a) {
  const mc_tensor *t = mc_value_tensor(n->in[1]);
  int64_t elems = mc_tensor_elems(t);
  int8_t *q = mc_arena_alloc(a, (size_t)elems);
  const mc_tensor *b = n->nin > 2 ? mc_value_tensor(n->in[2]) : NULL;
  bool fits = b && b->dtype == MC_f32 && mc_tensor_elems(b) == t->dim[0];
  round_rows(t->data, fits ? b->data : NULL, t->dim[0], elems / t->dim[0], q);
  s->tensor = *t;
  s->tensor.dtype = MC_i8, s->tensor.data = q, s->tensor.size = (size_t)elems;
  s->attrs = (mc_attrs_weight){ .name = &s->tensor };
  s->weight = (mc_node){ .op = MC_OP_weight, .attrs = &s->attrs };
  s->value = *n->in[1];
  s->value.def = &s->weight;
  memcpy(s->in, n->in, sizeof *s->in * (size_t)n->nin);
  s->in[1] = &s->value;
  s->node = *n;
  s->node.in = s->in;
  return &s->node;
}

static double cycles(const mc_node *n, mc_arith how, const mc_target *t, int64_t weights) {
  mc_node alone = *n;
  mc_value out = *n->out[0], *outs[1] = { &out };
  out.uses = NULL;
  alone.out = outs;
  return mc_model_layer(&alone, how, t, weights).cycles;
}

double mc_layer_cycles(const mc_node *n, mc_arith how, const mc_target *t, int64_t weights) {
  if (!rounds(n, how)) return cycles(n, how, t, weights);
  mc_arena *a = mc_arena_create();
  stored s;
  double x = cycles(as_stored(n, &s, a), how, t, weights);
  mc_arena_destroy(a);
  return x;
}

double mc_layer_cycles_dense(const mc_node *n, mc_arith how, const mc_target *t, int64_t weights) {
  mc_arena *a = mc_arena_create();
  double x = cycles(n, how, mc_target_sparse(t, MC_SPARSE_OFF, a), weights);
  mc_arena_destroy(a);
  return x;
}
