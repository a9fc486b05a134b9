/* The loop nest around an engine's tile, and the tile itself. */
#include "stored.h"
#include "tile.h"
#include <string.h>

/* nb: accumulator groups of a row, without those of columns that do not exist. */
typedef struct tile {
  kgemm *p;
  int nv, parts, lanes, nb, last;
  int64_t row;
  kgemm_between *between;
  void *ctx;
  int64_t ticks, of;
  kvalue acc[KLOOP_MAX_CARRIED];
} tile;

static int tile_accs(const tile *t) { return mc_gemm_acc_rows(&t->p->d, t->p->d.mr) * t->nb; }

/* Lanes of accumulators j of a row: those of the last vector are half a register where half of it
 * holds all its columns: a product of 256 bits takes half the time on Zen 4, and no more elsewhere.
 */
static bool halves(const kgemm *p) { return mc_engine_has(p->d.e, MC_ENGINE_HALF); }

static int part_lanes(const tile *t, int j) { return j == t->nb - 1 ? t->last : t->lanes; }

static int64_t step_bytes(const tile *t) {
  return (int64_t)t->nv * KGEMM_LANES * t->p->d.e->kr * mc_gemm_b_elem(t->p->d.e);
}

/* A for row r of the accumulators: one row, or two one after another (the last one twice where the
 * block has an odd number). */
static kvalue load_rows(tile *t, kvalue a, int64_t at, int r, int count) {
  kgemm *p = t->p;
  const mc_engine *e = p->d.e;
  kvalue v[2];
  for (int i = 0; i < e->rows; i++) {
    int row = r * e->rows + i < p->d.mr ? r * e->rows + i : p->d.mr - 1;
    v[i] = mc_engine_code_of(e)->load_a(p->k, t->lanes, build_offset(p->k, a, at + row * t->row),
                                        count, p->d.a_signed, p->d.flip);
  }
  return e->rows == 1 ? v[0] : build_concat(p->k, v, e->rows);
}

/* One step on accumulators of several rows: they are few rows, so all of A is at hand and B is
 * loaded at its use. */
static void emit_columns_step(tile *t, const kvalue *chunk, kvalue b, int count, int i) {
  kbuilder *k = t->p->k;
  const mc_engine *e = t->p->d.e;
  int nb = t->nb, rows = mc_gemm_acc_rows(&t->p->d, t->p->d.mr);
  kvalue av[16];
  for (int r = 0; r < rows; r++)
    av[r] = mc_engine_code_of(e)->spread_a(k, t->lanes, chunk[r], count, i);
  for (int j = 0; j < nb; j++) {
    kvalue bv = mc_engine_code_of(e)->load_b(
        k, t->lanes, build_offset(k, b, (int64_t)j * t->lanes * e->kr * mc_gemm_b_elem(e)));
    for (int r = 0; r < rows; r++)
      t->acc[r * nb + j] = mc_engine_code_of(e)->madd(k, t->lanes, t->acc[r * nb + j], av[r], bv);
  }
}

/* The pair after a run of odd length: its second element is not the run's, and 0 times it may be a
 * NaN. */
static kvalue whole_pair(kbuilder *k, kvalue chunk, bool odd) {
  return odd ? LLVMBuildAnd(k->b, chunk, build_i32s(k, 0xffff, lanes_of(chunk)), "") : chunk;
}

/* A for the half register, from memory again: as a part of the whole one LLVM would load it into a
 * general register and repeat it from there, and so it would where both are loads of the same type.
 */
static kvalue half_a(const tile *t, kvalue p) {
  kbuilder *k = t->p->k;
  kvalue v = build_bitcast(k, build_splat(k, build_load(k, k->f32, p, 1), t->last),
                           type_of_lanes(k, k->i32, t->last));
  return t->p->d.flip ? LLVMBuildXor(k->b, v, build_i32s(k, (int32_t)0x80808080, t->last), "") : v;
}

