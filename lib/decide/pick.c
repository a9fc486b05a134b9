/* Which engine computes a product, and the blocks of those on tiles: a model of cycles
 * (docs/internals/tiles.md has the figures for it). */
#include "mc/decide/gemm.h"
#include "mc/target/tuning.h"
#include <string.h>

/* Size of a product: lines of rows, rows of a line, columns, runs of K and elements of each,
 * groups, bytes of A that are read. */
typedef struct tile_size {
  int64_t lines, line, n, nrun, rlen, groups, a_bytes;
} tile_size;

/* A block of it: rows of a tile, tiles of A and of B; the order of blocks; cycles of one group by
 * the model. */
typedef struct tile_block {
  int tr, mt, nt;
  bool rows_outside;
  double cycles;
} tile_block;

void mc_tile_depth(const mc_engine *e, int64_t rlen, int *kr, int64_t *steps) {
  int64_t group = e->tile, s = (rlen + e->kr - 1) / e->kr;
  if (e->in != 'I')
    while (rlen % s || rlen / s % group) s++;
  *steps = s;
  *kr = (int)(((rlen + s - 1) / s + group - 1) / group * group);
}

/* Whether there are steps that take only elements of the run. */
static bool divides(const mc_engine *e, int64_t rlen) {
  return e->in == 'I' || rlen % e->tile == 0;
}

/* Cycles that a tile row takes to load from the cache that holds so many bytes. */
static double load_cycles(const mc_target *t, double bytes) {
  return bytes <= mc_tune.tile_room_l1 * (double)t->l1 ? mc_tune.tile_row_l1
         : bytes <= mc_tune.room_l2 * (double)t->l2    ? mc_tune.tile_row_l2
                                                       : mc_tune.tile_row_l3;
}

/* Blocks of mt x nt tiles with `steps` steps of K: loads and products overlap. */
static double block_cycles(const tile_block *b, int nt, double steps, double a_load,
                           double b_load) {
  double product = (double)b->mt * nt * (b->tr < mc_tune.tile_least ? mc_tune.tile_least : b->tr),
         loads = a_load * b->mt * b->tr + b_load * nt;
  return steps * (product > loads ? product : loads) + mc_tune.tile_start * b->mt * nt;
}

/* Two things at once: the longer, and a share of the other. */
static double beside(double a, double b, double share) {
  return a > b ? a + share * b : b + share * a;
}

/* The nest of such blocks. With columns outside, a panel of B serves all rows and A comes back for
 * every panel; with rows outside, a block of A serves all columns and B comes back, but the lines
 * of the result are written once. The first pass over B finds it where the last run left it: in L3,
 * unless it is small. */
static double nest_cycles(const mc_engine *e, const mc_target *t, const tile_size *s,
                          const tile_block *b) {
  int kr;
  int64_t steps;
  mc_tile_depth(e, s->rlen, &kr, &steps);
  double total = (double)(s->nrun ? s->nrun : 1) * (double)steps,
         k_bytes = total * kr * (e->in == 'B' ? 2 : 1), b_rows = (double)kr / e->tile;
  int64_t of_line = (s->line + b->tr - 1) / b->tr, tiles = s->lines * of_line,
          vectors = mc_gemm_vectors(s->n), row_blocks = (tiles + b->mt - 1) / b->mt,
          col_blocks = (vectors + b->nt - 1) / b->nt;
  double panel = 16 * b->nt * k_bytes, all_b = 16 * (double)vectors * k_bytes,
         a = (double)s->a_bytes;
  double a_first = load_cycles(t, a + (b->rows_outside ? 0 : panel)),
         a_again = b->rows_outside ? load_cycles(t, k_bytes * b->mt * b->tr + panel) : a_first;
  double la = (a_first + (double)(col_blocks - 1) * a_again) / (double)col_blocks, cycles = 0;
  double b_first = b_rows * load_cycles(t, all_b > mc_tune.tile_panels * (double)t->l2 ? 1e9 : 1e5),
         b_again = b_rows * load_cycles(t, b->rows_outside ? all_b : panel);
  for (int nt = b->nt; nt; nt = nt == b->nt ? (int)(vectors % b->nt) : 0) {
    double count = nt == b->nt ? (double)(vectors / b->nt) : 1,
           results =
               b->rows_outside || vectors <= b->nt ? 0 : 2.0 * b->mt * b->tr * (double)row_blocks;
    bool far = all_b > mc_tune.tile_panels * (double)t->l2,
         ahead = !b->rows_outside && row_blocks > 1 &&
                 count > 1; /* ahead: the panel before has fetched this one */
    double others = (double)(row_blocks - 1) * block_cycles(b, nt, total, la, b_again),
           first = block_cycles(b, nt, total, la, far ? b_rows * load_cycles(t, 1e5) : b_first),
           stream = far ? total * nt * b_first : 0;
    double panel_cycles = ahead ? beside(first + others, stream, mc_tune.tile_stream_ahead)
                                : beside(first, stream, mc_tune.tile_stream) + others;
    cycles += count * (panel_cycles + results);
  }
  return cycles;
}

