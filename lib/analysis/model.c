/* The cost of a nest of products. docs/internals/cost-model.md, "Products". */
#include "mc/analysis/model.h"
#include "mc/target/tuning.h"
#include "model.h"

/* Share of a transfer that a longer part does not hide. */
static double exposed(mc_part level) {
  const double share[] = { [MC_PART_L1] = mc_tune.exposed_l1,
                           [MC_PART_L2] = mc_tune.exposed_l2,
                           [MC_PART_L3] = mc_tune.exposed_l3,
                           [MC_PART_DRAM] = mc_tune.exposed_dram };
  return share[level];
}

static const char *const part_names[] = { "compute", "epilogue", "L1",      "L2",
                                          "L3",      "DRAM",     "overhead" };

const char *mc_part_name(mc_part p) { return part_names[p]; }

double mc_model_us(const mc_target *t, double cycles) { return cycles / (t->machine->ghz * 1e3); }

static double up(int64_t n, int64_t by) { return (double)((n + by - 1) / by); }

static double most(double a, double b) { return a > b ? a : b; }

/* Registers for 16 columns of accumulators (or of B). */
static double group_regs(const mc_target *t) { return 64.0 / t->vector_bytes; }

/* The level that `bytes` come back from when they are used again and again; half of a cache counts,
 * the rest is other data's. */
mc_part model_level(const mc_target *t, double bytes) {
  if (bytes <= mc_tune.room_l1 * (double)t->l1) return MC_PART_L1;
  if (bytes <= mc_tune.room_l2 * (double)t->l2) return MC_PART_L2;
  return bytes <= mc_tune.room_l3 * (double)t->l3 ? MC_PART_L3 : MC_PART_DRAM;
}

void model_traffic(mc_estimate *e, const mc_target *t, mc_part level, double bytes) {
  const mc_machine *m = t->machine;
  const double rate[] = {
    [MC_PART_L1] = m->l1, [MC_PART_L2] = m->l2, [MC_PART_L3] = m->l3, [MC_PART_DRAM] = m->dram
  };
  e->part[level] += bytes / rate[level];
}

/* Beyond L2 a line is read before it is written, and written back. */
void model_result(mc_estimate *e, const mc_target *t, mc_part level, double bytes) {
  model_traffic(e, t, level, level >= MC_PART_L3 ? 2 * bytes : bytes);
}

/* Arithmetic and epilogue share the core; memory runs beside it. */
mc_part mc_estimate_longest(const mc_estimate *e) {
  double longest = e->part[MC_PART_compute] + e->part[MC_PART_epilogue];
  mc_part most =
      e->part[MC_PART_compute] >= e->part[MC_PART_epilogue] ? MC_PART_compute : MC_PART_epilogue;
  for (int p = MC_PART_L1; p <= MC_PART_DRAM; p++)
    if (e->part[p] > longest) longest = e->part[p], most = (mc_part)p;
  return e->part[MC_PART_overhead] > longest ? MC_PART_overhead : most;
}

void model_finish(mc_estimate *e) {
  double core = e->part[MC_PART_compute] + e->part[MC_PART_epilogue], longest = core,
         seen = mc_tune.exposed_core * core, own = seen;
  for (int p = MC_PART_L1; p <= MC_PART_DRAM; p++) {
    seen += exposed((mc_part)p) * e->part[p];
    if (e->part[p] > longest) longest = e->part[p], own = exposed((mc_part)p) * e->part[p];
  }
  e->bound = mc_estimate_longest(e);
  e->cycles = longest + seen - own + e->part[MC_PART_overhead];
}

double mc_model_stream(const mc_target *t, double footprint, double in, double out) {
  mc_estimate e = { 0 };
  mc_part level = model_level(t, footprint);
  model_traffic(&e, t, level, in);
  model_result(&e, t, level, out);
  return exposed(level) * e.part[level];
}

bool mc_nest_fits(const mc_nest *n, const mc_target *t, int spare) {
  int regs = t->arch == MC_ARCH_aarch64 || (t->isa & MC_ISA_BIT(avx512)) ? 32 : 16,
      b = (int)(n->nv * group_regs(t));
  return n->mr * b + (n->mr == 1 ? 1 : b) + spare + (n->ku > 1 ? n->mr : 0) <= regs;
}

/* Vector instructions that prepare a row of A and a register of B. Before AVX no load repeats an
 * element, before SSE4.1 none widens bytes. */
static double prepares(const mc_nest *n, const mc_target *t, double regs) {
  bool x86 = t->arch == MC_ARCH_x86_64;
  double row = mc_rate_row(n->rate), wide = mc_rate_wide(n->rate);
  if (x86 && row < 1 && !(t->isa & MC_ISA_BIT(avx2))) row = 1;
  if (x86 && wide > 0 && !(t->isa & MC_ISA_BIT(sse41))) wide++;
  return n->mr * row + regs * (wide + n->unpack);
}

/* Sets of sums that a kernel keeps which leaves blocks out, so that few sums do not wait for
 * themselves. */