/* `count` steps at A offset aoff (bytes, constant part ac) and B offset boff (constant part bc). */
static void emit_steps(tile *t, kvalue a, int64_t ac, kvalue b, int64_t bc, int count, bool odd) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  const mc_engine *e = p->d.e;
  int nb = t->nb, rows = mc_gemm_acc_rows(&p->d, p->d.mr);
  kvalue chunk[16], bv[64];
  for (int r = 0; r < rows && (count > 1 || e->rows > 1); r++)
    chunk[r] = load_rows(t, a, ac, r, count);
  for (int i = 0; i < count; i++) {
    if (e->rows > 1) {
      emit_columns_step(t, chunk, build_offset(k, b, bc + i * step_bytes(t)), count, i);
      continue;
    }
    for (int j = 0; j < nb; j++)
      bv[j] = mc_engine_code_of(e)->load_b(
          k, part_lanes(t, j),
          build_offset(k, b,
                       bc + i * step_bytes(t) + (int64_t)j * t->lanes * e->kr * mc_gemm_b_elem(e)));
    for (int r = 0; r < rows; r++) {
      if (p->d.side) {
        kvalue row = build_offset(k, a, ac + r * t->row);
        for (int j = 0; j < nb; j++)
          t->acc[r * nb + j] = mc_engine_code_of(e)->madd(k, t->lanes, t->acc[r * nb + j],
                                                          kgemm_side_a(p, t->lanes, row, j), bv[j]);
        continue;
      }
      if (count == 1)
        chunk[r] = whole_pair(k, load_rows(t, a, ac, r, count),
                              odd); /* at its use: registers are scarce */
      kvalue av = mc_engine_code_of(e)->spread_a(k, t->lanes, chunk[r], count, i);
      for (int j = 0; j < nb; j++)
        t->acc[r * nb + j] = mc_engine_code_of(e)->madd(
            k, part_lanes(t, j), t->acc[r * nb + j],
            part_lanes(t, j) < t->lanes ? half_a(t, build_offset(k, a, ac + r * t->row)) : av,
            bv[j]);
      if (t->between) t->between(t->ctx, ++t->ticks, t->of);
    }
  }
}

/* Steps of a run that have all their elements; integers do not care: 0 times anything is 0. */
static int64_t whole_steps(const kgemm *p) {
  return mc_engine_has(p->d.e, MC_ENGINE_PAIRS) ? p->d.rlen / 2 : p->d.steps;
}

/* Steps [from, to) of a run, unrolled. end: the run ends here, perhaps with a step that lacks an
 * element. */
static void emit_straight(tile *t, kvalue a, kvalue b, int64_t from, int64_t to, bool end) {
  const mc_engine *e = t->p->d.e;
  int64_t whole = end && to > whole_steps(t->p) ? whole_steps(t->p) : to;
  int64_t a_step = e->kr * mc_gemm_a_elem(e);
  for (int64_t s = from; s < to;) {
    int count = whole - s >= e->ku && !t->p->d.side ? e->ku : 1;
    emit_steps(t, a, s * a_step, b, s * step_bytes(t), count, s >= whole);
    s += count;
  }
}

/* Steps that may follow one another in a block of code. pmaddwd, whose sums are added by an
 * instruction of its own, gets a loop around each step: LLVM would add the products of two steps to
 * each other first, and keep them all in registers. */
static int64_t straight_steps(const tile *t) {
  kgemm *p = t->p;
  int64_t near = mc_gemm_apart(&p->d, p->d.mr), all = p->d.steps * p->d.nrun;
  int64_t most = near < p->d.steps ? near : all * tile_accs(t) <= 128 ? all : 4;
  if (mc_engine_has(p->d.e, MC_ENGINE_STEP_LOOP) && most > p->d.e->ku) most = p->d.e->ku;
  if (p->g->plan->small && most > 1) most = tile_accs(t) >= 8 ? 1 : 2;
  return most < 1 ? 1 : most;
}

/* One run from step `first` on: a loop over `unroll` steps at a time where it is long, then the
 * rest. */
