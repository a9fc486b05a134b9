/* The block of a nest: what fits, what each costs by the model, and what a group's `blocking`
 * attribute asks for. docs/internals/cost-model.md, "Blocks". */
#include "mc/decide/gemm.h"
#include "mc/target/tuning.h"
#include <stdlib.h>
#include <string.h>

/* Blocks of more than 8 rows are as good by every count of the model and slower by the clock: 77.3
 * ms against 73.0 for ResNet-50 in fp32, 7.55 against 7.44 for ResNet-18 in INT8 (Zen 4). Nobody is
 * kept from asking for them. */
enum { MAX_ROWS = 14, MAX_ROWS_CHOSEN = 8, MAX_VECTORS = 8 };

static bool fits(const mc_gemm *p, int mr, int nv) {
  const mc_target *t = p->ask->target;
  int64_t lanes = mc_engine_lanes(p->e, t),
          columns = p->n < (int64_t)nv * MC_GEMM_LANES ? p->n : (int64_t)nv * MC_GEMM_LANES;
  int groups = (int)((columns + lanes - 1) / lanes), b = groups * mc_engine_group_regs(p->e, t),
      rows = mc_gemm_acc_rows(p, mr);
  if (mr == 1 && nv == 1) return true;
  if ((mc_engine_widens_b(p->e) || (p->stored && !p->direct) || p->stored_else) &&
      nv > MC_WIDEN_VECTORS)
    return false;
  if (nv > 4 && mr > 1) return false; /* wide epilogues leave no registers for their scales */
  if (mr > 1 && mr % p->e->rows)
    return false; /* half of the last accumulators would be thrown away */
  int wide = mc_engine_operand_regs(p->e),
      flips =
          rows == 1 && p->e->ku > 1 && p->flip ? 2 : 0; /* one row: all other registers are sums,
                                                           and 0x80 and what it flips need theirs */
  return rows * b + wide * (rows == 1 || p->e->rows > 1 ? 1 : b) + p->e->spare + flips +
                 (p->e->ku > 1 ? wide * mr : wide - 1) <=
             mc_engine_regs(t) &&
         rows * groups <= MC_GEMM_SUMS;
}

/* What the model is to be asked; mr and nv are still open. */
static mc_nest nest_of(const mc_gemm *p, int64_t rows) {
  mc_nest n = { 0 };
  mc_nest_of_group(&n, p->ask->group, p->ask->target);
  mc_rate rate = p->e->rate;
  if (mc_target_rate(p->ask->target, rate) > 0) n.rate = rate;
  n.rows = rows;
  n.outer = 1;
  if (p->ask->by_images) n.in /= p->ask->tasks, n.extra /= p->ask->tasks, n.out /= p->ask->tasks;
  for (int d = p->ask->by_images; d < p->rank - 2; d++) n.outer *= p->dim[d];
  n.cols = p->n;
  n.groups = p->groups;
  n.runs = p->nrun ? p->nrun : 1;
  n.k = p->nrun * p->steps * p->kr;
  if (n.k == 0) n.k = 1;
  n.ku = p->direct ? 1 : p->e->ku;
  n.zeros = p->zeros;
  if (p->direct) {
    double nibbles = p->shared ? 0.5 + 1.0 / (double)p->shared : 0.5;
    n.b_bytes = p->stored == MC_STORED_steps ? 1 : p->stored == MC_STORED_halves ? 2 : nibbles;
    n.unpack = p->stored == MC_STORED_nibbles ? mc_tune.nibbles_step : 0;
    if (p->e->in == 'F') n.unpack += mc_tune.floats_step;
    if (p->stored == MC_STORED_codes)
      n.b_bytes = mc_stored_code_bytes(p), n.unpack = 2 * mc_stored_code_cycles(p);
  }
  return n;
}

static int by_cycles(const void *a, const void *b) {
  const mc_blocking *x = a, *y = b;
  if (x->estimate.cycles != y->estimate.cycles)
    return x->estimate.cycles < y->estimate.cycles ? -1 : 1;
  return x->rows != y->rows ? x->rows - y->rows : x->vectors - y->vectors;
}