/* The best block; whole: of those that take a line each. A line in as few tiles as it takes or some
 * more, so that tiles come out even; every shape that the 8 registers hold; both orders. */
static tile_block tile_best(const mc_engine *e, const mc_target *t, const tile_size *s,
                            bool whole) {
  static const struct {
    int mt, nt;
  } shape[] = { { 2, 2 }, { 4, 1 }, { 1, 4 }, { 3, 1 }, { 1, 3 }, { 2, 1 }, { 1, 2 }, { 1, 1 } };

  tile_block best = { .cycles = -1 };
  int64_t least = (s->line + 15) / 16;
  for (int64_t n = least; n <= least + 2 && n <= s->line; n++)
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++)
      for (int outside = 0; outside < 2; outside++) {
        tile_block b = { .tr = (int)((s->line + n - 1) / n),
                         .mt = shape[i].mt,
                         .nt = shape[i].nt,
                         .rows_outside = outside };
        if (whole && b.mt != (s->line + b.tr - 1) / b.tr) continue;
        if (b.mt > s->lines * ((s->line + b.tr - 1) / b.tr) || b.nt > mc_gemm_vectors(s->n))
          continue;
        b.cycles = nest_cycles(e, t, s, &b);
        if (best.cycles < 0 || b.cycles < mc_tune.tile_margin * best.cycles) best = b;
      }
  return best;
}

/* ---- the size of a product, from its types alone ---- */
static tile_size conv_size(const mc_node *h) {
  const mc_attrs_conv2d *c = MC_ATTRS(h, conv2d);
  const mc_type *w = h->in[1]->type, *y = h->out[0]->type;
  bool dense = c->groups == 1 && c->dilation[1] == 1,
       linear = w->dim[1] * w->dim[2] == 1 && c->stride[0] * c->stride[1] == 1;
  tile_size s = { y->dim[0] * y->dim[1], y->dim[2], w->dim[0] / c->groups,        w->dim[1],
                  w->dim[2] * w->dim[3], c->groups, mc_type_bytes(h->in[0]->type) };
  if (!dense) s.nrun *= w->dim[2], s.rlen = w->dim[3];
  if (linear) s.line *= s.lines, s.lines = 1;
  return s;
}

static tile_size transposed_size(const mc_node *h) {
  const mc_attrs_conv_transpose2d *c = MC_ATTRS(h, conv_transpose2d);
  const mc_type *w = h->in[1]->type, *y = h->out[0]->type;
  int64_t sy = c->stride[0], sx = c->stride[1];
  return (tile_size){ y->dim[0] * ((y->dim[1] + sy - 1) / sy),
                      (y->dim[2] + sx - 1) / sx,
                      w->dim[0] / c->groups,
                      ((w->dim[1] + sy - 1) / sy) * ((w->dim[2] + sx - 1) / sx),
                      w->dim[3],
                      c->groups,
                      mc_type_bytes(h->in[0]->type) };
}