static void emit_run(tile *t, kvalue a, kvalue b, int64_t first) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  int64_t unroll = straight_steps(t), steps = p->d.steps,
          a_step = p->d.e->kr * mc_gemm_a_elem(p->d.e);
  if (unroll > 8 && steps > unroll) unroll = 8;
  int64_t full = first + (whole_steps(p) - first) / unroll * unroll;
  if (full <= first + unroll) {
    emit_straight(t, a, b, first, steps, true);
    return;
  }
  kloop l;
  build_for(k, &l, build_i64(k, first), build_i64(k, full), unroll, t->acc, tile_accs(t));
  memcpy(t->acc, l.carried, sizeof(kvalue) * (size_t)tile_accs(t));
  emit_straight(t, build_address(k, a, build_mul_const(k, l.iv, a_step)),
                build_address(k, b, build_mul_const(k, l.iv, step_bytes(t))), 0, unroll, false);
  build_end(k, &l, t->acc);
  memcpy(t->acc, l.carried, sizeof(kvalue) * (size_t)tile_accs(t));
  emit_straight(t, a, b, full, steps, true);
}

/* Offset of run iv: a multiple when runs are equally far apart, else a table. */
static kvalue run_offset(kgemm *p, kvalue iv) {
  for (int r = 2; r < p->d.nrun; r++)
    if (p->d.run[r] - p->d.run[r - 1] != p->d.run[1] - p->d.run[0]) {
      kvalue t = build_table_i64(p->k, p->d.run, p->d.nrun, "runs");
      return build_load(p->k, p->k->i64, build_address(p->k, t, build_mul_const(p->k, iv, 8)), 8);
    }
  return build_add_const(p->k, build_mul_const(p->k, iv, p->d.run[1] - p->d.run[0]), p->d.run[0]);
}

/* `first` steps of the first run are done. */
static void emit_runs(tile *t, kvalue a, kvalue b, int64_t first) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  int64_t panel = p->d.steps * step_bytes(t);
  bool straight = p->d.nrun == 1 || straight_steps(t) >= p->d.nrun * p->d.steps;
  for (int r = 0; r < p->d.nrun && (straight || (first && r == 0)); r++)
    if (r || first < p->d.steps)
      emit_run(t, build_offset(k, a, p->d.run[r]), build_offset(k, b, r * panel), r ? 0 : first);
  if (straight) return;
  kloop l;
  build_for(k, &l, build_i64(k, first > 0), build_i64(k, p->d.nrun), 1, t->acc, tile_accs(t));
  memcpy(t->acc, l.carried, sizeof(kvalue) * (size_t)tile_accs(t));
  emit_run(t, build_address(k, a, run_offset(p, l.iv)),
           build_address(k, b, build_mul_const(k, l.iv, panel)), 0);
  build_end(k, &l, t->acc);
  memcpy(t->acc, l.carried, sizeof(kvalue) * (size_t)tile_accs(t));
}

/* One block of B: its steps one after another, but for pmaddwd a loop (straight_steps says why).
 */
static void emit_unit(tile *t, kvalue a, kvalue b) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  const mc_engine *e = p->d.e;
  int64_t steps = p->d.unit / p->d.kr,
          near = mc_engine_has(e, MC_ENGINE_STEP_LOOP) && steps > e->ku ? e->ku : steps;
  if (near == steps) {
    emit_straight(t, a, b, 0, steps, false);
    return;
  }
  kloop l;
  build_for(k, &l, build_i64(k, 0), build_i64(k, steps), near, t->acc, tile_accs(t));
  memcpy(t->acc, l.carried, sizeof(kvalue) * (size_t)tile_accs(t));
  emit_straight(t, build_address(k, a, build_mul_const(k, l.iv, e->kr * mc_gemm_a_elem(e))),
                build_address(k, b, build_mul_const(k, l.iv, step_bytes(t))), 0, near, false);
  build_end(k, &l, t->acc);
  memcpy(t->acc, l.carried, sizeof(kvalue) * (size_t)tile_accs(t));
}