/* A block, and zero blocks of so many elements left out; unit 0: none, < 0: what is best. */
static mc_blocking asked(const mc_gemm *p, mc_nest *n, int mr, int nv, int unit) {
  const mc_target *t = p->ask->target;
  n->mr = mr;
  n->nv = nv;
  n->unit = unit < 0 ? 0 : unit;
  if (!p->e->tile) n->interleaved = !n->unit && mc_gemm_overlaps(p, mr, nv);
  mc_estimate e = mc_model_nest(n, t, p->ask->weights);
  mc_nest s = *n;
  s.interleaved = false;
  int64_t divides = mc_gemm_divides(p);
  if (unit < 0 && divides >= 0 && p->zeros.all[0][0]) {
    mc_estimate left_out = mc_model_nest_unit(&s, t, p->ask->weights, divides);
    if (s.unit && (left_out.cycles < e.cycles || t->sparse == MC_SPARSE_ALWAYS))
      e = left_out, n->unit = s.unit;
  }
  if (p->stored) e.cycles += mc_stored_cycles(p), e.part[MC_PART_compute] += mc_stored_cycles(p);
  int times = p->ask->by_images ? p->ask->tasks : 1; /* the nest is one image's */
  e.cycles *= times;
  for (int i = 0; i < MC_NUM_PARTS; i++) e.part[i] *= times;
  return (mc_blocking){ mr, nv, n->unit, e };
}

/* -sparse=always: of blocks that can leave something out, these alone. */
static int those_sparse(mc_blocking *list, int n) {
  int kept = 0;
  for (int i = 0; i < n; i++)
    if (list[i].unit) list[kept++] = list[i];
  return kept ? kept : n;
}

static double core_of(const mc_blocking *b) {
  return b->estimate.part[MC_PART_compute] + b->estimate.part[MC_PART_epilogue];
}

/* What leaves blocks out moves fewer weights and may compute for longer: where it wins little, and
 * by memory alone, the first that multiplies all goes first. */
static void settle(mc_blocking *list, int n) {
  int dense = 0;
  while (dense < n && list[dense].unit) dense++;
  if (!dense || dense == n || list[0].estimate.bound <= MC_PART_epilogue ||
      list[0].estimate.cycles < mc_tune.zeros_memory_margin * list[dense].estimate.cycles ||
      core_of(&list[0]) <= core_of(&list[dense]))
    return;
  mc_blocking d = list[dense];
  memmove(list + 1, list, sizeof *list * (size_t)dense);
  list[0] = d;
}

/* Every block that fits, the cheapest first. */
static int candidates(const mc_gemm *p, int64_t rows, mc_blocking *list) {
  int64_t vectors = mc_gemm_vectors(p->n);
  mc_nest n = nest_of(p, rows);
  /* rows a multiple of 4 KiB apart meet in the same 8 ways of an L1 cache of 32 KiB: more of them
   * evict one another at every step (fp32, K = 1024: 65 % of peak instead of 88 %) */
  int count = 0, most = p->a_stride[p->rank - 2] % 4096 == 0 ? 7 : MAX_ROWS_CHOSEN;
  for (int nv = 1; nv <= MAX_VECTORS && nv <= vectors; nv++)
    for (int mr = 1; mr <= most && mr <= rows; mr++)
      if (fits(p, mr, nv)) list[count++] = asked(p, &n, mr, nv, -1);
  if (p->ask->target->sparse == MC_SPARSE_ALWAYS) count = those_sparse(list, count);
  qsort(list, (size_t)count, sizeof *list, by_cycles);
  settle(list, count);
  return count;
}

/* Can blocks of `unit` elements be left out? */
static bool unit_fits(const mc_gemm *p, int64_t unit, int64_t nv) {
  int64_t divides = mc_gemm_divides(p);
  if (unit == 0) return true;
  if (unit == MC_ZERO_PICK)
    return divides == 0 && p->zeros.all[0][0] && nv <= MC_ZERO_WIDTHS &&
           mc_rate_picks(p->e->rate, p->ask->target);
  return divides >= 0 && p->zeros.all[0][0] && nv <= MC_ZERO_WIDTHS && unit >= p->kr &&
         unit < 1 << MC_ZERO_UNITS && (unit & (unit - 1)) == 0 && divides % unit == 0;
}

/* The attribute: rows, vectors, and perhaps elements of the zero blocks that are left out (0: none
 * are). */
