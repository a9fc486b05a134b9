/* winograd: 3x3 convolutions of 8-bit integers with 36 products for 16 results where the direct form takes 144, and the same bytes.
 *
 *   for image  for pass of tiles                       (a pass fits L2)
 *     v = B' d B  for every tile and channel           wg_input
 *     for block of result channels
 *       m[point] = v[point] * u[point]                 wg_products: 36 products of matrices
 *       y = A' m A, made exact                         wg_output, and the group's epilogue
 *
 * Why it is exact: with weights scaled to whole numbers everything is a sum of products of integers, right modulo 2^32 (docs/kernels.md). */
#include "winograd.h"
#include "mc/plan/winograd.h"
#include <string.h>

/* ---- geometry ---- */

static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }
/* A pass of few tiles reads weights too often, one of many leaves L2; what does not divide the picture is computed twice. */
static void choose_pass(wg *w, int tasks) {
  enum { ROOM = 600 << 10, MOST = 36 };
  int64_t most = ROOM / (WG_POINTS * 2 * w->c);
  double best = 1e30;
  if (most > MOST) most = MOST;
  if (most < 4) most = 4;
  for (int64_t cp = 1; cp <= w->tw && cp <= most; cp++)
    for (int64_t rp = 1; rp <= up(w->th, tasks) && rp * cp <= most; rp++)   /* rows of passes for every task */ {
      double waste = (double)(up(w->th, rp) * rp * up(w->tw, cp) * cp) / (double)(w->th * w->tw), cost = waste * (1 + 2.0 / (double)(rp * cp));
      if (cost >= best) continue;
      best = cost;
      w->rp = rp, w->cp = cp;
    }
  w->tiles = w->rp * w->cp;
}
/* The cheapest block that fits the registers, by products, loads, and the latency of dependent sums. */
static void choose_block(wg *w, const mc_target *t) {
  int regs = kengine_regs(t), vectors = (int)up(w->n, KB_LANES);
  bool fused = t->isa & (MC_ISA_BIT(avx512vnni) | MC_ISA_BIT(avxvnni));
  double best = 1e30;
  w->mr = w->nv = 1;
  for (int nv = 1; nv <= 4 && nv <= vectors; nv++)
    for (int mr = 1; mr <= 16 && mr <= w->tiles; mr++) {
      if (mr * nv * w->parts + nv * w->parts + 1 + !fused > regs) continue;
      double work = mr * nv * w->parts * (fused ? 1.0 : 1.3), loads = (mr + nv * w->parts) / t->machine->loads, step = work > loads ? work + loads / 4 : loads + work / 4;
      if (step < t->machine->latency) step = t->machine->latency;
      double cost = step * (double)(up(w->tiles, mr) * up(vectors, nv));
      if (cost >= best) continue;
      best = cost;
      w->mr = mr, w->nv = nv;
    }
}
static void set_geometry(wg *w, const mc_node *head, const mc_target *t, int tasks) {
  const mc_type *x = head->in[0]->type, *y = head->out[0]->type;
  const mc_attrs_conv2d *c = MC_ATTRS(head, conv2d);
  w->is_signed = x->dtype == MC_i8;
  w->batch = y->dim[0], w->c = x->dim[3], w->n = y->dim[3], w->oh = y->dim[1], w->ow = y->dim[2];
  w->pad[0] = c->pad[0], w->pad[1] = c->pad[1];
  w->th = up(w->oh, WG_TILE), w->tw = up(w->ow, WG_TILE);
  w->lanes = t->vector_bytes / 4;
  w->parts = KB_LANES / w->lanes;
  w->kr = t->arch == MC_ARCH_x86_64 ? 2 : 1;
  w->wide = t->vector_bytes / 2;
  if (w->c % w->wide) w->wide = 16;
  choose_pass(w, tasks);
  choose_block(w, t);
  w->v_bytes = WG_POINTS * w->tiles * w->c * 2;
  w->m_bytes = WG_POINTS * w->tiles * w->nv * KB_LANES * 4;
  w->tmp_bytes = WG_POINTS * 64;
}
static int64_t task_bytes(const wg *w) { return w->v_bytes + w->m_bytes + w->tmp_bytes; }
int64_t k_winograd_scratch(const mc_plan *p, int group) {
  const kgroup g = { .group = p->group[group], .region = p->group[group]->region };
  const mc_node *head = kl_first(&g);
  if (!head || mc_winograd_refused(head, p->target)) return 0;
  wg w = { 0 };
  set_geometry(&w, head, p->target, kl_tasks(p, group));
  return task_bytes(&w) * kl_tasks(p, group);
}

