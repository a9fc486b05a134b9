/* winograd: 3x3 convolutions of 8-bit integers with 36 products for 16 results where the direct
 * form takes 144, and the same bytes.
 *
 *   for image  for pass of tiles                       (analysis/model_winograd.c cuts)
 *     v = B' d B  for every tile and channel           wg_input
 *     for block of result channels
 *       u = G g G'                                     wg_weights; winograd_ready: constants
 *       m[point] = v[point] * u[point]                 wg_products: 36 products of matrices
 *       y = A' m A, made exact                         wg_output, and the group's epilogue
 *
 * Why it is exact: with weights scaled to whole numbers everything is a sum of products of
 * integers, right modulo 2^32 (docs/internals/winograd.md). */
#include "winograd.h"

static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* ---- tiles ---- */

/* First tile of a pass; the last pass moves back so that it is whole. */
static V first_tile(wg *w, V pass, int64_t of_pass, int64_t all) {
  V at = kb_muli(w->k, pass, of_pass);
  return all % of_pass ? kb_smin(w->k, at, kb_i64(w->k, all - of_pass)) : at;
}

/* First result of a whole tile along an axis of n results: the last one moves back where there are
 * no short ones. */
static V origin(wg *w, V index, V more, int64_t n, bool has_short) {
  V at = kb_muli(w->k, kb_add(w->k, index, more), WG_TILE);
  return n % WG_TILE && !has_short ? kb_smin(w->k, at, kb_i64(w->k, n - WG_TILE)) : at;
}

/* Tiles [0, rows) x [0, columns) of one kind, from place `first` on; short axes have one tile. */
static void tiles_of_kind(wg *w, V ty, V tx, bool short_h, bool short_w, int64_t first,
                          wg_tile_fn *fn, void *ctx) {
  kb *k = w->k;
  const mc_winograd *c = &w->cut;
  int64_t rows = short_h ? 1 : c->rp - c->short_h, columns = short_w ? 1 : c->cp - c->short_w;
  kb_loop r, s;
  if (rows <= 0 || columns <= 0) return;
  kb_range(k, &r, rows, 1, NULL, 0);
  wg_tile t = { .short_h = short_h,
                .short_w = short_w,
                .row = short_h ? kb_i64(k, c->oh - WG_SHORT)
                               : origin(w, ty, r.iv, c->oh, c->short_h) };
  kb_range(k, &s, columns, 1, NULL, 0);
  t.column = short_w ? kb_i64(k, c->ow - WG_SHORT) : origin(w, tx, s.iv, c->ow, c->short_w);
  t.index = kb_addi(k, kb_add(k, kb_muli(k, r.iv, columns), s.iv), first);
  fn(w, &t, ctx);
  kb_end(k, &s, NULL);
  kb_end(k, &r, NULL);
}

void wg_tiles(wg *w, V ty, V tx, wg_tile_fn *fn, void *ctx) {
  const mc_winograd *c = &w->cut;
  int64_t rows = c->rp - c->short_h, columns = c->cp - c->short_w, low = c->short_h ? columns : 0;
  if (c->short_h) tiles_of_kind(w, ty, tx, true, false, 0, fn, ctx);
  tiles_of_kind(w, ty, tx, false, false, low, fn, ctx);
  if (c->short_w) tiles_of_kind(w, ty, tx, false, true, low + rows * columns, fn, ctx);
  if (c->short_h && c->short_w) tiles_of_kind(w, ty, tx, true, true, c->tiles - 1, fn, ctx);
}

/* ---- the nest ---- */

static V packed_block(wg *w, V block) {
  return kb_gep(w->k, w->weights, kb_muli(w->k, block, wg_packed_bytes(w, w->cut.width)));
}

static V made_block(wg *w, V block) {
  return kb_gep(w->k, w->u,
                kb_muli(w->k, block, mc_winograd_point(&w->cut, w->cut.width) * WG_POINTS));
}

typedef struct block_ctx {
  V image, ty, tx;
} block_ctx;

/* width: channels in whole registers; cols of them exist. */
typedef void block_fn(wg *w, V block, int64_t width, int64_t cols, void *ctx);

