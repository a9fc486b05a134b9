/* Counting what stays. */
#include "compress.h"

int64_t mc_channels_kept_axis(const mc_channels *ch, const mc_value *v, int axis,
                              const bool *keep) {
  int64_t n = 0, all = v->type->dim[axis];
  if (!keep || mc_channels_axis(ch, v, axis, 0) < 0) return all;
  for (int64_t i = 0; i < all; i++) n += keep[mc_channels_axis(ch, v, axis, i)];
  return n;
}

int64_t mc_channels_kept(const mc_channels *ch, const mc_value *v, const bool *keep) {
  return v->type->rank ? mc_channels_kept_axis(ch, v, v->type->rank - 1, keep) : 1;
}

static double kept_elems(const mc_channels *ch, const mc_value *v, const bool *keep) {
  double n = 1;
  for (int i = 0; i < v->type->rank; i++) n *= (double)mc_channels_kept_axis(ch, v, i, keep);
  return n;
}

static double kept_groups(const mc_channels *ch, const mc_node *n, int64_t groups,
                          const bool *keep) {
  int64_t left = 0;
  for (int64_t i = 0; i < groups; i++) {
    int k = mc_channels_conv_group(ch, n, i);
    left += !keep || k < 0 || keep[k];
  }
  return left ? (double)left : 1;
}

static double macs_of(const mc_channels *ch, const mc_node *n, const bool *keep) {
  const mc_type *w = n->in[1]->type;
  const mc_value *x = n->in[0], *y = n->out[0];
  double in = (double)mc_channels_kept(ch, x, keep);
  if (n->op == MC_OP_conv2d)
    return kept_elems(ch, y, keep) * (double)(w->dim[1] * w->dim[2]) * in /
           kept_groups(ch, n, MC_ATTRS(n, conv2d)->groups, keep);
  if (n->op == MC_OP_conv_transpose2d)
    return kept_elems(ch, x, keep) * (double)(w->dim[1] * w->dim[2]) *
           (double)mc_channels_kept(ch, y, keep) /
           kept_groups(ch, n, MC_ATTRS(n, conv_transpose2d)->groups, keep);
  return kept_elems(ch, y, keep) * in; /* linear; matmul reads its k from the last axis of a */
}

double mc_channels_macs(const mc_graph *g, const mc_channels *ch, const bool *keep) {
  double sum = 0;
  MC_FOR_NODES (n, g)
    if (mc_op_has(n->op, MC_T_ACCUM)) sum += macs_of(ch, n, keep);
  return sum;
}

/* ---- no axis is empty ---- */

static bool fill_axis(const mc_channels *ch, const mc_value *v, int axis, bool *keep,
                      const double *score) {
  int best = mc_channels_axis(ch, v, axis, 0);
  if (best < 0) return false;
  for (int64_t i = 0; i < v->type->dim[axis]; i++) {
    int k = mc_channels_axis(ch, v, axis, i);
    if (keep[k]) return false;
    if (score && score[k] > score[best]) best = k;
  }
  return keep[best] = true;
}

bool mc_channels_never_empty(const mc_graph *g, const mc_channels *ch, bool *keep,
                             const double *score) {
  bool changed = false;
  MC_FOR_NODES (n, g)
    for (int i = 0; i < n->nout; i++)
      for (int axis = 0; axis < n->out[i]->type->rank; axis++)
        changed |= fill_axis(ch, n->out[i], axis, keep, score);
  return changed;
}

/* ---- why a layer keeps all ---- */

static const char *why_whole(const mc_channels *ch, const mc_node *n) {
  const mc_value *y = n->out[0];
  for (int64_t i = 0; i < y->type->dim[y->type->rank - 1]; i++) {
    int k = mc_channels_class(ch, y, i);
    if (k < 0 || !ch->cls[k].fixed) return NULL;
  }
  return ch->cls[mc_channels_class(ch, y, 0)].fixed;
}

void mc_channels_remark(const mc_graph *g, const mc_channels *ch, mc_diag *d) {
  MC_FOR_NODES (n, g) {
    const char *why = mc_makes_channels(n) ? why_whole(ch, n) : NULL;
    if (why)
      mc_remark(d, n->loc, "%s%s%s keeps its channels: %s", mc_ops[n->op].text,
                n->source ? " " : "", n->source ? n->source : "", why);
  }
}