/* ---- weights ---- */

/* G, its rows times 4, -6, -6, 24, 24, 1. */
static void filter(const int32_t in[3], int32_t out[WG_WINDOW]) {
  out[0] = in[0];
  out[1] = in[0] + in[1] + in[2];
  out[2] = in[0] - in[1] + in[2];
  out[3] = in[0] + 2 * in[1] + 4 * in[2];
  out[4] = in[0] - 2 * in[1] + 4 * in[2];
  out[5] = in[2];
}
static void transform_filter(const int8_t *q, int64_t c, int16_t out[WG_POINTS]) {
  int32_t rows[3][WG_WINDOW];
  for (int a = 0; a < 3; a++) filter((int32_t[]){ q[(a * 3 + 0) * c], q[(a * 3 + 1) * c], q[(a * 3 + 2) * c] }, rows[a]);
  for (int j = 0; j < WG_WINDOW; j++) {
    int32_t column[WG_WINDOW];
    filter((int32_t[]){ rows[0][j], rows[1][j], rows[2][j] }, column);
    for (int i = 0; i < WG_WINDOW; i++) out[i * WG_WINDOW + j] = (int16_t)column[i];
  }
}
/* Vectors in the block of channels that holds channel n, and where the block's weights begin. */
static int64_t block_width(const wg *w, int64_t block) {
  int64_t width = (int64_t)w->nv * KB_LANES, left = w->n - block * width;
  return left >= width ? width : up(left, KB_LANES) * KB_LANES;
}
static int64_t block_bytes(const wg *w, int64_t width) { return WG_POINTS * w->c * width * 2; }
static void pack(wg *w) {
  kb *k = w->k;
  const mc_tensor *wt = mc_value_tensor(w->head->in[1]), *b = w->head->nin > 2 ? mc_value_tensor(w->head->in[2]) : NULL;
  const int8_t *q = wt->data;
  int64_t width = (int64_t)w->nv * KB_LANES, padded = up(w->n, KB_LANES) * KB_LANES, bytes = block_bytes(w, padded);
  int32_t za = kl_zero_point(w->head->in[0]->type);
  mc_arena *scratch = mc_arena_create();
  int16_t *pu = mc_arena_alloc(scratch, (size_t)bytes), u[WG_POINTS];
  uint32_t *pb = mc_arena_alloc(scratch, (size_t)(padded * 4));
  for (int64_t n = 0; n < w->n; n++) {
    int64_t block = n / width, here = block_width(w, block), sum = 0;
    for (int64_t c = 0; c < w->c; c++) {
      transform_filter(q + n * 9 * w->c + c, w->c, u);
      for (int64_t p = 0; p < WG_POINTS; p++)
        pu[block * block_bytes(w, width) / 2 + ((p * (w->c / w->kr) + c / w->kr) * here + n % width) * w->kr + c % w->kr] = u[p];
    }
    for (int64_t i = 0; i < 9 * w->c; i++) sum += q[n * 9 * w->c + i];
    pb[n] = (uint32_t)((b ? ((const int32_t *)b->data)[n] : 0) - za * sum);
  }
  w->u = kb_rodata(k, pu, (size_t)bytes, 0, "weights");
  w->bias = kb_rodata(k, pb, (size_t)(padded * 4), 0, "bias");
  mc_arena_destroy(scratch);
}

/* ---- the nest ---- */

