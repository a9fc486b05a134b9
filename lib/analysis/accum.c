#include "mc/analysis/accum.h"

static int64_t add(int64_t a, int64_t b) {
  return __builtin_add_overflow(a, b, &a) ? INT64_MAX : a;
}

static int64_t mul(int64_t a, int64_t b) {
  return __builtin_mul_overflow(a, b, &a) ? INT64_MAX : a;
}

static int64_t magnitude(int64_t v) { return v < 0 ? -v : v; }

/* Largest |q - z| of a type. */
static int64_t reach(const mc_type *t) {
  int64_t lo, hi, z = t->q.kind == MC_Q_TENSOR ? t->q.zero : 0;
  mc_dtype_range(t->dtype, &lo, &hi);
  return z - lo > hi - z ? z - lo : hi - z;
}

/* Sum of |w| over one output channel. */
static int64_t weight_sum(const mc_value *w, int64_t c, int64_t per) {
  const mc_tensor *t = mc_value_tensor(w);
  if (!t || t->dtype != MC_i8) return mul(reach(w->type), per);
  const int8_t *v = (const int8_t *)t->data + c * per;
  int64_t sum = 0;
  for (int64_t i = 0; i < per; i++) sum += magnitude(v[i]);
  return sum;
}

static int64_t bias_of(const mc_node *n, int64_t c) {
  if (n->nin < 3) return 0;
  const mc_tensor *t = mc_value_tensor(n->in[2]);
  return t && t->dtype == MC_i32 ? magnitude(((const int32_t *)t->data)[c]) : reach(n->in[2]->type);
}

static int64_t matmul_bound(const mc_node *n) {
  const mc_type *a = n->in[0]->type;
  return mul(mul(reach(a), reach(n->in[1]->type)), a->dim[a->rank - 1]);
}

int64_t mc_accum_bound(const mc_node *n, int64_t *channel) {
  int64_t worst = 0;
  if (channel) *channel = 0;
  if (!mc_op_has(n->op, MC_T_ACCUM) || !mc_type_is_quant(n->in[0]->type)) return 0;
  if (n->op == MC_OP_matmul) return matmul_bound(n);
  const mc_type *w = n->in[1]->type;
  int64_t per = mc_type_elems(w) / w->dim[0];
  for (int64_t c = 0; c < w->dim[0]; c++) {
    int64_t b = add(mul(reach(n->in[0]->type), weight_sum(n->in[1], c, per)), bias_of(n, c));
    if (b > worst && channel) *channel = c;
    if (b > worst) worst = b;
  }
  return worst;
}

/* Elements that one result adds. */
static int64_t summed(const mc_node *n) {
  if (!n->nin) return 0;
  const mc_type *x = n->in[0]->type;
  if (n->op == MC_OP_avg_pool) {
    const mc_attrs_avg_pool *at = MC_ATTRS(n, avg_pool);
    return mul(at->kernel[0], at->kernel[1]);
  }
  bool sums =
      n->op == MC_OP_global_avg_pool || n->op == MC_OP_reduce_sum || n->op == MC_OP_reduce_mean;
  return sums ? mc_type_elems(x) / mc_type_elems(n->out[0]->type) : 0;
}

int64_t mc_accum_sum_bound(const mc_node *n) {
  int64_t count = summed(n);
  return count && mc_type_is_quant(n->in[0]->type) ? mul(reach(n->in[0]->type), count) : 0;
}

bool mc_accum_sum_fits(const mc_node *n) { return mul(summed(n), 255) <= INT32_MAX; }

static bool check_sum(const mc_node *n, mc_diag *d) {
  int64_t bound = mc_accum_sum_bound(n);
  return bound <= INT32_MAX ||
         mc_error(d, n->loc,
                  "the 32-bit sum of '%s' can reach %lld, which is above 2^31 - 1: it adds %lld "
                  "elements; dequantize its operand",
                  mc_ops[n->op].text, (long long)bound, (long long)summed(n));
}

bool mc_accum_check(const mc_graph *g, mc_diag *d) {
  bool ok = true;
  MC_FOR_NODES (n, g) {
    int64_t c, bound;
    if (n->region && !mc_accum_check(n->region, d)) ok = false;
    if (!check_sum(n, d)) ok = false;
    if ((bound = mc_accum_bound(n, &c)) <= INT32_MAX) continue;
    ok = mc_error(d, n->loc,
                  "the 32-bit accumulator of channel %lld can reach %lld, which is above 2^31 - 1",
                  (long long)c, (long long)bound);
  }
  return ok;
}
