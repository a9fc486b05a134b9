/* Removing channels against zeros in their place, on any network.
 *
 *   channels-masks [--list] NET.mir|FOLDER ...    --list: also the coupling groups of each network
 *
 * For each network and each set of options of the analysis: random classes are removed; what is
 * left must give what the whole network gives when, after each op, the slices that are gone are set
 * to 0. Then networks in which some channels are constants (quiet.c). Prints a line for each
 * finding, and at the end what was done; exits with 1 when there were findings. */
#include "masks.h"
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double masks_unit(uint64_t *s) {
  *s = *s * 6364136223846793005u + 1442695040888963407u;
  return (double)(*s >> 11) * 0x1p-53;
}

bool masks_finding(const masks *m, totals *t, const char *text) {
  printf("%s: %s: %s\n", m->path, m->what, text);
  for (size_t i = 0; i < m->d.list.n; i++)
    if (m->d.list.v[i].sev == MC_ERROR) printf("  %s\n", m->d.list.v[i].text);
  t->findings++;
  return false;
}

mc_array masks_array(masks *m, const mc_type *t) {
  return (mc_array){ t, mc_arena_alloc(m->a, (size_t)mc_type_bytes(t)) };
}

static mc_array input(masks *m, const mc_type *t) {
  mc_array x = masks_array(m, t);
  for (int64_t i = 0, n = mc_type_elems(t); i < n; i++) {
    double u = masks_unit(&m->seed);
    if (t->dtype == MC_f32)
      ((float *)x.data)[i] = (float)(2 * u - 1);
    else if (mc_dtype_size(t->dtype) == 1)
      ((unsigned char *)x.data)[i] = (unsigned char)(100 * u);
    else if (t->dtype == MC_i32)
      ((int32_t *)x.data)[i] = (int32_t)(4 * u);
    else if (t->dtype == MC_i64)
      ((int64_t *)x.data)[i] = (int64_t)(4 * u);
  }
  return x;
}

mc_array *masks_inputs(masks *m, const mc_graph *g) {
  mc_array *in = MC_NEWN(m->a, mc_array, g->nin + 1);
  for (int i = 0; i < g->nin; i++) in[i] = input(m, g->in[i]->type);
  return in;
}

/* Zeros in the slices that are gone. */
static void mask(const masks *m, const mc_value *v, const mc_array *x) {
  const mc_type *t = v->type;
  int64_t inner = 1, all = mc_type_elems(t);
  for (int axis = t->rank - 1; axis >= 0; inner *= t->dim[axis--])
    for (int64_t i = 0; i < all; i++) {
      int k = mc_channels_axis(m->ch, v, axis, i / inner % t->dim[axis]);
      if (k >= 0 && !m->keep[k]) ((float *)x->data)[i] = 0;
    }
}

static mc_array *array_of(masks *m, const mc_value *v) {
  void **p = mc_map_ptr_slot(&m->data, v);
  if (*p) return *p;
  mc_array *x = *p = MC_NEW(m->a, mc_array);
  const mc_tensor *t = mc_value_tensor(v);
  *x = t ? (mc_array){ v->type, mc_arena_copy(m->a, t->data, t->size) } : masks_array(m, v->type);
  return x;
}

static bool evaluate_masked(masks *m, const mc_graph *g, const mc_array *in) {
  for (int i = 0; i < g->nin; i++) *array_of(m, g->in[i]) = in[i];
  MC_FOR_NODES (n, g) {
    if (mc_op_has(n->op, MC_T_CONST | MC_T_TERM)) continue;
    mc_array *x = MC_NEWN(m->a, mc_array, n->nin + 1), *y = MC_NEWN(m->a, mc_array, n->nout + 1);
    for (int i = 0; i < n->nin; i++) x[i] = *array_of(m, n->in[i]);
    for (int i = 0; i < n->nout; i++) y[i] = *array_of(m, n->out[i]);
    if (!mc_eval_node(n, x, y, &m->d)) return false;
    for (int i = 0; i < n->nout; i++) mask(m, n->out[i], &y[i]);
  }
  return true;
}

/* The largest difference of result i, relative to its largest value. */
double masks_distance(const mc_array *x, const mc_array *y) {
  double far = 0, size = 1e-30;
  for (int64_t i = 0, n = mc_type_elems(y->type); i < n; i++) {
    double u = mc_array_real(x, i), v = mc_array_real(y, i);
    if (u == v || (isnan(u) && isnan(v))) continue;
    far = fmax(far, isfinite(u) && isfinite(v) ? fabs(u - v) : INFINITY);
  }
  for (int64_t i = 0, n = mc_type_elems(y->type); i < n; i++)
    if (isfinite(mc_array_real(y, i))) size = fmax(size, fabs(mc_array_real(y, i)));
  return far / size;
}

