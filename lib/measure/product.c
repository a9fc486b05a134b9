/* Products of a graph, and the columns that they read. */
#include "columns.h"
#include "mc/ir/build.h"
#include "mc/measure/linalg.h"
#include <string.h>

/* ---- which nodes, and their matrices ---- */

static bool is_product(const mc_node *n) {
  if (n->op != MC_OP_linear && n->op != MC_OP_conv2d && n->op != MC_OP_conv_transpose2d)
    return false;
  const mc_tensor *w = mc_value_tensor(n->in[1]);
  if (!w || w->dtype != MC_f32 || n->out[0]->type->dtype != MC_f32) return false;
  return !mc_value_tensor(n->in[0]) && (n->nin < 3 || mc_value_tensor(n->in[2]));
}

static int64_t groups_of(const mc_node *n) {
  if (n->op == MC_OP_conv2d) return MC_ATTRS(n, conv2d)->groups;
  if (n->op == MC_OP_conv_transpose2d) return MC_ATTRS(n, conv_transpose2d)->groups;
  return 1;
}

static mc_product describe(mc_node *n) {
  const mc_type *w = n->in[1]->type, *y = n->out[0]->type;
  int64_t groups = groups_of(n);
  mc_product p = { .node = n, .groups = groups, .o = w->dim[0] / groups, .kh = 1, .kw = 1 };
  p.ci = w->dim[w->rank - 1];
  if (n->op != MC_OP_linear) p.kh = w->dim[1], p.kw = w->dim[2];
  p.d = p.kh * p.kw * p.ci;
  p.places = mc_type_elems(y) / y->dim[y->rank - 1];
  return p;
}

mc_products mc_products_of(const mc_graph *g, mc_arena *a) {
  mc_products p = { 0 };
  MC_FOR_NODES (n, g) p.n += is_product(n);
  p.v = MC_NEWN(a, mc_product, p.n + 1);
  p.n = 0;
  MC_FOR_NODES (n, g)
    if (is_product(n)) p.v[p.n++] = describe(n);
  return p;
}

void mc_product_weights(const mc_product *p, float *w, float *bias) {
  const mc_node *n = p->node;
  memcpy(w, mc_value_tensor(n->in[1])->data, sizeof *w * (size_t)(p->groups * p->o * p->d));
  if (n->nin > 2)
    memcpy(bias, mc_value_tensor(n->in[2])->data, sizeof *bias * (size_t)(p->groups * p->o));
  else
    memset(bias, 0, sizeof *bias * (size_t)(p->groups * p->o));
}

float *mc_product_copy(const mc_product *p, mc_arena *a, float **bias) {
  float *w = MC_NEWN(a, float, p->groups * p->o * p->d), *b = MC_NEWN(a, float, p->groups * p->o);
  mc_product_weights(p, w, b);
  if (bias) *bias = b;
  return w;
}

/* ---- new weights ---- */

/* A constant beside `old` (NULL: a bias that was not there) with its shape and other numbers. */
static mc_value *constant(mc_builder *b, const mc_product *p, const mc_value *old, const float *x) {
  mc_module *m = b->graph->module;
  const mc_tensor *t = old ? mc_value_tensor(old) : NULL;
  int64_t dim[MC_MAX_RANK] = { p->groups * p->o };
  const char *stem = t && t->name ? t->name : p->node->source ? p->node->source : t ? "w" : "b";
  if (!t) stem = mc_arena_printf(m->arena, "%s.bias", stem);
  if (t) memcpy(dim, t->dim, sizeof dim);
  void *data;
  mc_tensor *n = mc_tensor_create(m, stem, MC_f32, t ? t->rank : 1, dim, &data);
  memcpy(data, x, n->size);
  return mc_build_tensor(b, n, NULL);
}

static bool replace(mc_builder *b, const mc_product *p, int slot, const float *x) {
  mc_node *n = p->node;
  mc_value *old = n->nin > slot ? n->in[slot] : NULL, *v = constant(b, p, old, x);
  if (!v) return false;
  if (!old) {
    mc_node_set_nin(n, (mc_value *[]){ n->in[0], n->in[1], v }, 3);
    return true;
  }
  mc_node_set_in(n, slot, v);
  if (!old->uses && old->def) mc_node_remove(old->def);
  return true;
}

bool mc_product_set(const mc_product *p, const float *w, const float *bias, mc_diag *d) {
  mc_node *n = p->node;
  mc_builder b = { .graph = n->graph, .before = n, .diag = d, .loc = n->loc, .source = NULL };
  bool zero = n->nin < 3;
  for (int64_t i = 0; zero && i < p->groups * p->o; i++) zero = bias[i] == 0;
  return replace(&b, p, 1, w) && (zero || replace(&b, p, 2, bias));
}

/* ---- columns ---- */

/* Where a product reads for one place of its output. */
typedef struct window {
  const int64_t *stride, *pad, *dilation;
  int64_t h, w, c, oh, ow; /* input and output; c: all channels of the input */
  bool transposed;
} window;

static window window_of(const mc_node *n) {
  const mc_type *x = n->in[0]->type, *y = n->out[0]->type;
  window k = { .h = x->dim[1], .w = x->dim[2], .c = x->dim[3], .oh = y->dim[1], .ow = y->dim[2] };
  if (n->op == MC_OP_conv2d) {
    const mc_attrs_conv2d *a = MC_ATTRS(n, conv2d);
    k.stride = a->stride, k.pad = a->pad, k.dilation = a->dilation;
  } else {
    const mc_attrs_conv_transpose2d *a = MC_ATTRS(n, conv_transpose2d);
    k.stride = a->stride, k.pad = a->pad, k.dilation = a->dilation, k.transposed = true;
  }
  return k;
}