/* One step whose elements of A are picked: entry i of the list. */
static void emit_pick(tile *t, kvalue a, kvalue b, kvalue i) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  const mc_engine *e = p->d.e;
  int nb = t->nb;
  kvalue bv[64], mask = ksparse_mask(p, i, t->lanes);
  for (int j = 0; j < nb; j++)
    bv[j] = mc_engine_code_of(e)->load_b(
        k, part_lanes(t, j), build_offset(k, b, (int64_t)j * t->lanes * e->kr * mc_gemm_b_elem(e)));
  for (int r = 0; r < p->d.mr; r++) {
    kvalue chunk = ksparse_pick(p, t->lanes, build_offset(k, a, r * t->row), mask),
           av = mc_engine_code_of(e)->spread_a(k, t->lanes, chunk, 1, 0);
    for (int j = 0; j < nb; j++)
      t->acc[r * nb + j] = mc_engine_code_of(e)->madd(
          k, part_lanes(t, j), t->acc[r * nb + j],
          part_lanes(t, j) < t->lanes ? build_extract(k, av, 0, part_lanes(t, j)) : av, bv[j]);
  }
}

/* Blocks [from, to) of the list, `ways` at a time, each on a set of sums of its own. */
static void emit_list(tile *t, kvalue a, kvalue b, kvalue from, kvalue to, int ways, kvalue *sums) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  int n = tile_accs(t);
  int64_t bytes = ksparse_bytes(p, t->nv);
  kloop l;
  build_for(k, &l, from, to, ways, sums, ways * n);
  memcpy(sums, l.carried, sizeof(kvalue) * (size_t)(ways * n));
  for (int w = 0; w < ways; w++) {
    kvalue i = build_add_const(k, l.iv, w);
    memcpy(t->acc, sums + w * n, sizeof(kvalue) * (size_t)n);
    kvalue here = ksparse_a(p, a, i), weights = build_address(k, b, build_mul_const(k, i, bytes));
    if (p->d.unit == MC_ZERO_PICK)
      emit_pick(t, here, weights, i);
    else
      emit_unit(t, here, weights);
    memcpy(sums + w * n, t->acc, sizeof(kvalue) * (size_t)n);
  }
  build_end(k, &l, sums);
  memcpy(sums, l.carried, sizeof(kvalue) * (size_t)(ways * n));
}

/* All blocks of the list. A tile of few sums takes several sets of them, which are added at the
 * end. */
static void emit_units(tile *t, kvalue a, kvalue b) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  int n = tile_accs(t), ways = n >= 6 ? 1 : n >= 3 ? 2 : 4;
  kvalue count = build_sub(k, p->units_end, p->units),
         whole = ways > 1 ? LLVMBuildAnd(k->b, count, build_i64(k, -ways), "") : count;
  kvalue sums[KLOOP_MAX_CARRIED];
  for (int i = 0; i < ways * n; i++)
    sums[i] = i < n ? t->acc[i] : LLVMConstNull(LLVMTypeOf(t->acc[i % n]));
  emit_list(t, a, b, build_i64(k, 0), whole, ways, sums);
  for (int w = 1; w < ways; w++)
    for (int i = 0; i < n; i++)
      sums[i] = mc_engine_is_real(p->d.e) ? LLVMBuildFAdd(k->b, sums[i], sums[w * n + i], "")
                                          : LLVMBuildAdd(k->b, sums[i], sums[w * n + i], "");
  if (ways > 1) emit_list(t, a, b, whole, count, 1, sums);
  memcpy(t->acc, sums, sizeof(kvalue) * (size_t)n);
}

/* From a vector for each row of the block, what belongs to row r of the accumulators. */
static kvalue rows_of(tile *t, kvalue *row, int r) {
  const mc_engine *e = t->p->d.e;
  kvalue v[2];
  for (int i = 0; i < e->rows; i++)
    v[i] = row[r * e->rows + i < t->p->d.mr ? r * e->rows + i : t->p->d.mr - 1];
  return e->rows == 1 ? v[0] : build_concat(t->p->k, v, e->rows);
}