V wg_origin(wg *w, V index, V more, int64_t n) {
  V at = kb_muli(w->k, kb_add(w->k, index, more), WG_TILE);
  return n % WG_TILE ? kb_smin(w->k, at, kb_i64(w->k, n - WG_TILE)) : at;
}
/* First tile of a pass; the last pass moves back so that it is whole. */
static V first_tile(wg *w, V pass, int64_t of_pass, int64_t all) {
  V at = kb_muli(w->k, pass, of_pass);
  return all % of_pass ? kb_smin(w->k, at, kb_i64(w->k, all - of_pass)) : at;
}
static void emit_blocks(wg *w, V image, V ty, V tx, bool split) {
  kb *k = w->k;
  int64_t width = (int64_t)w->nv * KB_LANES, full = w->n / width, all = up(w->n, width), rest = w->n - full * width;
  kb_loop l;
  if (full) {
    kl_range_part(w->g, &l, 0, full, all, 1, split);
    wg_products(w, kb_gep(k, w->u, kb_muli(k, l.iv, block_bytes(w, width))), w->nv);
    wg_output(w, image, ty, tx, kb_muli(k, l.iv, width), w->nv, KB_LANES);
    kb_end(k, &l, NULL);
  }
  if (!rest) return;
  int nv = (int)up(rest, KB_LANES);
  kl_range_part(w->g, &l, full, all, all, 1, split);
  wg_products(w, kb_gepi(k, w->u, full * block_bytes(w, width)), nv);
  wg_output(w, image, ty, tx, kb_i64(k, full * width), nv, (int)(rest - (nv - 1) * KB_LANES));
  kb_end(k, &l, NULL);
}
/* Images, rows of passes where none moves back into another's rows, or blocks of channels are divided among tasks. */
static void emit_passes(wg *w) {
  kb *k = w->k;
  bool apart = w->oh % WG_TILE == 0 && w->th % w->rp == 0;
  int64_t rows = up(w->th, w->rp), trips[3] = { w->batch, apart ? rows : 1, up(w->n, (int64_t)w->nv * KB_LANES) };
  int split = kl_divide(w->g, 3, trips);
  kb_loop once, image, y, x;
  kl_range(w->g, &once, 1, 1, split < 0);
  kl_range(w->g, &image, w->batch, 1, split == 0);
  kl_range(w->g, &y, rows, 1, split == 1);
  V ty = first_tile(w, y.iv, w->rp, w->th);
  kb_range(k, &x, up(w->tw, w->cp), 1, NULL, 0);
  V tx = first_tile(w, x.iv, w->cp, w->tw);
  wg_input(w, image.iv, ty, tx);
  emit_blocks(w, image.iv, ty, tx, split == 2);
  kb_end(k, &x, NULL);
  kb_end(k, &y, NULL);
  kb_end(k, &image, NULL);
  kb_end(k, &once, NULL);
}
static void place_scratch(wg *w) {
  kb *k = w->k;
  V base = kl_scratch(w->g);
  if (w->g->tasks > 1) base = kb_gep(k, base, kb_muli(k, LLVMGetParam(k->fn, 2), task_bytes(w)));   /* every task has its own */
  w->v = base;
  w->m = kb_gepi(k, base, w->v_bytes);
  w->tmp = kb_gepi(k, base, w->v_bytes + w->m_bytes);
}
bool k_emit_winograd(kgroup *g) {
  kb *k = g->k;
  wg *w = MC_NEW(k->arena, wg);
  w->g = g; w->k = k; w->head = kl_first(g);
  const char *why = w->head ? mc_winograd_refused(w->head, k->target) : "it is empty";
  if (why) return kl_error(g, w->head, "the group cannot be computed by 'winograd': %s", why);
  set_geometry(w, w->head, k->target, g->tasks);
  const mc_type *y = w->head->out[0]->type;
  if (!kx_init(&w->x, g, w->head, y->rank, y->dim)) return false;
  w->in = kl_view(g, w->head->in[0]);
  pack(w);
  place_scratch(w);
  g->note = mc_arena_printf(k->arena, "F(4x4, 3x3), passes of %lld x %lld tiles, blocks of %d tiles x %d channels, %lld channels", (long long)w->rp, (long long)w->cp, w->mr, w->nv * KB_LANES, (long long)w->c);
  emit_passes(w);
  kl_fill_borders(g);
  return true;
}
