/* fold-bn: what it needs to know of layers, pools and pads. */
#include "foldbn.h"
#include <math.h>
#include <string.h>

static bool no_shift(const affine *f) {
  for (int64_t i = 0; i < f->n; i++)
    if (f->shift[i] != 0) return false;
  return true;
}

static bool rising(const affine *f) {
  for (int64_t i = 0; i < f->n; i++)
    if (!(f->scale[i] > 0)) return false;
  return true;
}

/* What the border v becomes under the map (its inverse); false: not the same number in all
 * channels. */
static bool border(const affine *f, bool inverse, float v, float *to) {
  *to = 0;
  for (int64_t i = 0; i < f->n; i++) {
    if (inverse && f->scale[i] == 0) return false;
    float x = (float)(inverse ? (v - f->shift[i]) / f->scale[i] : v * f->scale[i] + f->shift[i]);
    if (!isfinite(x) || (i && x != *to)) return false;
    *to = x;
  }
  return f->n > 0;
}

bool border_before(const affine *f, float v, float *to) { return border(f, true, v, to); }

static bool pad_commutes(const mc_node *n, const affine *f, bool inverse) {
  const mc_attrs_pad *p = MC_ATTRS(n, pad);
  int last = n->in[0]->type->rank - 1;
  float v;
  if (last < 0 || p->before.v[last] || p->after.v[last]) return false; /* adds channels */
  return p->mode != mc_padmode_constant || border(f, inverse, p->value, &v);
}

/* A reshape that leaves the last axis alone leaves the channels alone. */
static bool keeps_last(const mc_node *n, const affine *f) {
  const mc_type *a = n->in[0]->type, *b = n->out[0]->type;
  return a->rank && b->rank && a->dim[a->rank - 1] == f->n && b->dim[b->rank - 1] == f->n;
}

static bool padded(const int64_t pad[4]) { return pad[0] || pad[1] || pad[2] || pad[3]; }

bool commutes(const mc_node *n, const affine *f, bool inverse) {
  if (n->nout != 1 || n->nin != 1 || !is_f32(n->out[0])) return false;
  switch (n->op) {
  case MC_OP_global_avg_pool:
  case MC_OP_resize: return true;
  case MC_OP_avg_pool:
    return !(padded(MC_ATTRS(n, avg_pool)->pad) && MC_ATTRS(n, avg_pool)->count_pad) || no_shift(f);
  case MC_OP_max_pool:
  case MC_OP_global_max_pool: return rising(f);
  case MC_OP_reshape: return keeps_last(n, f);
  case MC_OP_pad: return pad_commutes(n, f, inverse);
  default: return false; /* every other op: not known to */
  }
}

void move_border(mc_node *n, const affine *f, bool inverse) {
  float v;
  if (n->op == MC_OP_pad && MC_ATTRS(n, pad)->mode == mc_padmode_constant &&
      border(f, inverse, MC_ATTRS(n, pad)->value, &v))
    MC_ATTRS(n, pad)->value = v;
}

bool is_layer(const mc_node *n) {
  if (n->op != MC_OP_conv2d && n->op != MC_OP_conv_transpose2d && n->op != MC_OP_linear)
    return false;
  return is_f32(n->out[0]) && constant_f32(n->in[1]) && !mc_value_tensor(n->in[0]) &&
         (n->nin < 3 || constant_f32(n->in[2]));
}

bool layer_clamped(const mc_node *n) {
  const float *c = n->op == MC_OP_conv2d   ? MC_ATTRS(n, conv2d)->clamp
                   : n->op == MC_OP_linear ? MC_ATTRS(n, linear)->clamp
                                           : MC_ATTRS(n, conv_transpose2d)->clamp;
  return !isinf(c[0]) || !isinf(c[1]);
}

static mc_value *rounded(mc_builder *b, const mc_value *like, const char *name, int rank,
                         const int64_t *dim, const double *x) {
  void *p;
  mc_tensor *t = mc_tensor_create(b->graph->module,
                                  like ? constant_name(b, like, mc_type_elems(like->type)) : name,
                                  MC_f32, rank, dim, &p);
  float *to = p;
  for (int64_t i = 0, n = mc_tensor_elems(t); i < n; i++) to[i] = (float)x[i];
  return mc_build_tensor(b, t, NULL);
}

/* "stem.weight" -> "stem.bias", "w" -> "w.bias"; NULL (inline) for inline weights. */
static const char *bias_name(const mc_node *layer, mc_arena *a) {
  const char *w = mc_value_tensor(layer->in[1])->name;
  if (!w) return NULL;
  size_t n = strlen(w), k = strlen(".weight");
  bool usual = n > k && !strcmp(w + n - k, ".weight");
  return mc_arena_printf(a, "%.*s.bias", (int)(usual ? n - k : n), w);
}

static bool all_zero(const double *x, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (x[i] != 0) return false;
  return true;
}

bool set_weights(mc_pass_context *cx, mc_node *layer, const double *weight, const double *bias,
                 int64_t nbias) {
  mc_builder b = build_at(cx, layer);
  const mc_type *wt = layer->in[1]->type;
  mc_value *w = rounded(&b, layer->in[1], NULL, wt->rank, wt->dim, weight);
  if (!w) return false;
  mc_node_set_in(layer, 1, w);
  if (layer->nin == 2 && all_zero(bias, nbias)) return true;
  mc_value *v = rounded(&b, layer->nin > 2 ? layer->in[2] : NULL, bias_name(layer, cx->scratch), 1,
                        &nbias, bias);
  if (v) mc_node_set_nin(layer, (mc_value *[]){ layer->in[0], w, v }, 3);
  return v != NULL;
}