static tile_size product_size(const mc_node *h) {
  if (h->op == MC_OP_conv2d) return conv_size(h);
  if (h->op == MC_OP_conv_transpose2d) return transposed_size(h);
  const mc_type *x = h->in[0]->type, *y = h->out[0]->type, *w = h->in[1]->type;
  int64_t n = y->dim[y->rank - 1], rows = mc_type_elems(y) / n,
          batches =
              h->op == MC_OP_matmul && w->rank > 2 && y->rank > 2 ? rows / y->dim[y->rank - 2] : 1;
  return (tile_size){
    batches, rows / batches, n, 1, x->dim[x->rank - 1], 1, mc_type_bytes(x) / batches
  };
}

static double tile_cycles(const mc_engine *e, const mc_target *t, const tile_size *s) {
  return (double)s->groups * tile_best(e, t, s, false).cycles + mc_tune.tile_setup;
}

/* What vectors need not multiply, and what its lists cost. */
static double left_out(const mc_target *t, const mc_node *head) {
  double share = t->sparse == MC_SPARSE_OFF ? 1 : mc_model_zeros_share(head, 1, 4);
  return share < 1 && t->sparse == MC_SPARSE_ALWAYS ? 0
         : share * mc_tune.tile_zeros < 1           ? share * mc_tune.tile_zeros
                                                    : 1;
}

/* Leaving out blocks of zeros reads less than weights of 4 bits, which are all read. */
static bool zeros_are_smaller(const mc_target *t, const mc_node *head) {
  return t->sparse != MC_SPARSE_OFF && mc_model_zeros_share(head, 1, 4) < 0.5;
}

/* Tiles take 64 elements of K and up to 16 rows, whether there are so many or not, and their sums
 * go through memory; vectors take 4 elements, two products a cycle. */
static bool tiles_win(const mc_engine *e, const mc_target *t, const tile_size *s, double share) {
  double columns = mc_nest_shares(s->groups, s->n)
                       ? (double)(s->groups * s->n / MC_GEMM_LANES)
                       : (double)s->groups * (double)mc_gemm_vectors(s->n);
  double vectors = columns * (double)(s->lines * s->line) *
                   (double)(s->nrun * ((s->rlen + 3) / 4)) *
                   (e->in == 'B' ? mc_tune.vector_step_bf16 : mc_tune.vector_step);
  return tile_cycles(e, t, s) < vectors * share;
}

double mc_tile_cycles(const mc_target *t, const mc_node *head) {
  const mc_engine *e = mc_gemm_pick(t, head, mc_engine_kind(head->in[0]->type->dtype));
  tile_size s = product_size(head);
  return e && e->tile ? tile_cycles(e, t, &s) : -1;
}

static mc_engine_need need_of(const mc_node *head, const tile_size *s, char in) {
  bool widens = (head->op == MC_OP_conv2d || head->op == MC_OP_linear) && s->lines * s->line > 1;
  return (mc_engine_need){ .in = in,
                           .is_signed = head->in[0]->type->dtype == MC_i8,
                           .widens = widens,
                           .nibbles = in == 'I' && mc_stored_direct(head),
                           .rows = s->line,
                           .rlen = s->rlen };
}

const mc_engine *mc_gemm_legal(const mc_target *t, const mc_node *head, int i) {
  tile_size s = product_size(head);
  mc_engine_need need = need_of(head, &s, mc_engine_kind(head->in[0]->type->dtype));
  return mc_engine_legal(t, &need, i);
}

const mc_engine *mc_gemm_pick(const mc_target *t, const mc_node *head, char in) {
  tile_size s = product_size(head);
  mc_engine_need need = need_of(head, &s, in);
  need.nibbles = need.nibbles && !zeros_are_smaller(t, head);
  const mc_engine *tiles = mc_engine_find_tile(t, in), *vectors = mc_engine_find(t, &need);
  if (!tiles || !s.rlen || !s.line || !divides(tiles, s.rlen) ||
      (t->engine && strcmp(t->engine, vectors->name) == 0))
    return vectors;
  bool forced = t->engine && strcmp(t->engine, tiles->name) == 0;
  return forced || tiles_win(tiles, t, &s, left_out(t, head)) ? tiles : vectors;
}