/* Index along one axis of the input, of n elements, for an output index and a tap; -1: padding, or
 * a zero between the elements of a transposed convolution's input. */
static int64_t reads(const window *k, int axis, int64_t n, int64_t out, int64_t tap) {
  int64_t i = k->transposed ? out + k->pad[axis] - tap * k->dilation[axis]
                            : out * k->stride[axis] - k->pad[axis] + tap * k->dilation[axis];
  if (k->transposed) {
    if (i < 0 || i % k->stride[axis]) return -1;
    i /= k->stride[axis];
  }
  return i >= 0 && i < n ? i : -1;
}

/* The pixel of the input under a tap of one place, or NULL: all zeros. */
static const float *pixel(const window *k, const float *x, int64_t place, int64_t ty, int64_t tx) {
  int64_t image = place / (k->oh * k->ow), oy = place / k->ow % k->oh, ox = place % k->ow;
  int64_t iy = reads(k, 0, k->h, oy, ty), ix = reads(k, 1, k->w, ox, tx);
  return iy < 0 || ix < 0 ? NULL : x + ((image * k->h + iy) * k->w + ix) * k->c;
}

/* One place: its row in each group's matrix; rows of groups are `apart` floats from each other. */
static void conv_row(const mc_product *p, const window *k, const float *x, int64_t place,
                     float *row, int64_t apart) {
  for (int64_t ty = 0; ty < p->kh; ty++)
    for (int64_t tx = 0; tx < p->kw; tx++, row += p->ci) {
      const float *px = pixel(k, x, place, ty, tx);
      if (p->ci == 1) {
        for (int64_t g = 0; g < p->groups; g++) row[g * apart] = px ? px[g] : 0;
        continue;
      }
      for (int64_t g = 0; g < p->groups; g++) {
        if (px)
          memcpy(row + g * apart, px + g * p->ci, sizeof *row * (size_t)p->ci);
        else
          memset(row + g * apart, 0, sizeof *row * (size_t)p->ci);
      }
    }
}

void mcm_columns(const mc_product *p, const float *x, const int64_t *place, int64_t n, float *col,
                 int64_t apart) {
  if (p->node->op == MC_OP_linear) {
    for (int64_t i = 0; i < n; i++)
      memcpy(col + i * p->d, x + place[i] * p->d, sizeof *col * (size_t)p->d);
    return;
  }
  window k = window_of(p->node);
  for (int64_t i = 0; i < n; i++) conv_row(p, &k, x, place[i], col + i * p->d, apart);
}

void mc_product_columns(const mc_product *p, const float *x, const int64_t *place, int64_t n,
                        float *col) {
  mcm_columns(p, x, place, n, col, n * p->d);
}

/* ---- the whole output ---- */

static void start_rows(const mc_product *p, const float *bias, float *y) {
  int64_t outs = p->groups * p->o;
  for (int64_t i = 0; i < p->places; i++) memcpy(y + i * outs, bias, sizeof *y * (size_t)outs);
}

bool mcm_is_depthwise(const mc_product *p) {
  return p->node->op != MC_OP_linear && p->ci == 1 && p->o == 1 &&
         p->groups == p->node->in[0]->type->dim[3];
}

void mcm_pixels(const mc_product *p, const float *x, int64_t place, const float **px) {
  window k = window_of(p->node);
  for (int64_t i = 0; i < p->d; i++) px[i] = pixel(&k, x, place, i / p->kw, i % p->kw);
}

/* Depthwise: taps outside, channels inside. t: room for [taps, channels]. */
static void run_depthwise(const mc_product *p, const float *x, const float *w, float *y, float *t) {
  window k = window_of(p->node);
  for (int64_t c = 0; c < p->groups; c++)
    for (int64_t i = 0; i < p->d; i++) t[i * p->groups + c] = w[c * p->d + i];
  for (int64_t place = 0; place < p->places; place++, y += p->groups)
    for (int64_t i = 0; i < p->d; i++) {
      const float *px = pixel(&k, x, place, i / p->kw, i % p->kw), *wi = t + i * p->groups;
      if (!px) continue;
      for (int64_t c = 0; c < p->groups; c++) y[c] += wi[c] * px[c];
    }
}

enum { BLOCK = 256 }; /* places at once */

int64_t mcm_product_room(const mc_product *p) {
  int64_t n = p->groups * p->d;
  return p->node->op == MC_OP_linear ? 1 : mcm_is_depthwise(p) ? n : BLOCK * n;
}

void mcm_product_run(const mc_product *p, const float *x, const float *w, const float *bias,
                     float *y, float *room) {
  int64_t outs = p->groups * p->o, place[BLOCK];
  start_rows(p, bias, y);
  if (p->node->op == MC_OP_linear) {
    mc_la_apply_f32(p->places, p->o, p->d, x, w, y, outs);
    return;
  }
  if (mcm_is_depthwise(p)) {
    run_depthwise(p, x, w, y, room);
    return;
  }
  for (int64_t at = 0; at < p->places; at += BLOCK) {
    int64_t n = p->places - at < BLOCK ? p->places - at : BLOCK;
    for (int64_t i = 0; i < n; i++) place[i] = at + i;
    mcm_columns(p, x, place, n, room, BLOCK * p->d);
    for (int64_t g = 0; g < p->groups; g++)
      mc_la_apply_f32(n, p->o, p->d, room + g * BLOCK * p->d, w + g * p->o * p->d,
                      y + at * outs + g * p->o, outs);
  }
}
