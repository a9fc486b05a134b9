/* Constants of removed channels go on living in the layers that read them.
 *
 * A layer without a border adds w c to every result, which is a bias. Where a border of zeros is
 * seen (padding, transposed convolutions) the sum is another one there: then one constant channel
 * stays, and takes the weights of the others along, each times its constant over the one that
 * stays: exact at the border too. What is fixed but not constant (a constant after a padded
 * depthwise convolution) cannot move: its channel stays. */
#include "steady.h"
#include "mc/ir/build.h"
#include <math.h>

/* The layers that read channels away: not depthwise ones, whose channels go through. */
static bool reads(const mc_node *n) {
  if (n->op != MC_OP_conv2d && n->op != MC_OP_conv_transpose2d && n->op != MC_OP_linear)
    return false;
  return mc_value_tensor(n->in[1]) && n->in[1]->type->dtype == MC_f32 && !mc_is_depthwise(n);
}

static bool has_border(const mc_node *n) {
  if (n->op != MC_OP_conv2d) return n->op == MC_OP_conv_transpose2d;
  const int64_t *p = MC_ATTRS(n, conv2d)->pad;
  return p[0] || p[1] || p[2] || p[3];
}

static int64_t channels_of(const mc_value *v) { return v->type->dim[v->type->rank - 1]; }

static bool removed(const mc_channels *ch, const bool *keep, const mc_value *v, int64_t c) {
  int k = mc_channels_class(ch, v, c);
  return k >= 0 && !keep[k];
}

/* Channels that one matrix of a layer reads: all, or those of a group. */
typedef struct range {
  int64_t from, to;
} range;

static range group_of(const mc_node *n, int64_t c) {
  int64_t per = channels_of(n->in[1]);
  return (range){ c / per * per, c / per * per + per };
}

/* The constant that takes others along: the largest that stays; -1: none. `all`: also of those that
 * would go. */
static int64_t carrier(const steady *s, const mc_channels *ch, const bool *keep, const mc_value *v,
                       range r, bool all) {
  int64_t best = -1;
  float most = 0, x;
  for (int64_t c = r.from; c < r.to; c++)
    if (mc_steady_channel(s, v, c, &x) == STEADY_CONSTANT && fabsf(x) > most &&
        (all || !removed(ch, keep, v, c)))
      best = c, most = fabsf(x);
  return best;
}

static bool keep_channel(const mc_channels *ch, bool *keep, const mc_value *v, int64_t c) {
  int k = mc_channels_class(ch, v, c);
  bool changed = !keep[k];
  keep[k] = true;
  return changed;
}

static bool keep_range(const steady *s, const mc_node *n, const mc_channels *ch, bool *keep,
                       range r) {
  const mc_value *v = n->in[0];
  bool changed = false, carries = false;
  for (int64_t c = r.from; c < r.to; c++) {
    float x;
    steady_kind kind = mc_steady_channel(s, v, c, &x);
    if (!removed(ch, keep, v, c) || kind == STEADY_NO) continue;
    bool other = n->nin > 2 && !mc_value_tensor(n->in[2]); /* a bias that is computed */
    if (kind == STEADY_PATTERN || (other && x != 0))
      changed |= keep_channel(ch, keep, v, c);
    else
      carries |= x != 0 && has_border(n);
  }
  if (carries && carrier(s, ch, keep, v, r, false) < 0)
    changed |= keep_channel(ch, keep, v, carrier(s, ch, keep, v, r, true));
  return changed;
}

/* A group that goes as a whole takes what it makes along. */
static bool goes(const mc_node *n, const mc_channels *ch, const bool *keep, int64_t c) {
  int k = mc_channels_conv_group(ch, n, c / channels_of(n->in[1]));
  return k >= 0 && !keep[k];
}

static bool keep_for(const steady *s, const mc_node *n, const mc_channels *ch, bool *keep) {
  bool changed = false;
  for (int64_t c = 0; c < channels_of(n->in[0]); c += channels_of(n->in[1]))
    if (!goes(n, ch, keep, c)) changed |= keep_range(s, n, ch, keep, group_of(n, c));
  return changed;
}

/* A product of two computed values has no bias. */
static bool keep_factors(const steady *s, const mc_node *n, const mc_channels *ch, bool *keep) {
  bool changed = false;
  for (int slot = 0; slot < 1 + MC_ATTRS(n, matmul)->transpose_b; slot++) {
    const mc_value *v = n->in[slot];
    for (int64_t c = 0; c < channels_of(v); c++) {
      float x;
      steady_kind kind = mc_steady_channel(s, v, c, &x);
      if (removed(ch, keep, v, c) &&
          (kind == STEADY_PATTERN || (kind == STEADY_CONSTANT && x != 0)))
        changed |= keep_channel(ch, keep, v, c);
    }
  }
  return changed;
}

/* A result is filled with one number for each channel (mc_steady_fill). */
static bool keep_results(const steady *s, const mc_node *n, const mc_channels *ch, bool *keep) {
  bool changed = false;
  for (int i = 0; i < n->nin; i++)
    for (int64_t c = 0; n->in[i]->type->rank && c < channels_of(n->in[i]); c++) {
      float x;
      if (removed(ch, keep, n->in[i], c) && mc_steady_channel(s, n->in[i], c, &x) == STEADY_PATTERN)
        changed |= keep_channel(ch, keep, n->in[i], c);
    }
  return changed;
}