const mc_engine *mc_gemm_engine(const mc_target *t, const mc_node *group, const mc_node *head,
                                char in) {
  const char *name = MC_ATTRS(group, group)->engine;
  if (!name || !*name) return mc_gemm_pick(t, head, in);
  tile_size s = product_size(head);
  const mc_engine *e = mc_engine_find_tile(t, in);
  if (e && strcmp(e->name, name) == 0) return s.rlen && s.line && divides(e, s.rlen) ? e : NULL;
  for (int i = 0; (e = mc_gemm_legal(t, head, i)) != NULL; i++)
    if (strcmp(e->name, name) == 0) return e;
  return NULL;
}

/* Rows of A from one line to the next, where lines lie at a whole number of rows; 0: they do not.
 * Small images are one line then: what lies between lines is computed and not stored. */
static int64_t line_pitch(const mc_gemm *p) {
  int line = p->rank - 2, up = line - 1;
  if (up < p->nbatch || up < 0) return 0;
  int64_t row = p->a_stride[line], pitch = row > 0 ? p->a_stride[up] / row : 0;
  if (p->dim[up] == 1 || row <= 0 || p->a_stride[up] % row || pitch < p->dim[line]) return 0;
  return pitch;
}

void mc_tile_block(mc_gemm *p) {
  tile_size s = { .lines = 1,
                  .line = p->dim[p->rank - 2],
                  .n = p->n,
                  .nrun = p->nrun,
                  .rlen = p->rlen,
                  .groups = p->groups,
                  .a_bytes = mc_type_bytes(p->head->in[0]->type) / p->groups };
  for (int d = 0; d < p->rank - 2; d++)
    if (d >= p->nbatch)
      s.lines *= p->dim[d];
    else
      s.a_bytes /= p->dim[d];
  tile_block b = tile_best(p->e, p->ask->target, &s, false);
  int64_t pitch = line_pitch(p), rows = pitch ? (p->dim[p->rank - 3] - 1) * pitch + s.line : 0;
  p->flat = 0;
  if (pitch && rows <= 64) {
    tile_size f = s;
    f.lines /= p->dim[p->rank - 3];
    f.line = rows;
    tile_block whole = tile_best(p->e, p->ask->target, &f, true);
    if (whole.cycles >= 0 && whole.cycles < mc_tune.tile_margin * b.cycles)
      b = whole, p->flat = pitch;
  }
  p->tr = b.tr;
  p->mt = b.mt;
  p->nv = b.nt;
  p->mr = p->mt * p->tr;
  p->rows_outside = b.rows_outside;
  p->note = mc_arena_printf(
      p->arena, "engine %s, blocks of %d x %d tiles of %d rows%s, %s, K = %d x %lld", p->e->name,
      p->mt, p->nv, p->tr, p->flat ? " of all lines" : "",
      b.rows_outside ? "rows outside" : "columns outside", p->nrun, (long long)p->rlen);
}

int64_t mc_tiles_of_line(const mc_gemm *p) {
  return p->flat ? p->mt : (p->dim[p->rank - 2] + p->tr - 1) / p->tr;
}

int64_t mc_tiles_of_rows(const mc_gemm *p) {
  int64_t n = mc_tiles_of_line(p);
  for (int d = p->nbatch; d < p->rank - (p->flat ? 3 : 2); d++) n *= p->dim[d];
  return n;
}

int64_t mc_tile_unit(const mc_gemm *p) {
  return p->flat || p->dim[p->rank - 2] % p->tr ? mc_tiles_of_line(p) : 1;
}

int64_t mc_tile_units(const mc_gemm *p) { return mc_tiles_of_rows(p) / mc_tile_unit(p); }