static bool obey(mc_gemm *p, int64_t rows, const mc_ints *b) {
  bool given = b->n == 2 || b->n == 3;
  int64_t mr = given ? b->v[0] : 0, nv = given ? b->v[1] : 0, unit = b->n == 3 ? b->v[2] : 0;
  if (mr < 1 || nv < 1 || mr > MAX_ROWS || nv > MAX_VECTORS || mr > rows ||
      nv > mc_gemm_vectors(p->n) || !fits(p, (int)mr, (int)nv))
    return mc_gemm_refuse(
        p, NULL,
        "'blocking' must be [rows, 16-column vectors] of a block that the registers of "
        "engine %s hold on '%s' and the result has",
        p->e->name, p->ask->target->name);
  if (!unit_fits(p, unit, nv))
    return mc_gemm_refuse(
        p, NULL,
        "'blocking': engine %s cannot leave out zero blocks of %lld elements here on '%s': "
        "there are none, or a power of two from %d to 16 that divides %lld is wanted "
        "(or 32: single elements, where steps can pick them), and at most %d vectors",
        p->e->name, (long long)unit, p->ask->target->name, p->kr, (long long)p->rlen,
        MC_ZERO_WIDTHS);
  p->mr = (int)mr;
  p->nv = (int)nv;
  mc_nest n = nest_of(p, rows);
  p->unit = b->n == 3 ? (int)unit : asked(p, &n, p->mr, p->nv, -1).unit;
  return true;
}

/* Tiles have a rule of their own (pick.c). */
static bool tiles(mc_gemm *p, int64_t rows) {
  if (MC_ATTRS(p->ask->group, group)->blocking.n)
    return mc_gemm_refuse(p, NULL,
                          "engine %s chooses its blocks of tiles itself: it takes no 'blocking'",
                          p->e->name);
  mc_tile_block(p);
  mc_nest n = nest_of(p, rows);
  n.rows_outer = p->rows_outside;
  n.interleaved = true;
  n.outer = 1; /* a block takes tiles of several lines; flat, it takes an image */
  n.rows = p->flat ? p->mr : 1;
  for (int d = 0; d < p->rank - (p->flat ? 3 : 1); d++)
    *(p->flat || d < p->nbatch ? &n.outer : &n.rows) *= p->dim[d];
  p->estimate = asked(p, &n, p->mr, p->nv, 0).estimate;
  return true;
}

static const char *key_of(const mc_gemm *p, const mc_nest *n) {
  mc_arena *a = p->arena;
  const char *s = mc_arena_printf(
      a, "%s %lldx%lld rows %lld apart, %lldx%lld columns, K %dx%lld, weights from %s", p->e->name,
      (long long)n->outer, (long long)n->rows, (long long)p->a_stride[p->rank - 2],
      (long long)n->groups, (long long)n->cols, p->nrun, (long long)p->rlen,
      mc_part_name(mc_nest_weights(n, p->ask->target, p->ask->weights)));
  if (p->stored) s = mc_arena_printf(a, "%s, kept as %s", s, mc_stored_texts[p->stored]);
  MC_FOR_NODES (k, p->ask->group->region)
    if (k->nout && !mc_op_has(k->op, MC_T_CONST))
      s = mc_arena_printf(a, "%s, %s %s", s, mc_ops[k->op].text,
                          mc_dtype_names[k->out[0]->type->dtype]);
  return s;
}

/* Of the blocks that take at most a tenth more time than the best, the one with the fewest sums in
 * its code: those of the block and of what is left of the columns. */
static const mc_blocking *smallest(const mc_gemm *p, const mc_blocking *list, int n) {
  const mc_blocking *best = list;
  int64_t least = INT64_MAX, vectors = mc_gemm_vectors(p->n);
  for (int i = 0; i < n; i++) {
    int64_t rest = vectors % list[i].vectors,
            size = list[i].rows * (list[i].vectors + rest) + (rest ? 4 : 0);
    if (list[i].estimate.cycles > 1.1 * list[0].estimate.cycles || size >= least) continue;
    best = &list[i];
    least = size;
  }
  return best;
}

/* The best that another engine could do. */
static void explain(mc_gemm *p, int64_t rows) {
  const mc_engine *e;
  mc_blocking *list = MC_NEWN(p->arena, mc_blocking, MAX_ROWS * MAX_VECTORS);
  for (int i = 0; (e = mc_gemm_legal(p->ask->target, p->head, i)) != NULL; i++) {
    mc_rate rate = e->rate;
    if (e == p->e || !(mc_target_rate(p->ask->target, rate) > 0)) continue;
    if (mc_engine_has(e, MC_ENGINE_NIBBLES)) continue; /* it reads other weights */
    mc_gemm q = *p;
    q.e = e;
    if (q.direct) mc_stored_leave(&q);
    mc_gemm_steps(&q);
    if (candidates(&q, rows, list) &&
        (!p->other_engine || list[0].estimate.cycles < p->other.cycles))
      p->other_engine = e->name, p->other = list[0].estimate;
  }
}