bool mc_steady_keep(const steady *s, const mc_channels *ch, bool *keep) {
  bool changed = false;
  if (!s->any) return false;
  MC_FOR_NODES (n, s->g) {
    if (reads(n)) changed |= keep_for(s, n, ch, keep);
    if (n->op == MC_OP_return) changed |= keep_results(s, n, ch, keep);
    if (n->op == MC_OP_matmul) changed |= keep_factors(s, n, ch, keep);
  }
  return changed;
}

/* ---- moving ---- */

static mc_value *constant(mc_node *n, const mc_value *like, const char *name, int rank,
                          const int64_t *dim, const double *x, mc_diag *d) {
  const mc_tensor *t = like ? mc_value_tensor(like) : NULL;
  mc_module *m = n->graph->module;
  void *p;
  mc_tensor *r = mc_tensor_create(m, t ? t->name : name, MC_f32, rank, dim, &p);
  for (int64_t i = 0, k = mc_tensor_elems(r); i < k; i++) ((float *)p)[i] = (float)x[i];
  mc_builder b = { .graph = n->graph, .before = n, .diag = d, .loc = n->loc };
  return mc_build_tensor(&b, r, NULL);
}

typedef struct moved {
  double *weight, *bias;
  bool weights, biases;
} moved;

/* What removing channel c adds: to the weights of channel `to`, or to the bias. */
static void move_channel(moved *m, const mc_node *n, int64_t c, float x, int64_t to, float to_x) {
  const float *w = mc_value_tensor(n->in[1])->data;
  int64_t rows = n->in[1]->type->dim[0], k = mc_type_elems(n->in[1]->type) / rows,
          per = channels_of(n->in[1]), each = rows / (channels_of(n->in[0]) / per);
  for (int64_t o = c / per * each; o < (c / per + 1) * each; o++)
    for (int64_t i = c % per; i < k; i += per) {
      double part = (double)w[o * k + i] * (double)x;
      if (to >= 0)
        m->weight[o * k + i - c + to] += part / (double)to_x;
      else
        m->bias[o] += part;
    }
  m->weights |= to >= 0;
  m->biases |= to < 0;
}

static const char *bias_name(const mc_node *n, mc_arena *a) {
  const char *w = mc_value_tensor(n->in[1])->name;
  return w ? mc_arena_printf(a, "%s.bias", w) : NULL;
}

static bool rewrite(const steady *s, mc_node *n, const moved *m, mc_diag *d) {
  const mc_type *wt = n->in[1]->type;
  if (m->weights) {
    mc_value *w = constant(n, n->in[1], NULL, wt->rank, wt->dim, m->weight, d);
    if (!w) return false;
    mc_node_set_in(n, 1, w);
  }
  if (!m->biases) return true;
  mc_value *b =
      constant(n, n->nin > 2 ? n->in[2] : NULL, bias_name(n, s->a), 1, wt->dim, m->bias, d);
  if (b) mc_node_set_nin(n, (mc_value *[]){ n->in[0], n->in[1], b }, 3);
  return b != NULL;
}

static void fold_group(const steady *s, const mc_node *n, const mc_channels *ch, const bool *keep,
                       range r, moved *m) {
  const mc_value *v = n->in[0];
  int64_t to = has_border(n) ? carrier(s, ch, keep, v, r, false) : -1;
  float x, to_x = 0;
  if (to >= 0) mc_steady_channel(s, v, to, &to_x);
  for (int64_t c = r.from; c < r.to; c++)
    if (removed(ch, keep, v, c) && mc_steady_channel(s, v, c, &x) == STEADY_CONSTANT && x != 0)
      move_channel(m, n, c, x, to, to_x);
}

static bool fold_into(const steady *s, mc_node *n, const mc_channels *ch, const bool *keep,
                      mc_diag *d) {
  const float *w = mc_value_tensor(n->in[1])->data,
              *b = n->nin > 2 ? mc_value_tensor(n->in[2])->data : NULL;
  int64_t count = mc_type_elems(n->in[1]->type), rows = n->in[1]->type->dim[0];
  moved m = { .weight = MC_NEWN(s->a, double, count), .bias = MC_NEWN(s->a, double, rows) };
  for (int64_t i = 0; i < count; i++) m.weight[i] = (double)w[i];
  for (int64_t i = 0; i < rows; i++) m.bias[i] = b ? (double)b[i] : 0;
  for (int64_t c = 0; c < channels_of(n->in[0]); c += channels_of(n->in[1]))
    if (!goes(n, ch, keep, c)) fold_group(s, n, ch, keep, group_of(n, c), &m);
  return rewrite(s, n, &m, d);
}

bool mc_steady_fold(const steady *s, const mc_channels *ch, const bool *keep, mc_diag *d) {
  if (!s->any) return true;
  MC_FOR_NODES (n, s->g)
    if (reads(n) && (n->nin < 3 || mc_value_tensor(n->in[2])) && !fold_into(s, n, ch, keep, d))
      return false;
  return true;
}
