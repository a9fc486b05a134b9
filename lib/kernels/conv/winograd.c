/* winograd: 3x3 convolutions of 8-bit integers with 36 products for 16 results where the direct
 * form takes 144, and the same bytes.
 *
 *   for image  for pass of tiles                       (analysis/model_winograd.c cuts)
 *     v = B' d B  for every tile and channel           winograd_input
 *     for block of result channels
 *       u = G g G'                                     winograd_weights; winograd_ready: constants
 *       m[point] = v[point] * u[point]                 winograd_products: 36 products of matrices
 *       y = A' m A, made exact                         winograd_output, and the group's epilogue
 *
 * Why it is exact: with weights scaled to whole numbers everything is a sum of products of
 * integers, right modulo 2^32 (docs/internals/winograd.md). */
#include "winograd.h"

static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* ---- tiles ---- */

/* First tile of a pass; the last pass moves back so that it is whole. */
static kvalue first_tile(kwinograd *w, kvalue pass, int64_t of_pass, int64_t all) {
  kvalue at = build_mul_const(w->k, pass, of_pass);
  return all % of_pass ? build_smin(w->k, at, build_i64(w->k, all - of_pass)) : at;
}

/* First result of a whole tile along an axis of n results: the last one moves back where there are
 * no short ones. */
static kvalue origin(kwinograd *w, kvalue index, kvalue more, int64_t n, bool has_short) {
  kvalue at = build_mul_const(w->k, build_add(w->k, index, more), WINOGRAD_PATCH);
  return n % WINOGRAD_PATCH && !has_short
             ? build_smin(w->k, at, build_i64(w->k, n - WINOGRAD_PATCH))
             : at;
}

/* Tiles [0, rows) x [0, columns) of one kind, from place `first` on; short axes have one tile. */
static void tiles_of_kind(kwinograd *w, kvalue ty, kvalue tx, bool short_h, bool short_w,
                          int64_t first, kpatch_fn *fn, void *ctx) {
  kbuilder *k = w->k;
  const mc_winograd *c = &w->cut;
  int64_t rows = short_h ? 1 : c->rp - c->short_h, columns = short_w ? 1 : c->cp - c->short_w;
  kloop r, s;
  if (rows <= 0 || columns <= 0) return;
  build_range(k, &r, rows, 1, NULL, 0);
  kpatch t = { .short_h = short_h,
               .short_w = short_w,
               .row = short_h ? build_i64(k, c->oh - WINOGRAD_SHORT)
                              : origin(w, ty, r.iv, c->oh, c->short_h) };
  build_range(k, &s, columns, 1, NULL, 0);
  t.column =
      short_w ? build_i64(k, c->ow - WINOGRAD_SHORT) : origin(w, tx, s.iv, c->ow, c->short_w);
  t.index = build_add_const(k, build_add(k, build_mul_const(k, r.iv, columns), s.iv), first);
  fn(w, &t, ctx);
  build_end(k, &s, NULL);
  build_end(k, &r, NULL);
}

void winograd_patches(kwinograd *w, kvalue ty, kvalue tx, kpatch_fn *fn, void *ctx) {
  const mc_winograd *c = &w->cut;
  int64_t rows = c->rp - c->short_h, columns = c->cp - c->short_w, low = c->short_h ? columns : 0;
  if (c->short_h) tiles_of_kind(w, ty, tx, true, false, 0, fn, ctx);
  tiles_of_kind(w, ty, tx, false, false, low, fn, ctx);
  if (c->short_w) tiles_of_kind(w, ty, tx, false, true, low + rows * columns, fn, ctx);
  if (c->short_h && c->short_w) tiles_of_kind(w, ty, tx, true, true, c->tiles - 1, fn, ctx);
}

/* ---- the nest ---- */

static kvalue packed_block(kwinograd *w, kvalue block) {
  return build_address(w->k, w->weights,
                       build_mul_const(w->k, block, winograd_packed_bytes(w, w->cut.width)));
}

static kvalue made_block(kwinograd *w, kvalue block) {
  return build_address(
      w->k, w->u,
      build_mul_const(w->k, block, mc_winograd_point(&w->cut, w->cut.width) * WINOGRAD_POINTS));
}

typedef struct block_ctx {
  kvalue image, ty, tx;
} block_ctx;

/* width: channels in whole registers; cols of them exist. */
typedef void block_fn(kwinograd *w, kvalue block, int64_t width, int64_t cols, void *ctx);

