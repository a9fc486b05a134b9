/* Which engine computes a product, and the blocks of those on tiles: a model of cycles (docs/kernels.md has the figures behind it). */
#include "tile.h"
#include <string.h>

void ktile_depth(const kengine *e, int64_t rlen, int *kr, int64_t *steps) {
  int64_t group = e->tile, s = (rlen + e->kr - 1) / e->kr;
  if (e->in != 'I')
    while (rlen % s || rlen / s % group) s++;
  *steps = s;
  *kr = (int)(((rlen + s - 1) / s + group - 1) / group * group);
}
/* Whether there are steps that take only elements of the run. */
static bool divides(const kengine *e, int64_t rlen) { return e->in == 'I' || rlen % e->tile == 0; }

/* Cycles of one block: products and tile loads overlap; a load takes half a cycle a row from L1 and more from L2; storing a tile's sums and loading them again 18. */
static double block_cycles(const kengine *e, const mc_target *t, int mt, int nt, int tr, int64_t nrun, int64_t rlen) {
  int kr;
  int64_t steps;
  ktile_depth(e, rlen, &kr, &steps);
  double total = (double)nrun * (double)steps, kb_ = (double)kr * (e->in == 'B' ? 2 : 1);
  double bytes = total * kb_ * (16.0 * nt + (double)tr * mt), far = bytes > 0.75 * (double)t->l1 ? 2.5 : 1;
  double product = (double)mt * nt * (tr < 8 ? 8 : tr), loads = far * 0.5 * ((double)mt * tr + (double)nt * kr / e->tile);
  return total * (product > loads ? product : loads) + 18.0 * mt * nt;
}
double ktile_cost(const kengine *e, const mc_target *t, int64_t tiles, int tr, int64_t n, int64_t nrun, int64_t rlen, int *mt, int *nt) {
  static const struct { int mt, nt; } shape[] = { { 2, 2 }, { 4, 1 }, { 1, 4 }, { 3, 1 }, { 1, 3 }, { 2, 1 }, { 1, 2 }, { 1, 1 } };
  int64_t vectors = kgemm_vectors(n);
  double best = -1;
  for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++) {
    int m = shape[i].mt, c = shape[i].nt;
    if (m > tiles || c > vectors) continue;
    int64_t rest = vectors % c;
    double cost = (double)(vectors / c) * block_cycles(e, t, m, c, tr, nrun, rlen) + (rest ? block_cycles(e, t, m, (int)rest, tr, nrun, rlen) : 0);
    cost *= (double)((tiles + m - 1) / m);
    if (best >= 0 && cost >= best) continue;
    best = cost;
    if (mt) *mt = m, *nt = c;
  }
  return best;
}

/* Rows as tiles of lines, columns and K of a product, from its types alone. */
typedef struct size { int64_t lines, line, n, nrun, rlen, groups; } size;
static size conv_size(const mc_node *h) {
  const mc_attrs_conv2d *c = MC_ATTRS(h, conv2d);
  const mc_type *w = h->in[1]->type, *y = h->out[0]->type;
  bool dense = c->groups == 1 && c->dilation[1] == 1, linear = w->dim[1] * w->dim[2] == 1 && c->stride[0] * c->stride[1] == 1;
  size s = { y->dim[0] * y->dim[1], y->dim[2], w->dim[0] / c->groups, w->dim[1], w->dim[2] * w->dim[3], c->groups };
  if (!dense) s.nrun *= w->dim[2], s.rlen = w->dim[3];
  if (linear) s.line *= s.lines, s.lines = 1;
  return s;
}
static size transposed_size(const mc_node *h) {
  const mc_attrs_conv_transpose2d *c = MC_ATTRS(h, conv_transpose2d);
  const mc_type *w = h->in[1]->type, *y = h->out[0]->type;
  int64_t sy = c->stride[0], sx = c->stride[1];
  return (size){ y->dim[0] * ((y->dim[1] + sy - 1) / sy), (y->dim[2] + sx - 1) / sx, w->dim[0] / c->groups, ((w->dim[1] + sy - 1) / sy) * ((w->dim[2] + sx - 1) / sx), w->dim[3], c->groups };
}
static size product_size(const mc_node *h) {
  if (h->op == MC_OP_conv2d) return conv_size(h);
  if (h->op == MC_OP_conv_transpose2d) return transposed_size(h);
  const mc_type *x = h->in[0]->type, *y = h->out[0]->type, *w = h->in[1]->type;
  int64_t n = y->dim[y->rank - 1], rows = mc_type_elems(y) / n, batches = h->op == MC_OP_matmul && w->rank > 2 && y->rank > 2 ? rows / y->dim[y->rank - 2] : 1;
  return (size){ batches, rows / batches, n, 1, x->dim[x->rank - 1], 1 };
}
/* Tiles take 64 elements of K and up to 16 rows, whether there are so many or not, and their sums go through memory; vectors take 4 elements, two products a cycle. */
static bool tiles_win(const kengine *e, const mc_target *t, const size *s) {
  enum { SETUP = 300 };   /* configuration, release, the first loads */
  int64_t of_line = (s->line + 15) / 16, tr = (s->line + of_line - 1) / of_line, steps = s->nrun * ((s->rlen + 3) / 4);
  double tiles = (double)s->groups * ktile_cost(e, t, s->lines * of_line, (int)tr, s->n, s->nrun, s->rlen, NULL, NULL) + SETUP;
  double vectors = (double)s->groups * (double)(s->lines * s->line) * (double)kgemm_vectors(s->n) * (double)steps * (e->in == 'B' ? 2.4 : 0.6);
  return tiles < vectors;
}
const kengine *kgemm_pick(const mc_target *t, const mc_node *head, char in) {
  const kengine *tiles = kengine_find_tile(t, in), *vectors = kengine_find(t, in);
  size s = product_size(head);
  if (!tiles || !s.rlen || !s.line || !divides(tiles, s.rlen) || (t->engine && strcmp(t->engine, vectors->name) == 0)) return vectors;
  bool forced = t->engine && strcmp(t->engine, tiles->name) == 0;
  return forced || tiles_win(tiles, t, &s) ? tiles : vectors;
}

void ktile_blocking(kgemm *p) {
  const kx *x = p->x;
  int64_t line = x->dim[x->rank - 2], of_line = (line + 15) / 16, lines = 1;
  for (int d = p->nbatch; d < x->rank - 2; d++) lines *= x->dim[d];
  p->tr = (int)((line + of_line - 1) / of_line);
  p->mt = 1;
  p->nv = 1;
  ktile_cost(p->e, p->k->target, lines * of_line, p->tr, p->n, p->nrun ? p->nrun : 1, p->rlen, &p->mt, &p->nv);
  p->mr = p->mt * p->tr;
  /* All of B stays in L2 while A passes once, and a row's results are written together; else a panel of B stays in L1 while A passes once for each. */
  p->rows_outside = kgemm_panel(p) <= p->k->target->l2 / 2 && p->nrun * p->rlen * (int64_t)kgemm_elem(p->e) <= 512;
  p->g->note = mc_arena_printf(p->k->arena, "engine %s, blocks of %d x %d tiles of %d rows, K = %d x %lld", p->e->name, p->mt, p->nv, p->tr, p->nrun, (long long)p->rlen);
}
