/* Winograd's F(4x4, 3x3) on 8-bit integers: passes, blocks, and the time they take.
 * docs/internals/winograd.md and docs/internals/cost-model.md, "Winograd". */
#include "mc/analysis/winograd.h"
#include "mc/target/tuning.h"
#include "model.h"

enum { LINE = 64 };

enum { most_tiles = 16 }; /* of a block of products */

static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

static bool fused(const mc_target *t) {
  return t->isa & (MC_ISA_BIT(avx512vnni) | MC_ISA_BIT(avxvnni));
}

void mc_winograd_range(const mc_winograd *w, bool row, bool column, int64_t *from, int64_t *to) {
  int64_t rows = w->rp - w->short_h, columns = w->cp - w->short_w, low = w->short_h ? columns : 0,
          whole = low + rows * columns;
  *from = row ? low : 0;
  *to = column ? whole : row ? whole + (w->short_w ? rows : 0) : w->tiles;
}

int64_t mc_winograd_point(const mc_winograd *w, int64_t width) {
  return w->c * width * 2 + (w->weights == MC_WINOGRAD_ready ? 0 : LINE);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Registers of sums of a tile in a block. */
static int regs_of(const mc_winograd *w) { return (int)(w->width / w->lanes); }

/* Steps follow one another: parts add up. */
static void winograd_finish(mc_estimate *e) {
  e->cycles = 0;
  e->bound = MC_PART_compute;
  for (int i = 0; i < MC_NUM_PARTS; i++) {
    e->cycles += e->part[i];
    if (e->part[i] > e->part[e->bound]) e->bound = (mc_part)i;
  }
}

/* Cycles of one step of a block, kr channels: products, loads, the latency of sums that wait for
 * themselves. */
static double step_cycles(const mc_winograd *w, const mc_target *t, int mr) {
  double rate = mc_target_rate(t, mc_model_rate(MC_ARITH_int8, t)),
         words = fused(t) ? rate / 2 : rate,
         loads = mr / (t->machine->loads > 2 ? t->machine->loads : 2) +
                 regs_of(w) / t->machine->loads; /* a number for all lanes is no wide load */
  double products = (double)(mr * w->width * w->kr) / words,
         step = products > loads ? products + loads * mc_tune.winograd_loads
                                 : loads + products * mc_tune.winograd_loads;
  return step > t->machine->latency ? step : t->machine->latency;
}

/* Cycles of the products of one point, nv vectors and `tiles` tiles, in blocks of mr: the last
 * block takes what is left. */
static double point_cycles(const mc_winograd *w, const mc_target *t, int64_t tiles, int mr) {
  double steps = (double)(w->c / w->kr),
         sums = mc_tune.winograd_stores * regs_of(w) / t->machine->stores,
         full = steps * step_cycles(w, t, mr) + sums * mr + mc_tune.winograd_block;
  int64_t rest = tiles % mr;
  return full * (double)(tiles / mr) +
         (rest ? steps * step_cycles(w, t, (int)rest) + sums * (double)rest + mc_tune.winograd_block
               : 0);
}

static bool fits(const mc_winograd *w, const mc_target *t, int mr) {
  int regs = t->arch == MC_ARCH_aarch64 || (t->isa & MC_ISA_BIT(avx512))
                 ? 28
                 : 16; /* of 32: with all of them taken blocks are 3 % slower */
  return mr * regs_of(w) + regs_of(w) + 1 + !fused(t) <= regs;
}

/* All points of a pass and one block of channels; fills mr. */
static double products_cycles(mc_winograd *w, const mc_target *t) {
  double all = 0;
  for (int row = 0; row < 2; row++)
    for (int column = 0; column < 2; column++) {
      int64_t from, to;
      double best = 0;
      mc_winograd_range(w, row, column, &from, &to);
      for (int mr = 1; mr <= most_tiles && mr <= to - from && fits(w, t, mr); mr++) {
        double here = point_cycles(w, t, to - from, mr);
        if (best > 0 && here >= best) continue;
        best = here;
        w->mr[row][column] = mr;
      }
      all += best * (row ? 2 : 4) * (column ? 2 : 4);
    }
  return all;
}

static double share(int64_t units, int tasks) {
  return (double)(up(units, tasks) * tasks) / (double)units;
}

/* Work that the division among tasks leaves uneven: rows of passes where none moves back, images,
 * or blocks of channels. */
static double uneven(const mc_winograd *w, int tasks) {
  if (tasks <= 1) return 1;
  bool apart = w->oh % MC_WINOGRAD_TILE == 0 && w->th % w->rp == 0;
  double best = share(w->batch, tasks), rows = apart ? share(w->th / w->rp, tasks) : best,
         blocks = share(up(w->n, w->width), tasks);
  if (rows < best) best = rows;
  return blocks < best ? blocks : best;
}

static void set_bytes(mc_winograd *w, const mc_target *t, int64_t passes) {
  int64_t width = w->width, blocks = up(w->n, width);
  w->v_point = w->tiles * w->c * 2 + LINE;
  w->m_point = w->tiles * width * 4 + LINE;
  w->v_bytes = MC_WINOGRAD_POINTS * w->v_point;
  w->m_bytes = MC_WINOGRAD_POINTS * w->m_point;
  w->tmp_bytes = MC_WINOGRAD_POINTS * LINE;
  if (w->weights != MC_WINOGRAD_ready)
    w->weights = passes > 1 && (double)(w->n * w->c * 2 * MC_WINOGRAD_POINTS) <
                                   mc_tune.room_l2 * (double)t->l2
                     ? MC_WINOGRAD_once
                     : MC_WINOGRAD_block;
  w->u_point = mc_winograd_point(w, width);
  w->u_bytes = w->weights == MC_WINOGRAD_ready
                   ? 0
                   : w->u_point * (w->weights == MC_WINOGRAD_once ? MC_WINOGRAD_POINTS * blocks
                                                                  : 2 * MC_WINOGRAD_WINDOW);
}

/* Registers of the channels of a pixel; where they fill no whole ones, 16 and a last 8 at a time.
 */
static double input_registers(const mc_winograd *w) {
  return (double)(w->c - w->c % KMODEL_LANES) / w->wide + (w->c % KMODEL_LANES ? 1 : 0);
}

/* The transforms of one pass: what is written there leaves L1 for lines of L2, and is read back. */
static void transforms(mc_estimate *e, const mc_winograd *w, const mc_target *t, double times) {
  double tiles = times * (double)w->tiles;
  e->part[MC_PART_epilogue] += tiles *
                               (input_registers(w) * mc_tune.winograd_input +
                                (double)(w->npad / w->lanes) * mc_tune.winograd_output) /
                               t->machine->alu;
  double near = (double)w->m_bytes / (4.0 * (double)t->l1),
         sums = (near < 1 ? near : 1) * 4 *
                (double)w->n; /* products of a small pass and block are still in L1 */
  model_traffic(e, t, MC_PART_L2,
                mc_tune.winograd_moved * tiles * (int)MC_WINOGRAD_POINTS *
                    (2 * 2 * (double)w->c + sums));
}

/* Weights made, `times` over. */
static void making(mc_estimate *e, const mc_winograd *w, const mc_target *t, double times) {
  double pairs = times * (double)(w->c * w->n);
  e->part[MC_PART_epilogue] += pairs / w->wide * mc_tune.winograd_weights / t->machine->alu;
  model_traffic(e, t, MC_PART_L2, pairs * (int)MC_WINOGRAD_POINTS * 2);
}

static bool short_end(int64_t results, int64_t tiles, int64_t of_pass) {
  int64_t rest = results % MC_WINOGRAD_TILE;
  return of_pass == tiles && (rest == 1 || rest == 2);
}

/* Everything for the pass and block that w names. */
static void estimate(mc_winograd *w, const mc_target *t, int tasks) {
  int64_t passes = w->batch * up(w->th, w->rp) * up(w->tw, w->cp);
  w->tiles = w->rp * w->cp;
  w->short_h = short_end(w->oh, w->th, w->rp);
  w->short_w = short_end(w->ow, w->tw, w->cp);
  set_bytes(w, t, passes);
  mc_estimate e = { 0 };
  double times = (double)passes * uneven(w, tasks), blocks = (double)w->npad / (double)w->width,
         all = 2.0 * (int)MC_WINOGRAD_POINTS * (double)(w->c * w->n);
  e.part[MC_PART_compute] =
      times * blocks * products_cycles(w, t) * (1 + mc_tune.winograd_wide * (w->nv - 1));
  transforms(&e, w, t, times);
  if (w->weights == MC_WINOGRAD_ready)
    model_traffic(&e, t,
                  all < mc_tune.winograd_ready_l2 * (double)t->l2   ? MC_PART_L2
                  : all < mc_tune.winograd_ready_l3 * (double)t->l3 ? MC_PART_L3
                                                                    : MC_PART_DRAM,
                  times * all);
  if (w->weights != MC_WINOGRAD_ready)
    model_traffic(&e, t, MC_PART_L2, mc_tune.winograd_stream * times * all);
  if (w->weights != MC_WINOGRAD_ready)
    making(&e, w, t, w->weights == MC_WINOGRAD_once ? uneven(w, tasks) : times);
  double near = mc_tune.winograd_room_l2 * (double)t->l2,
         used = (double)(w->v_bytes + w->m_bytes +
                         (w->weights == MC_WINOGRAD_ready ? w->u_point * MC_WINOGRAD_POINTS
                                                          : w->u_bytes));
  if (used < mc_tune.winograd_little * (double)t->l2)
    e.part[MC_PART_L2] *= mc_tune.winograd_little_share;
  else
    model_traffic(&e, t, MC_PART_L3, used); /* other layers have used the cache since */
  if (used > near)
    model_traffic(&e, t, MC_PART_L3, mc_tune.winograd_far * times * blocks * (used - near));
  winograd_finish(&e);
  w->estimate = e;
}

mc_winograd mc_winograd_cut(const mc_node *head, const mc_target *t, int tasks, bool ready) {
  enum { MOST_TILES = 112, MOST_VECTORS = 4 };

  const mc_type *x = head->in[0]->type, *y = head->out[0]->type;
  mc_winograd w = { .weights = ready ? MC_WINOGRAD_ready : MC_WINOGRAD_block,
                    .batch = y->dim[0],
                    .c = up(x->dim[3], MC_WINOGRAD_CHANNELS) * MC_WINOGRAD_CHANNELS,
                    .n = y->dim[3],
                    .oh = y->dim[1],
                    .ow = y->dim[2] },
              best = { 0 };
  w.th = up(w.oh, MC_WINOGRAD_TILE), w.tw = up(w.ow, MC_WINOGRAD_TILE);
  w.lanes = t->vector_bytes / 4;
  w.parts = KMODEL_LANES / w.lanes;
  w.npad = up(w.n, w.lanes) * w.lanes;
  w.kr = t->arch == MC_ARCH_x86_64 ? 2 : 1;
  w.wide = t->vector_bytes / 2;
  for (w.nv = 1; w.nv <= MOST_VECTORS && w.nv <= up(w.n, KMODEL_LANES); w.nv++) {
    w.width = least(w.npad, w.nv * KMODEL_LANES);
    if (!fits(&w, t, 1)) break;
    for (w.cp = 1; w.cp <= w.tw && w.cp <= MOST_TILES; w.cp++)
      for (w.rp = 1; w.rp <= w.th && w.rp * w.cp <= MOST_TILES; w.rp++) {
        estimate(&w, t, tasks);
        bool over = w.v_bytes + w.m_bytes + w.u_bytes > 4 * (int64_t)t->l2;
        if (best.nv && (over || w.estimate.cycles >= best.estimate.cycles)) continue;
        best = w;
      }
  }
  return best;
}

mc_estimate model_winograd(const mc_node *head, const mc_target *t, bool ready, double ops,
                           int64_t weights) {
  mc_winograd w = mc_winograd_cut(head, t, 1, ready);
  mc_estimate e = w.estimate;
  double bytes = (double)(w.c * w.n) * (ready ? 2 * MC_WINOGRAD_POINTS : 9);
  e.part[MC_PART_epilogue] +=
      (double)(w.batch * w.oh * w.ow * w.n) / w.lanes * ops / t->machine->alu;
  model_traffic(&e, t, model_level(t, (double)weights > bytes ? (double)weights : bytes), bytes);
  winograd_finish(&e);
  return e;
}

bool mc_winograd_plain(const mc_node *n) {
  if (n->op != MC_OP_conv2d) return false;
  const mc_attrs_conv2d *c = MC_ATTRS(n, conv2d);
  const mc_type *w = n->in[1]->type;
  bool steps = c->stride[0] == 1 && c->stride[1] == 1 && c->dilation[0] == 1 && c->dilation[1] == 1;
  return w->dim[1] == 3 && w->dim[2] == 3 && steps && c->groups == 1;
}

const char *mc_winograd_unsuited(const mc_node *n, const mc_target *t) {
  const mc_type *x = n->in[0]->type, *y = n->out[0]->type;
  if (x->dim[3] < MC_WINOGRAD_CHANNELS || y->dim[3] < MC_WINOGRAD_CHANNELS)
    return "it has fewer than 8 channels";
  if (y->dim[1] < 4 || y->dim[2] < 4) return "its result is smaller than 4x4";
  if (t->arch == MC_ARCH_aarch64 && (t->isa & MC_ISA_BIT(dotprod)))
    return "the target's 8-bit dot products are faster";
  return t->isa & MC_ISA_BIT(amx_int8) ? "the target's tiles are faster" : NULL;
}