static bool compare(masks *m, mc_graph *whole, mc_graph *cut, const mc_array *in, totals *t) {
  int n = mc_graph_nout(cut);
  mc_array *out = MC_NEWN(m->a, mc_array, n + 1);
  for (int i = 0; i < n; i++) {
    if (!mc_type_same_shape(mc_graph_out(cut, i)->type, mc_graph_out(whole, i)->type))
      return masks_finding(m, t, "a result has another shape");
    out[i] = masks_array(m, mc_graph_out(cut, i)->type);
  }
  if (!mc_eval_graph(cut, in, out, NULL, &m->d))
    return masks_finding(m, t, "the evaluator refuses what is left");
  for (int i = 0; i < n; i++) {
    double d = masks_distance(&out[i], array_of(m, mc_graph_out(whole, i)));
    t->checks++;
    if (d > 1e-6) return masks_finding(m, t, mc_arena_printf(m->a, "result %d is off by %g", i, d));
  }
  return true;
}

/* Classes that may go, each with probability p. */
static int choose(masks *m, const mc_graph *g, double p) {
  int removed = 0;
  m->keep = MC_NEWN(m->a, bool, m->ch->ncls + 1);
  for (int k = 0; k < m->ch->ncls; k++)
    m->keep[k] = m->ch->cls[k].fixed || masks_unit(&m->seed) >= p;
  mc_channels_never_empty(g, m->ch, m->keep, NULL);
  for (int k = 0; k < m->ch->ncls; k++) removed += !m->keep[k];
  return removed;
}

static void check(const char *path, const mc_module *whole, mc_channels_opts o, double p,
                  totals *t) {
  masks m = { .a = mc_arena_create(),
              .path = path,
              .seed = (uint64_t)(p * 1000) + o.inside * 7 + o.outputs * 3 };
  for (const char *c = path; *c; c++) m.seed = m.seed * 31 + (unsigned char)*c;
  m.what = mc_arena_printf(m.a, "outputs=%d inside=%d p=%g", o.outputs, o.inside, p);
  mc_diag_init(&m.d, m.a);
  mc_map_init(&m.data, m.a);
  mc_module *cut = mc_module_clone(whole);
  mc_graph *g = cut->graphs;
  m.ch = mc_channels_of_opts(g, &o, m.a);
  int removed = choose(&m, g, p);
  t->removed += removed;
  mc_array *in = masks_inputs(&m, g);
  mc_module *masked = mc_module_clone(whole);
  mc_channels *ch = m.ch;
  m.ch = mc_channels_of_opts(masked->graphs, &o, m.a); /* the same classes, of the other copy */
  bool ok = evaluate_masked(&m, masked->graphs, in) || masks_finding(&m, t, "not evaluated");
  ok = ok && (mc_channels_remove(g, ch, m.keep, &m.d) || masks_finding(&m, t, "not removed"));
  if (ok) compare(&m, masked->graphs, g, in, t);
  mc_module_destroy(cut);
  mc_module_destroy(masked);
  mc_arena_destroy(m.a);
}

/* NAME: channels x classes of each group that may go, in order of the network; "heads" where
 * they are. */
static void list(const char *path, const mc_module *m, mc_arena *a) {
  const mc_channels *ch = mc_channels_of(m->graphs, a);
  const char *slash = strrchr(path, '/');
  printf("%s:", slash ? slash + 1 : path);
  for (int g = 0; g < ch->ngroup; g++) {
    int free_ = 0;
    bool head = false;
    for (int k = 0; k < ch->ncls; k++)
      if (ch->cls[k].group == g && !ch->cls[k].fixed) free_++, head |= ch->cls[k].head;
    if (free_) printf(" %dx%d%s", free_, ch->group[g].width, head ? " heads" : "");
  }
  printf("\n");
}

static void one(const char *path, bool listed, totals *t) {
  mc_arena *a = mc_arena_create();
  mc_diag d;
  mc_diag_init(&d, a);
  mc_module *m = mc_driver_load(path, &d);
  t->nets++;
  if (!m) {
    printf("%s: not read\n", path);
    t->findings++;
    return;
  }
  if (listed) list(path, m, a);
  for (int k = 0; k < 4; k++)
    check(path, m, (mc_channels_opts){ .outputs = k & 1, .inside = k & 2 }, k % 3 ? 0.4 : 1, t);
  masks_quiet(path, m, 0.4, t);
  masks_quiet(path, m, 1, t);
  mc_module_destroy(m);
  mc_arena_destroy(a);
}

static int is_net(const struct dirent *e) {
  const char *dot = strrchr(e->d_name, '.');
  return dot && strcmp(dot, ".mir") == 0;
}

int main(int argc, char **argv) {
  totals t = { 0 };
  bool listed = argc > 1 && strcmp(argv[1], "--list") == 0;
  for (int i = 1 + listed; i < argc; i++) {
    struct dirent **e;
    int n = scandir(argv[i], &e, is_net, versionsort);
    if (n < 0) one(argv[i], listed, &t);
    for (int k = 0; k < n; k++) {
      char path[4096];
      snprintf(path, sizeof path, "%s/%s", argv[i], e[k]->d_name);
      one(path, listed, &t);
      free(e[k]);
    }
    if (n >= 0) free(e);
  }
  printf("%d networks, %d checks, %d classes removed, %d findings\n", t.nets, t.checks, t.removed,
         t.findings);
  return t.findings != 0;
}