/* fn for every block of channels; the last may have fewer. */
static void each_block(kwinograd *w, bool split, block_fn *fn, void *ctx) {
  const mc_winograd *c = &w->cut;
  int64_t width = c->width, full = c->n / width, all = up(c->n, width);
  kloop l;
  if (full) {
    split_range_part(w->g, &l, 0, full, all, 1, split);
    fn(w, l.iv, width, width, ctx);
    build_end(w->k, &l, NULL);
  }
  if (full == all) return;
  split_range_part(w->g, &l, full, all, all, 1, split);
  fn(w, build_i64(w->k, full), c->npad - full * width, c->n - full * width, ctx);
  build_end(w->k, &l, NULL);
}

static void compute_block(kwinograd *w, kvalue block, int64_t width, int64_t cols, void *ctx) {
  const block_ctx *b = ctx;
  if (w->cut.weights == MC_WINOGRAD_block)
    winograd_products(w, w->u, packed_block(w, block), width);
  else
    winograd_products(
        w, w->cut.weights == MC_WINOGRAD_ready ? packed_block(w, block) : made_block(w, block),
        NULL, width);
  winograd_output(w, b->image, b->ty, b->tx, build_mul_const(w->k, block, w->cut.width), width,
                  cols);
}

static void make_block(kwinograd *w, kvalue block, int64_t width, int64_t cols, void *ctx) {
  (void)ctx, (void)cols;
  winograd_weights(w, packed_block(w, block), made_block(w, block), width, 0, WINOGRAD_WINDOW / 2,
                   build_i64(w->k, winograd_units(w, width)));
}

/* Images, rows of passes where none moves back into another's rows, or blocks of channels are
 * divided among tasks. */
static void emit_passes(kwinograd *w) {
  kbuilder *k = w->k;
  const mc_winograd *c = &w->cut;
  bool apart = c->oh % WINOGRAD_PATCH == 0 && c->th % c->rp == 0;
  int64_t rows = up(c->th, c->rp), trips[3] = { c->batch, apart ? rows : 1, up(c->n, c->width) };
  int split = split_choose(w->g, 3, trips);
  kloop once, image, y, x;
  split_range(w->g, &once, 1, 1, split < 0);
  if (c->weights == MC_WINOGRAD_once) each_block(w, split == 2, make_block, NULL);
  split_range(w->g, &image, c->batch, 1, split == 0);
  split_range(w->g, &y, rows, 1, split == 1);
  kvalue ty = first_tile(w, y.iv, c->rp, c->th);
  build_range(k, &x, up(c->tw, c->cp), 1, NULL, 0);
  kvalue tx = first_tile(w, x.iv, c->cp, c->tw);
  winograd_input(w, image.iv, ty, tx);
  each_block(w, split == 2, compute_block, &(block_ctx){ image.iv, ty, tx });
  build_end(k, &x, NULL);
  build_end(k, &y, NULL);
  build_end(k, &image, NULL);
  build_end(k, &once, NULL);
}

static void place_scratch(kwinograd *w) {
  kbuilder *k = w->k;
  const mc_winograd *c = &w->cut;
  kvalue base = group_scratch(w->g);
  if (mc_plan_workers(w->g->plan, w->g->index) > 1)
    base = build_address(k, base,
                         build_mul_const(k, LLVMGetParam(k->fn, 2),
                                         mc_winograd_task_bytes(c))); /* every task has its own */
  w->v = base;
  w->m = build_offset(k, base, c->v_bytes);
  w->u = build_offset(k, base, c->v_bytes + c->m_bytes);
  w->tmp = build_offset(k, base, c->v_bytes + c->m_bytes + c->u_bytes);
}

static bool emit(kgroup *g) {
  kbuilder *k = g->k;
  kwinograd *w = MC_NEW(k->arena, kwinograd);
  w->g = g;
  w->k = k;
  w->head = group_first(g);
  const mc_type *y = w->head->out[0]->type;
  const mc_attrs_conv2d *a = MC_ATTRS(w->head, conv2d);
  w->cut = g->decision->winograd;
  w->is_signed = w->head->in[0]->type->dtype == MC_i8;
  w->pad[0] = a->pad[0], w->pad[1] = a->pad[1];
  if (!epilogue_init(&w->x, g, w->head, y->rank, y->dim)) return false;
  w->in = view_of(g, w->head->in[0]);
  winograd_pack(w);
  place_scratch(w);
  emit_passes(w);
  fill_borders(g);
  return true;
}

bool family_emit_winograd(kgroup *g) { return emit(g); }

bool family_emit_winograd_ready(kgroup *g) { return emit(g); }