static void start_accs(tile *t, kvalue bias, kvalue m0) {
  kgemm *p = t->p;
  kbuilder *k = p->k;
  bool f = mc_engine_is_real(p->d.e);
  int nb = t->nb, rows = mc_gemm_acc_rows(&p->d, p->d.mr),
      align = 4 * t->lanes < 16 ? 4 * t->lanes : 16;
  kvalue row[16];
  for (int j = 0; j < nb; j++) {
    kvalue v = build_load(k, type_of_lanes(k, f ? k->f32 : k->i32, part_lanes(t, j)),
                          build_offset(k, bias, 4ll * j * t->lanes), align);
    for (int r = 0; r < p->d.mr; r++) row[r] = v;
    kvalue start = rows_of(t, row, 0);
    for (int r = 0; r < rows; r++) t->acc[r * nb + j] = start;
  }
  if (!p->rowterm) return;
  int last = p->x->rank - 2;
  kvalue iv[MC_MAX_RANK];
  memcpy(iv, p->x->iv, sizeof iv);
  iv[last] = m0;
  iv[last + 1] = NULL;
  for (int r = 0; r < p->d.mr; r++) {
    int64_t c[MC_MAX_RANK] = { 0 };
    c[last] = r;
    row[r] = build_splat(
        k, build_load(k, k->i32, view_address(k, &p->rowterm_view, p->x->rank, iv, c), 4),
        t->lanes);
  }
  for (int r = 0; r < rows; r++) {
    kvalue s = rows_of(t, row, r);
    for (int j = 0; j < nb; j++)
      t->acc[r * nb + j] = LLVMBuildAdd(
          k->b, t->acc[r * nb + j],
          part_lanes(t, j) < t->lanes ? build_extract(k, s, 0, part_lanes(t, j)) : s, "");
  }
}

/* The sums of row r of the block, vector j of 16 columns. */
static kvalue row_sums(tile *t, int r, int j) {
  kbuilder *k = t->p->k;
  int rows = t->p->d.e->rows, at = r % rows * t->lanes, mask[16];
  kvalue acc[KGEMM_LANES], part[KGEMM_LANES];
  for (int i = 0; i < t->parts; i++) {
    int group =
        j * t->parts +
        i; /* 0 for columns that do not exist: what is computed of constants costs nothing */
    acc[i] =
        group < t->nb ? t->acc[r / rows * t->nb + group] : LLVMConstNull(LLVMTypeOf(t->acc[0]));
  }
  if (rows == 1)
    return part_lanes(t, j * t->parts) < t->lanes ? build_widen(k, acc[0], KGEMM_LANES)
                                                  : build_concat(k, acc, t->parts);
  for (int i = 0; i < 2 * t->lanes; i++)
    mask[i] = i < t->lanes ? at + i : rows * t->lanes + at + i - t->lanes;
  for (int i = 0; i < t->parts / 2; i++)
    part[i] = build_shuffle(k, acc[2 * i], acc[2 * i + 1], mask, 2 * t->lanes);
  return build_concat(k, part, t->parts / 2);
}

static void bind_sums(kgemm *p, kvalue acc) {
  if (mc_engine_is_real(p->d.e))
    epilogue_bind(p->x, p->head->out[0], vec_clamp(p->k, acc, p->d.clamp));
  else
    epilogue_bind_head(p->x, acc);
}

void kgemm_stand(kgemm *p, kvalue m0, kvalue n0) {
  p->x->iv[p->x->rank - 1] = n0;
  p->x->iv[p->x->rank - 2] = m0;
}

void kgemm_finish(kgemm *p, kgemm_row *w, int r, int j, kvalue sums) {
  kepilogue *x = p->x;
  int last = x->rank - 1, most = vec_narrow_most(p->k), at = j % most,
      here = j == w->nv - 1 ? w->valid : KGEMM_LANES;
  x->c[last - 1] = r;
  x->c[last] = (int64_t)j * KGEMM_LANES;
  epilogue_at(x, KGEMM_LANES, here);
  bind_sums(p, sums);
  if (!x->tail) {
    epilogue_finish(x);
  } else {
    w->raw[at] = epilogue_raw(x);
    x->c[last] = (int64_t)(j - at) * KGEMM_LANES;
    if (at == most - 1 || j == w->nv - 1)
      epilogue_store_raw(x, w->raw, at + 1, at * KGEMM_LANES + here);
  }
  x->c[last] = x->c[last - 1] = 0;
}

