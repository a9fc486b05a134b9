/* Graph inputs of plain 8-bit integers that are only read as (q - zero) * scale: the input itself
 * has that type, with the same bytes.
 *
 *   %0 = cast %x : f32[1,4]                         // %x: u8[1,4]
 *   %1 = sub %0, 120.0
 *   %2 = mul %1, 0.04                      // %2 = dequantize %x, and %x: u8<0.04:120>[1,4]
 */
#include "islands.h"
#include <math.h>

typedef struct reading {
  mc_node *move[8];
  int nmove;
  mc_value *real;
  double scale, zero;
} reading;

static bool number_of(const mc_value *v, double *out) {
  const mc_tensor *t = mc_value_tensor(v);
  if (!t || t->dtype != MC_f32 || mc_tensor_elems(t) != 1) return false;
  *out = (double)*(const float *)t->data;
  return true;
}

/* One step of arithmetic with a number. */
static bool arithmetic(reading *r, const mc_node *n) {
  double k;
  bool left = number_of(n->in[0], &k), right = !left && n->nin == 2 && number_of(n->in[1], &k);
  if ((!left && !right) || !mc_type_same_shape(n->out[0]->type, r->real->type)) return false;
  switch (n->op) {
  case MC_OP_mul: r->scale *= k; break;
  case MC_OP_add: r->zero -= k / r->scale; break;
  case MC_OP_sub: r->zero += k / r->scale; break;
  case MC_OP_div: r->scale /= k; break;
  default: return false;
  }
  return (right || n->op == MC_OP_mul || n->op == MC_OP_add) && r->scale > 0 && isfinite(r->scale);
}

static bool plain_move(const mc_node *n) {
  return n->op == MC_OP_reshape || n->op == MC_OP_transpose || n->op == MC_OP_slice;
}

/* How the input is read, when one way is all. */
static bool read_once(mc_value *input, reading *r) {
  mc_value *v = input;
  mc_node *n = mc_value_single_user(v);
  for (; n && plain_move(n) && r->nmove < 8; n = mc_value_single_user(v))
    r->move[r->nmove++] = n, v = n->out[0];
  if (!n || n->op != MC_OP_cast || n->out[0]->type->dtype != MC_f32) return false;
  r->real = n->out[0];
  r->scale = 1;
  while ((n = mc_value_single_user(r->real)) && n->nin == 2 && arithmetic(r, n))
    r->real = n->out[0];
  return true;
}

static void refused(islands *s, const mc_value *input) {
  mc_error(s->cx->diag, input->loc, "from-qdq: input %s cannot be read as %s; please report it",
           input->name ? input->name : "", mc_dtype_names[input->type->dtype]);
  s->failed = true;
}

void islands_adopt(islands *s, mc_value *input) {
  reading r = { .nmove = 0 };
  mc_type t = *input->type;
  int64_t lo, hi;
  if ((t.dtype != MC_u8 && t.dtype != MC_i8) || mc_type_is_quant(&t) || !read_once(input, &r))
    return;
  mc_dtype_range(t.dtype, &lo, &hi);
  double zero = rint(r.zero);
  float scale = (float)r.scale;
  if (zero < (double)lo || zero > (double)hi || fabs(zero - r.zero) > 1e-4 || !(scale > 0) ||
      !isfinite(scale))
    return;
  t.q = (mc_quant){ .kind = MC_Q_TENSOR, .scale = scale, .zero = (int32_t)zero };
  mc_node *at = r.real->def;
  input->type = mc_type_intern(s->cx->module, &t);
  mc_value *q = input;
  for (int i = 0; i < r.nmove; i++) {
    mc_node *c = islands_build(s, at, r.move[i], r.move[i]->op, &q, 1, r.move[i]->attrs, NULL);
    if (!c) {
      refused(s, input);
      return;
    }
    q = c->out[0];
  }
  mc_node *d = islands_build(s, at, at, MC_OP_dequantize, &q, 1, NULL, NULL);
  if (!d) {
    refused(s, input);
    return;
  }
  for (mc_value *v = r.real; v != input;) { /* the old way goes, last first */
    mc_node *n = v->def;
    v = number_of(n->in[0], &(double){ 0 }) ? n->in[1] : n->in[0];
    if (n->out[0] == r.real) mc_value_replace(r.real, d->out[0]);
    mc_node_remove(n);
  }
}
