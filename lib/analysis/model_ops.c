/* Vector instructions of ops that have no engine: the numbers of ops.def (MC_COST), and the
 * functions that its rows name. docs/internals/cost-model.md. */
#include "mc/ir/graph.h"
#include "model.h"

/* ---- by the rows' names: `n` is the row's number, elems and results those of the op that heads a
 * group, in elements of its first operand and of what the group returns ---- */

/* Products are nests (model.c); constants and groups are not computed. */
static double vectors_none(const mc_node *head, double n, double elems, double results) {
  (void)head, (void)n, (void)elems, (void)results;
  return 0;
}

static double vectors_results(const mc_node *head, double n, double elems, double results) {
  (void)head, (void)elems;
  return results / 16 * n;
}

static double vectors_operands(const mc_node *head, double n, double elems, double results) {
  (void)head, (void)results;
  return elems / 16 * n;
}

/* Bytes: exponentials are read from a table. */
static double vectors_softmax(const mc_node *head, double n, double elems, double results) {
  return vectors_operands(head, mc_type_is_quant(head->in[0]->type) ? 12 : n, elems, results);
}

static double element_bytes(const mc_node *head) {
  return (double)mc_dtype_size(head->in[0]->type->dtype);
}

static double window(const int64_t *kernel) { return (double)(kernel[0] * kernel[1]); }

/* Bytes are taken a register at a time: a quarter of the work. */
static double vectors_max_pool(const mc_node *head, double n, double elems, double results) {
  (void)elems;
  return results / 16 * n * element_bytes(head) * window(MC_ATTRS(head, max_pool)->kernel);
}

static double vectors_avg_pool(const mc_node *head, double n, double elems, double results) {
  (void)elems;
  return results / 16 * n * window(MC_ATTRS(head, avg_pool)->kernel);
}

static double vectors_global_avg_pool(const mc_node *head, double n, double elems, double results) {
  return vectors_operands(head, element_bytes(head) == 1 ? n / 2 : n, elems, results);
}

/* Bilinear: n for each row of the input, which is widened and mixed once, and 10 for each of the
 * result. */
static double vectors_resize(const mc_node *head, double n, double elems, double results) {
  (void)elems;
  const mc_type *x = head->in[0]->type, *y = head->out[0]->type;
  if (MC_ATTRS(head, resize)->mode != mc_resize_bilinear) return results / 16 * 4;
  return results / 16 * (10 + n * (double)x->dim[1] / (double)y->dim[1]);
}

/* Rows move as they are, with a loop around each; up to four planes are interleaved 16 elements at
 * a time; all else goes in small tiles. */
static double vectors_transpose(const mc_node *head, double n, double elems, double results) {
  (void)results;
  const mc_type *x = head->in[0]->type, *y = head->out[0]->type;
  const mc_ints *perm = &MC_ATTRS(head, transpose)->perm;
  if (perm->v[perm->n - 1] == perm->n - 1)
    return elems / 16 * n + 40 * elems / (double)x->dim[x->rank - 1];
  return x->rank == 4 && y->dim[3] <= 4 ? elems / 4 : elems;
}

static const struct {
  double (*of)(const mc_node *head, double n, double elems, double results);
  double n;
} vectors[MC_NUM_OPS] = {

#define MC_COST(op, units, ops, model, number) [MC_OP_##op] = { vectors_##model, number },
#include "mc/ir/ops.def"
};

double model_vectors(mc_opcode op) { return vectors[op].n; }

double model_head_ops(const mc_node *head, double elems, double results) {
  return vectors[head->op].of(head, vectors[head->op].n, elems, results);
}

/* ---- elementwise ops in an epilogue or a map ---- */

enum { TABLE_OPS = 24, PERMUTED_OPS = 3 }; /* 16 of 256 entries: read, and by permuting bytes */

double model_table_ops(const mc_target *t) {
  return t->isa & MC_ISA_BIT(avx512vbmi) ? PERMUTED_OPS : TABLE_OPS;
}

double mc_model_vector_ops(const mc_node *n, const mc_target *t) {
  if (n->nin == 0 || mc_op_has(n->op, MC_T_CONST | MC_T_TERM)) return 0;
  if (!mc_op_has(n->op, MC_T_ELEM)) return LOAD_OPS; /* moves results that are in registers */
  bool bytes = mc_type_is_quant(n->in[0]->type) && n->in[0]->type->dtype != MC_i32;
  if (n->op == MC_OP_requantize || n->op == MC_OP_quantize || n->op == MC_OP_dequantize)
    return model_vectors(n->op);
  if (bytes && mc_op_has(n->op, MC_T_UNARY)) return model_table_ops(t);
  if (!bytes) return model_vectors(n->op) + (n->nin > 1 ? LOAD_OPS : 0);
  return model_vectors(n->op) + (n->nin - 1) * WIDEN_OPS + 1 +
         model_vectors(MC_OP_requantize); /* one operand is in registers already */
}
