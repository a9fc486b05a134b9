/* Scores and masks of weights from a file: the door for what needs gradients
 * (docs/guide/compression.md, "Sparsity"). */
#include "layer_file.h"
#include "mc/analysis/channels.h"
#include "sparsify.h"
#include <math.h>
#include <string.h>

static bool masks(const sparsifier *s) { return s->o->mask[0] != 0; }

/* The layer that a name of the file means; NULL: there is none. */
static const mc_node *layer_of(const mc_layer_file *f, const char *name) {
  MC_FOR_NODES (n, f->cx->graph)
    if (mc_op_has(n->op, MC_T_ACCUM) && mc_layer_named(n, name)) return n;
  return NULL;
}

static bool fits(const mc_layer_file *f, const mc_layer_array *v, const mc_tensor *w) {
  if (v->rank == w->rank && memcmp(v->dim, w->dim, sizeof *w->dim * (size_t)w->rank) == 0)
    return true;
  const char *order = w->rank == 4 && v->n == mc_tensor_elems(w)
                          ? " (output, height, width, input; PyTorch's order needs "
                            "transpose(0, 2, 3, 1))"
                          : "";
  return mc_layer_file_fail(f, "the weights of layer '%s' are %s%s, its array is %s", v->name,
                            mc_layer_shape_text(f, w->rank, w->dim), order,
                            mc_layer_shape_text(f, v->rank, v->dim));
}

static bool check_numbers(const mc_layer_file *f, const mc_layer_array *v, bool mask) {
  for (int64_t i = 0; i < v->n; i++) {
    if (!isfinite(v->x[i]))
      return mc_layer_file_fail(f, "element %lld of '%s' is not finite", (long long)i, v->name);
    if (mask && v->x[i] != 0 && v->x[i] != 1)
      return mc_layer_file_fail(f,
                                "element %lld of '%s' is %g: a mask holds 0 (the weight "
                                "becomes 0) and 1 (it stays)",
                                (long long)i, v->name, v->x[i]);
  }
  return true;
}

/* Give the array to the layers of its name. */
static bool hand_out(sparsifier *s, const mc_layer_file *f, const mc_layer_array *v) {
  int taken = 0;
  if (!layer_of(f, v->name))
    return mc_layer_file_fail(f, "no layer is named '%s'%s", v->name, mc_layer_nearest(f, v->name));
  if (!check_numbers(f, v, masks(s))) return false;
  for (int i = 0; i < s->n; i++) {
    if (!mc_layer_named(s->l[i].node, v->name)) continue;
    if (!fits(f, v, s->l[i].w)) return false;
    s->l[i].given = v->x;
    taken++;
  }
  if (!taken)
    mc_warning(f->cx->diag, f->cx->loc,
               "%s: %s: the array of '%s' is not used: the layer is not made sparse (remarks say "
               "why)",
               f->option, f->path, v->name);
  return true;
}

/* Layers without an array stay as they are. */
static void drop_others(sparsifier *s, const char *what) {
  int n = 0;
  for (int i = 0; i < s->n; i++) {
    const sparse_layer *l = &s->l[i];
    if (l->given)
      s->l[n++] = *l;
    else
      mc_remark(s->cx->diag, l->node->loc,
                "%s %s is not made sparse: the file of %s has no array "
                "for it",
                mc_ops[l->node->op].text, mc_sparsify_name(l->node), what);
  }
  s->n = n;
}

bool mc_sparsify_read(sparsifier *s) {
  bool mask = masks(s);
  mc_layer_file f = { .cx = s->cx,
                      .option = mask ? "mask" : "score=file",
                      .path = mask ? s->o->mask : s->o->file };
  if (!mask && s->o->score != mc_wscore_file) return true;
  if (!mc_layer_file_read(&f)) return false;
  for (int i = 0; i < f.n; i++)
    if (!hand_out(s, &f, &f.v[i])) return false;
  drop_others(s, mask ? "masks" : "scores");
  return true;
}

void mc_sparsify_mask(const sparse_layer *l, float *w, bool *mask) {
  for (int64_t i = 0; i < mc_tensor_elems(l->w); i++) {
    if (l->given[i] == 0) w[i] = 0;
    if (mask) mask[i] = l->given[i] != 0;
  }
}