static double ways(const mc_nest *n, const mc_target *t) {
  double sums = n->mr * n->nv * group_regs(t);
  return !n->unit || sums >= 6 ? 1 : sums >= 3 ? 2 : 4;
}

static double share_of(const mc_nest *n) {
  if (n->unit == MC_ZERO_PICK) return mc_zeros_picked(&n->zeros, n->nv, mc_rate_depth(n->rate));
  return n->unit ? mc_zeros_share(&n->zeros, n->nv, n->unit) : 1;
}

bool mc_rate_picks(mc_rate r, const mc_target *t) {
  if (r == MC_RATE_pmaddw) return (t->isa & MC_ISA_BIT(sse41)) != 0;
  return r == MC_RATE_avxvnni || r == MC_RATE_vnni || r == MC_RATE_sdot || r == MC_RATE_sudot;
}

/* One step of a block: depth products for mr rows and `regs` registers of columns, of which
 * `unused` are not multiplied. */
static double step_cycles(const mc_nest *n, const mc_target *t, double regs, double unused,
                          int depth) {
  const mc_machine *m = t->machine;
  double products = n->mr * (regs - unused) / group_regs(t) * (int)KMODEL_LANES * depth /
                    mc_target_rate(t, n->rate);
  bool single =
      n->unit && n->unit < depth * n->ku; /* a block is shorter than what one load of A brings: each
                                             step loads, and spreads, its own */
  bool picks = n->unit == MC_ZERO_PICK;   /* a shuffle for each row, and the step's mask */
  double a = (double)n->mr / (n->ku > 1 && !single && !picks ? n->ku : 1),
         loads = a + regs * (depth == 8 ? 2 : 1); /* smmla: 16 columns of depth 8 are 8 registers of
                                                     B, for 4 of sums in a row */
  double arithmetic = n->mr * regs * mc_rate_ops(n->rate) + prepares(n, t, regs) +
                      (single ? 2 * n->mr * mc_rate_row(n->rate) : 0) + (picks ? n->mr : 0),
         issue = (arithmetic + loads + 1) / m->issue;
  return most(most(products, loads / m->loads),
              most(most(arithmetic / m->alu, issue), m->latency / ways(n, t))) +
         mc_tune.step_load * loads;
}

/* Bytes of a row that fill less than 16 columns: they are narrowed as if all were there, and stored
 * in pieces of powers of two. */
static double narrow_ops(const mc_nest *n, const mc_target *t, double regs) {
  bool bytes =
      t->arch == MC_ARCH_x86_64 && t->vector_bytes <= 32 && mc_rate_arith(n->rate) == MC_ARITH_int8;
  int64_t rest = (n->cols - 1) % KMODEL_LANES + 1;
  if (!bytes || n->cols >= KMODEL_LANES || rest == KMODEL_LANES) return 0;
  double pieces = (double)((rest >> 3 & 1) + (rest >> 2 & 1) + (rest >> 1 & 1) + (rest & 1));
  return regs < group_regs(t) ? 3 + 2 * (pieces - 1) : 2 * (pieces - 1);
}

/* Products and epilogue of a block. An epilogue waits for the last products, and the next block's
 * products wait for nothing: the core does both at once as far as it looks ahead. */
static void add_block(mc_estimate *e, const mc_nest *n, const mc_target *t, double regs,
                      double unused, double times) {
  const mc_machine *m = t->machine;
  int depth = mc_rate_depth(n->rate);
  double products = (double)n->k / depth * step_cycles(n, t, regs, unused, depth);
  if (n->unit)
    products =
        share_of(n) * (products + (double)n->k / (n->unit == MC_ZERO_PICK ? depth : n->unit) *
                                      mc_tune.zeros_unit / t->machine->issue) +
        mc_tune.zeros_start;
  double ops = regs * n->epilogue + narrow_ops(n, t, regs);
  double epilogue = n->mr * ops / m->alu, ahead = m->window / m->issue;
  double both = products < epilogue ? products : epilogue;
  e->part[MC_PART_compute] += times * products;
  e->part[MC_PART_epilogue] +=
      times *
      (epilogue - (n->interleaved
                       ? (depth >= 32 ? mc_tune.interleaved_tiles : mc_tune.interleaved) * both
                       : mc_tune.hidden * (both < ahead ? both : ahead)));
}

/* Parts of the core: all blocks of all columns. */
static void core_parts(mc_estimate *e, const mc_nest *n, const mc_target *t) {
  int64_t width = n->nv * KMODEL_LANES, rest = (n->cols - 1) % width + 1,
          full = (n->cols - rest) / width;
  bool tiles = mc_rate_depth(n->rate) >= 32;
  double blocks = (double)n->outer * (double)n->groups * up(n->rows, n->mr), all = group_regs(t);
  double half = n->rate == MC_RATE_vnni && (n->cols - 1) % KMODEL_LANES < KMODEL_LANES / 2
                    ? 0.5
                    : 0; /* vpdpbusd on half of the last vector */
  if (full) add_block(e, n, t, n->nv * all, 0, blocks * (double)full);
  add_block(e, n, t, tiles ? up(rest, KMODEL_LANES) * all : up(rest, t->vector_bytes / 4), half,
            blocks);
}