static tile tile_of(kgemm *p, int nv, int valid) {
  tile t = { .p = p,
             .nv = nv,
             .lanes = mc_engine_lanes(p->d.e, p->k->target),
             .row = p->a.stride[p->x->rank - 2] };
  t.parts = KGEMM_LANES / t.lanes;
  t.nb = (nv - 1) * t.parts + (valid + t.lanes - 1) / t.lanes;
  t.last = halves(p) && !p->d.direct && valid <= KGEMM_LANES / 2 ? KGEMM_LANES / 2 : t.lanes;
  return t;
}

static void kgemm_block(kgemm *p, kvalue a, kvalue b, kvalue bias, kvalue m0, kvalue n0, int nv,
                        int valid) {
  tile t = tile_of(p, nv, valid);
  kgemm_row w = { .nv = nv, .valid = valid };
  start_accs(&t, bias, m0);
  if (p->d.unit)
    emit_units(&t, a, b);
  else if (p->d.direct)
    kdirect_products(&(kdirect){ p, (int64_t)nv * KGEMM_LANES, t.row, t.lanes, t.nb },
                     build_offset(p->k, a, p->d.run[0]), b, t.acc);
  else if (p->d.nrun)
    emit_runs(&t, a, b, 0);
  kgemm_stand(p, m0, n0);
  for (int r = 0; r < p->d.mr; r++)
    for (int j = 0; j < nv; j++) kgemm_finish(p, &w, r, j, row_sums(&t, r, j));
}

void kgemm_products(kgemm *p, const kgemm_at *at, const kgemm_meanwhile *m, kvalue *sums) {
  int nv = at->nv;
  tile t = tile_of(p, nv, at->valid);
  start_accs(&t, at->bias, at->m0);
  t.between = m->between;
  t.ctx = m->ctx;
  t.of = m->head * p->d.mr;
  emit_straight(&t, build_offset(p->k, at->a, p->d.run[0]), at->b, 0, m->head,
                m->head == p->d.steps);
  t.between = NULL;
  emit_runs(&t, at->a, at->b, m->head);
  for (int r = 0; r < p->d.mr; r++)
    for (int j = 0; j < nv; j++) sums[r * nv + j] = row_sums(&t, r, j);
}

/* ---- the nest ---- */
/* Rows of the innermost row axis in blocks of mr; the last block moves back so that it is full (its
 * rows are computed twice, to the same bytes). */
static void emit_rows(kgemm *p, kvalue a, kvalue b, kvalue bias, kvalue n0, int nv, int valid) {
  kbuilder *k = p->k;
  int64_t m = p->x->dim[p->x->rank - 2];
  kloop l;
  kvalue m0 = split_blocks(p->g, &l, m, p->d.mr, p->d.split == p->x->rank - 2);
  kgemm_block(p, build_address(k, a, build_mul_const(k, m0, p->a.stride[p->x->rank - 2])), b, bias,
              m0, n0, nv, valid);
  build_end(k, &l, NULL);
}

static void emit_row_axes(kgemm *p, int d, kvalue a, kvalue b, kvalue bias, kvalue n0, int nv,
                          int valid) {
  if (d == p->x->rank - 2) {
    emit_rows(p, a, b, bias, n0, nv, valid);
    return;
  }
  kloop l;
  split_range(p->g, &l, p->x->dim[d], 1, p->d.split == d);
  p->x->iv[d] = l.iv;
  emit_row_axes(p, d + 1, build_address(p->k, a, build_mul_const(p->k, l.iv, p->a.stride[d])), b,
                bias, n0, nv, valid);
  build_end(p->k, &l, NULL);
}