/* What became of weights that were to be kept small. */
static const char *packed_note(const mc_gemm *p) {
  mc_arena *a = p->arena;
  if (p->stored)
    return mc_arena_printf(a, ", weights kept as %s%s: %lld of %lld bytes",
                           mc_stored_texts[p->stored], p->direct ? ", unpacked in registers" : "",
                           (long long)p->packed_to, (long long)p->packed_from);
  if (!p->ask->target->small_weights) return "";
  return mc_arena_printf(a, ", weights not kept small: %s",
                         p->stored_why ? p->stored_why : "groups share vectors");
}

/* What is left out, or why nothing is where there would be something. */
static const char *zeros_note(const mc_gemm *p) {
  mc_arena *a = p->arena;
  int unit = p->unit ? p->unit : p->kr < 4 ? 4 : p->kr;
  if (unit == MC_ZERO_PICK)
    return mc_arena_printf(a,
                           ", %.1f %% of the steps of %d columns x %d of K multiplied, picked from "
                           "%d; the others are 0",
                           100 * mc_zeros_picked(&p->zeros, p->nv, p->kr), p->nv * MC_GEMM_LANES,
                           p->kr, (int)(16 / mc_gemm_a_elem(p->e)));
  double share = mc_zeros_share(&p->zeros, p->unit ? p->nv : 1, unit);
  if (p->unit)
    return mc_arena_printf(
        a, ", %.1f %% of the blocks of %d columns x %d of K multiplied, the others are 0",
        100 * share, p->nv * MC_GEMM_LANES, unit);
  if (!p->zeros.all[0][0] || share > 0.98) return "";
  return mc_arena_printf(
      a, ", zeros multiplied too (%.1f %% of the blocks of 16 columns x %d of K are 0): %s",
      100 - 100 * share, unit,
      mc_gemm_divides(p) < 0 ? "this engine cannot leave them out"
                             : "leaving them out is expected to be no faster");
}

/* Weights as they are, where they are not slower: they come from near. */
static void compare_plain(mc_gemm *p, int64_t rows) {
  mc_gemm q = *p;
  mc_stored_leave(&q);
  q.blocking = MC_NEWN(p->arena, mc_blocking, MAX_ROWS * MAX_VECTORS);
  q.nblocking = candidates(&q, rows, q.blocking);
  if (q.blocking[0].estimate.cycles <= p->blocking[0].estimate.cycles) *p = q;
}

bool mc_gemm_block(mc_gemm *p) {
  int64_t rows = p->dim[p->rank - 2];
  mc_arena *a = p->arena;
  const mc_ints *b = &MC_ATTRS(p->ask->group, group)->blocking;
  if (p->ask->others && p->head->op != MC_OP_conv_transpose2d) explain(p, rows);
  if (p->e->tile) return tiles(p, rows);
  p->blocking = MC_NEWN(a, mc_blocking, MAX_ROWS * MAX_VECTORS);
  p->nblocking = candidates(p, rows, p->blocking);
  if (mc_stored_may_stay(p)) compare_plain(p, rows);
  const mc_blocking *chosen = p->ask->small ? smallest(p, p->blocking, p->nblocking) : p->blocking;
  p->mr = chosen->rows;
  p->nv = chosen->vectors;
  p->unit = chosen->unit;
  if (b->n && !obey(p, rows, b)) return false;
  mc_stored_settle(p);
  mc_nest n = nest_of(p, rows);
  p->key = key_of(p, &n);
  p->estimate = asked(p, &n, p->mr, p->nv, p->unit).estimate;
  if (p->head->op == MC_OP_conv_transpose2d)
    p->nblocking = 0; /* the phases of one group have shapes of their own */
  p->note = mc_arena_printf(a, "engine %s, blocks of %d rows x %d columns, K = %d x %lld%s%s%s",
                            p->e->name, p->mr, p->nv * MC_GEMM_LANES, p->nrun, (long long)p->rlen,
                            mc_gemm_overlaps(p, p->mr, p->nv) ? ", epilogues between products" : "",
                            zeros_note(p), packed_note(p));
  return true;
}