static double panel_bytes(const mc_nest *n) {
  return share_of(n) * (double)((n->cols + KMODEL_LANES - 1) / KMODEL_LANES * KMODEL_LANES * n->k) *
         n->b_bytes;
}

mc_part mc_nest_weights(const mc_nest *n, const mc_target *t, int64_t weights) {
  return model_level(t, most((double)weights, panel_bytes(n) * (double)n->groups) +
                            (double)(n->in + n->out));
}

/* Bytes: weights once from where the run keeps them, and again for each block of rows from where a
 * block of columns fits; the input once per block of columns. */
static void memory_parts(mc_estimate *e, const mc_nest *n, const mc_target *t, int64_t weights) {
  int64_t vectors = (n->cols + KMODEL_LANES - 1) / KMODEL_LANES,
          nv = n->nv < vectors ? n->nv : vectors;
  double panel = panel_bytes(n), all = panel * (double)n->groups,
         column = share_of(n) * (double)(nv * KMODEL_LANES * n->k) * n->b_bytes;
  double passes = (double)n->outer * up(n->rows, n->mr), columns = up(vectors, nv),
         rows = (double)n->in / most(1, passes);
  model_traffic(e, t, mc_nest_weights(n, t, weights), all);
  mc_part again = model_level(t, n->rows_outer ? panel : column + rows),
          activations = model_level(t, (double)(n->in + n->out) + all);
  if (again > MC_PART_L1 && passes > 1) model_traffic(e, t, again, all * (passes - 1));
  model_traffic(e, t, activations, (double)n->in + (double)n->extra);
  model_result(e, t, activations, (double)n->out);
  mc_part reread = n->rows_outer ? MC_PART_L1 : model_level(t, (double)n->in + column);
  if (reread > MC_PART_L1 && columns > 1)
    model_traffic(e, t, reread, (double)n->in * (columns - 1));
}

mc_estimate mc_model_nest(const mc_nest *n, const mc_target *t, int64_t weights) {
  mc_estimate e = { 0 };
  core_parts(&e, n, t);
  memory_parts(&e, n, t, weights);
  e.part[MC_PART_overhead] = mc_tune.call + mc_tune.pack * (double)n->packed;
  model_finish(&e);
  return e;
}

mc_rate mc_model_rate(mc_arith how, const mc_target *t) {
  mc_rate best = mc_target_best(t, how);
  return best == MC_NUM_RATES ? MC_RATE_f32 : best;
}

mc_estimate mc_model_nest_unit(mc_nest *n, const mc_target *t, int64_t weights, int64_t rlen) {
  n->unit = 0;
  mc_estimate least = mc_model_nest(n, t, weights);
  int best = 0, depth = mc_rate_depth(n->rate);
  bool always = t->sparse == MC_SPARSE_ALWAYS;
  if (!n->zeros.all[0][0] || t->sparse == MC_SPARSE_OFF || n->nv > MC_ZERO_WIDTHS) return least;
  for (int u = depth; u < 1 << MC_ZERO_UNITS; u *= 2) {
    if (rlen % u) continue;
    n->unit = u;
    mc_estimate e = mc_model_nest(n, t, weights);
    if (!(always && !best) && e.cycles >= (best ? 1 : mc_tune.zeros_margin) * least.cycles)
      continue;
    least = e;
    best = u;
  }
  if (mc_rate_picks(n->rate, t)) {
    n->unit = MC_ZERO_PICK;
    mc_estimate e = mc_model_nest(n, t, weights);
    if (e.cycles < (best ? 1 : mc_tune.zeros_margin) * least.cycles) least = e, best = MC_ZERO_PICK;
  }
  n->unit = best;
  return least;
}

/* The block that costs least, over all that fit into registers. */
mc_estimate model_best_block(mc_nest *n, const mc_target *t, int64_t weights) {
  mc_nest best = *n;
  mc_estimate least = { 0 };
  bool tiles = mc_rate_depth(n->rate) >= 32; /* accumulators in tiles: 32 x 32 */
  for (n->nv = tiles ? 2 : 1; n->nv <= (tiles ? 2 : 8); n->nv++)
    for (n->mr = tiles ? (n->rows < 32 ? (int)n->rows : 32) : 1;
         n->mr <= (tiles ? 32 : 14) && n->mr <= n->rows; n->mr++) {
      bool first = n->mr == 1 && n->nv == 1;
      if (!tiles && !first && !mc_nest_fits(n, t, 1)) continue;
      mc_estimate e = mc_model_nest_unit(
          n, t, weights, mc_rate_arith(n->rate) == MC_ARITH_int8 ? 0 : n->k / n->runs);
      if (least.cycles > 0 && e.cycles >= least.cycles) continue;
      least = e;
      best = *n;
    }
  *n = best;
  return least;
}