/* Blocks of columns of one width; a, b, bias, n0: of the first of them. */
static void emit_part(kgemm *p, kvalue a, kvalue b, kvalue bias, kvalue n0, kgemm_columns c) {
  kbuilder *k = p->k;
  int64_t width = (int64_t)c.nv * KGEMM_LANES, col_bytes = mc_gemm_column_bytes(&p->d);
  if (mc_gemm_overlaps(&p->d, p->d.mr, c.nv)) {
    kgemm_overlapped(p, a, b, bias, n0, c);
    return;
  }
  kloop l;
  split_range_part(p->g, &l, c.from, c.to, c.of, 1, p->d.split == MC_SPLIT_COLUMNS);
  kvalue at = build_mul_const(k, build_add_const(k, l.iv, -c.from), width);
  kvalue columns = p->d.unit
                       ? ksparse_columns(p, l.iv)
                       : kstored_code_of(p)->columns(
                             p, build_address(k, b, build_mul_const(k, at, col_bytes)), l.iv, c.nv);
  emit_row_axes(p, p->d.nbatch, a, columns, build_address(k, bias, build_mul_const(k, at, 4)),
                build_add(k, n0, at), c.nv, c.valid);
  build_end(k, &l, NULL);
}

/* Full column blocks, then the rest: fewer vectors, the last of them partly used. */
static void emit_columns(kgemm *p, kvalue a, kvalue b, kvalue bias, kvalue n0) {
  kbuilder *k = p->k;
  int64_t width = (int64_t)p->d.nv * KGEMM_LANES, full = p->d.n / width * width,
          rest = p->d.n - full, blocks = (p->d.n + width - 1) / width,
          col_bytes = mc_gemm_column_bytes(&p->d);
  if (full)
    emit_part(p, a, b, bias, n0, (kgemm_columns){ 0, full / width, blocks, p->d.nv, KGEMM_LANES });
  if (!rest) return;
  int nv = (int)mc_gemm_vectors(rest);
  emit_part(
      p, a, build_offset(k, b, full * col_bytes), build_offset(k, bias, full * 4),
      build_add_const(k, n0, full),
      (kgemm_columns){ blocks - 1, blocks, blocks, nv, (int)(rest - (nv - 1) * KGEMM_LANES) });
}

static void emit_groups(kgemm *p, kvalue a, kvalue b, kvalue bias) {
  kbuilder *k = p->k;
  kloop l;
  split_range(p->g, &l, p->d.groups, 1, p->d.split == MC_SPLIT_GROUPS);
  p->units_group = l.iv;
  (p->d.e->tile ? ktile_columns
                : emit_columns)(p, build_address(k, a, build_mul_const(k, l.iv, p->d.a_group)),
                                build_address(k, b, build_mul_const(k, l.iv, p->b_group)),
                                build_address(k, bias, build_mul_const(k, l.iv, p->bias_group)),
                                build_mul_const(k, l.iv, p->d.n));
  build_end(k, &l, NULL);
}

/* index: the position in the batch axes as one number. */
static void emit_batches(kgemm *p, int d, kvalue a, kvalue index,
                         void (*repack)(kgemm *p, void *ctx), void *ctx) {
  kbuilder *k = p->k;
  if (d == p->d.nbatch) {
    if (repack) repack(p, ctx);
    emit_groups(p, a, build_address(k, p->b, build_mul_const(k, index, p->b_batch)),
                build_address(k, p->bias, build_mul_const(k, index, p->bias_batch)));
    return;
  }
  kloop l;
  split_range(p->g, &l, p->x->dim[d], 1, p->d.split == d);
  p->x->iv[d] = l.iv;
  emit_batches(p, d + 1, build_address(k, a, build_mul_const(k, l.iv, p->a.stride[d])),
               build_add(k, build_mul_const(k, index, p->x->dim[d]), l.iv), repack, ctx);
  build_end(k, &l, NULL);
}

void kgemm_nest(kgemm *p, void (*repack)(kgemm *p, void *ctx), void *ctx) {
  memset(p->x->iv, 0, sizeof p->x->iv);
  memset(p->x->c, 0, sizeof p->x->c);
  kloop once;
  split_range(p->g, &once, 1, 1, p->d.split < 0); /* what cannot be divided is one task's */
  if (p->d.e->tile) ktile_begin(p);
  emit_batches(p, 0, p->a.base, build_i64(p->k, 0), repack, ctx);
  if (p->d.e->tile) ktile_end(p);
  build_end(p->k, &once, NULL);
}