/* fn for every block of channels; the last may have fewer. */
static void each_block(wg *w, bool split, block_fn *fn, void *ctx) {
  const mc_winograd *c = &w->cut;
  int64_t width = c->width, full = c->n / width, all = up(c->n, width);
  kb_loop l;
  if (full) {
    kl_range_part(w->g, &l, 0, full, all, 1, split);
    fn(w, l.iv, width, width, ctx);
    kb_end(w->k, &l, NULL);
  }
  if (full == all) return;
  kl_range_part(w->g, &l, full, all, all, 1, split);
  fn(w, kb_i64(w->k, full), c->npad - full * width, c->n - full * width, ctx);
  kb_end(w->k, &l, NULL);
}

static void compute_block(wg *w, V block, int64_t width, int64_t cols, void *ctx) {
  const block_ctx *b = ctx;
  if (w->cut.weights == MC_WINOGRAD_block)
    wg_products(w, w->u, packed_block(w, block), width);
  else
    wg_products(w,
                w->cut.weights == MC_WINOGRAD_ready ? packed_block(w, block) : made_block(w, block),
                NULL, width);
  wg_output(w, b->image, b->ty, b->tx, kb_muli(w->k, block, w->cut.width), width, cols);
}

static void make_block(wg *w, V block, int64_t width, int64_t cols, void *ctx) {
  (void)ctx, (void)cols;
  wg_weights(w, packed_block(w, block), made_block(w, block), width, 0, WG_WINDOW / 2,
             kb_i64(w->k, wg_units(w, width)));
}

/* Images, rows of passes where none moves back into another's rows, or blocks of channels are
 * divided among tasks. */
static void emit_passes(wg *w) {
  kb *k = w->k;
  const mc_winograd *c = &w->cut;
  bool apart = c->oh % WG_TILE == 0 && c->th % c->rp == 0;
  int64_t rows = up(c->th, c->rp), trips[3] = { c->batch, apart ? rows : 1, up(c->n, c->width) };
  int split = kl_divide(w->g, 3, trips);
  kb_loop once, image, y, x;
  kl_range(w->g, &once, 1, 1, split < 0);
  if (c->weights == MC_WINOGRAD_once) each_block(w, split == 2, make_block, NULL);
  kl_range(w->g, &image, c->batch, 1, split == 0);
  kl_range(w->g, &y, rows, 1, split == 1);
  V ty = first_tile(w, y.iv, c->rp, c->th);
  kb_range(k, &x, up(c->tw, c->cp), 1, NULL, 0);
  V tx = first_tile(w, x.iv, c->cp, c->tw);
  wg_input(w, image.iv, ty, tx);
  each_block(w, split == 2, compute_block, &(block_ctx){ image.iv, ty, tx });
  kb_end(k, &x, NULL);
  kb_end(k, &y, NULL);
  kb_end(k, &image, NULL);
  kb_end(k, &once, NULL);
}

static void place_scratch(wg *w) {
  kb *k = w->k;
  const mc_winograd *c = &w->cut;
  V base = kl_scratch(w->g);
  if (mc_plan_workers(w->g->plan, w->g->index) > 1)
    base = kb_gep(
        k, base,
        kb_muli(k, LLVMGetParam(k->fn, 2), mc_winograd_task_bytes(c))); /* every task has its own */
  w->v = base;
  w->m = kb_gepi(k, base, c->v_bytes);
  w->u = kb_gepi(k, base, c->v_bytes + c->m_bytes);
  w->tmp = kb_gepi(k, base, c->v_bytes + c->m_bytes + c->u_bytes);
}

static bool emit(kgroup *g) {
  kb *k = g->k;
  wg *w = MC_NEW(k->arena, wg);
  w->g = g;
  w->k = k;
  w->head = kl_first(g);
  const mc_type *y = w->head->out[0]->type;
  const mc_attrs_conv2d *a = MC_ATTRS(w->head, conv2d);
  w->cut = g->decision->winograd;
  w->is_signed = w->head->in[0]->type->dtype == MC_i8;
  w->pad[0] = a->pad[0], w->pad[1] = a->pad[1];
  if (!kx_init(&w->x, g, w->head, y->rank, y->dim)) return false;
  w->in = kl_view(g, w->head->in[0]);
  wg_pack(w);
  place_scratch(w);
  emit_passes(w);
  kl_fill_borders(g);
  return true;
}

bool k_emit_winograd(kgroup *g) { return emit(g); }

bool k_emit_winograd_ready(kgroup *g) { return emit(g); }
