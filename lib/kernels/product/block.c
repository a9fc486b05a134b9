/* The loop nest around an engine's tile, and the tile itself. */
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
  V acc[KB_MAX_CARRIED];
} tile;

static int tile_accs(const tile *t) { return mc_gemm_acc_rows(&t->p->d, t->p->d.mr) * t->nb; }

/* Lanes of accumulators j of a row: those of the last vector are half a register where half of it
 * holds all its columns: a product of 256 bits takes half the time on Zen 4, and no more elsewhere.
 */
static bool halves(const kgemm *p) { return mc_engine_has(p->d.e, MC_ENGINE_HALF); }

static int lanes_of(const tile *t, int j) { return j == t->nb - 1 ? t->last : t->lanes; }

static int64_t step_bytes(const tile *t) {
  return (int64_t)t->nv * KGEMM_LANES * t->p->d.e->kr * mc_gemm_b_elem(t->p->d.e);
}

/* A for row r of the accumulators: one row, or two one after another (the last one twice where the
 * block has an odd number). */
static V load_rows(tile *t, V a, int64_t at, int r, int count) {
  kgemm *p = t->p;
  const mc_engine *e = p->d.e;
  V v[2];
  for (int i = 0; i < e->rows; i++) {
    int row = r * e->rows + i < p->d.mr ? r * e->rows + i : p->d.mr - 1;
    v[i] = mc_engine_code_of(e)->load_a(p->k, t->lanes, kb_gepi(p->k, a, at + row * t->row), count,
                                        p->d.a_signed, p->d.flip);
  }
  return e->rows == 1 ? v[0] : kb_concat(p->k, v, e->rows);
}

/* One step on accumulators of several rows: they are few rows, so all of A is at hand and B is
 * loaded at its use. */
static void emit_columns_step(tile *t, const V *chunk, V b, int count, int i) {
  kb *k = t->p->k;
  const mc_engine *e = t->p->d.e;
  int nb = t->nb, rows = mc_gemm_acc_rows(&t->p->d, t->p->d.mr);
  V av[16];
  for (int r = 0; r < rows; r++)
    av[r] = mc_engine_code_of(e)->spread_a(k, t->lanes, chunk[r], count, i);
  for (int j = 0; j < nb; j++) {
    V bv = mc_engine_code_of(e)->load_b(
        k, t->lanes, kb_gepi(k, b, (int64_t)j * t->lanes * e->kr * mc_gemm_b_elem(e)));
    for (int r = 0; r < rows; r++)
      t->acc[r * nb + j] = mc_engine_code_of(e)->madd(k, t->lanes, t->acc[r * nb + j], av[r], bv);
  }
}

/* The pair after a run of odd length: its second element is not the run's, and 0 times it may be a
 * NaN. */
static V whole_pair(kb *k, V chunk, bool odd) {
  return odd ? LLVMBuildAnd(k->b, chunk, kb_i32s(k, 0xffff, kb_lanes(chunk)), "") : chunk;
}

/* A for the half register, from memory again: as a part of the whole one LLVM would load it into a
 * general register and repeat it from there, and so it would where both are loads of the same type.
 */
static V half_a(const tile *t, V p) {
  kb *k = t->p->k;
  V v = kb_bitcast(k, kb_splat(k, kb_load(k, k->f32, p, 1), t->last), kb_vt(k, k->i32, t->last));
  return t->p->d.flip ? LLVMBuildXor(k->b, v, kb_i32s(k, (int32_t)0x80808080, t->last), "") : v;
}

/* `count` steps at A offset aoff (bytes, constant part ac) and B offset boff (constant part bc). */
static void emit_steps(tile *t, V a, int64_t ac, V b, int64_t bc, int count, bool odd) {
  kgemm *p = t->p;
  kb *k = p->k;
  const mc_engine *e = p->d.e;
  int nb = t->nb, rows = mc_gemm_acc_rows(&p->d, p->d.mr);
  V chunk[16], bv[64];
  for (int r = 0; r < rows && (count > 1 || e->rows > 1); r++)
    chunk[r] = load_rows(t, a, ac, r, count);
  for (int i = 0; i < count; i++) {
    if (e->rows > 1) {
      emit_columns_step(t, chunk, kb_gepi(k, b, bc + i * step_bytes(t)), count, i);
      continue;
    }
    for (int j = 0; j < nb; j++)
      bv[j] = mc_engine_code_of(e)->load_b(
          k, lanes_of(t, j),
          kb_gepi(k, b,
                  bc + i * step_bytes(t) + (int64_t)j * t->lanes * e->kr * mc_gemm_b_elem(e)));
    for (int r = 0; r < rows; r++) {
      if (p->d.side) {
        V row = kb_gepi(k, a, ac + r * t->row);
        for (int j = 0; j < nb; j++)
          t->acc[r * nb + j] = mc_engine_code_of(e)->madd(k, t->lanes, t->acc[r * nb + j],
                                                          kgemm_side_a(p, t->lanes, row, j), bv[j]);
        continue;
      }
      if (count == 1)
        chunk[r] = whole_pair(k, load_rows(t, a, ac, r, count),
                              odd); /* at its use: registers are scarce */
      V av = mc_engine_code_of(e)->spread_a(k, t->lanes, chunk[r], count, i);
      for (int j = 0; j < nb; j++)
        t->acc[r * nb + j] = mc_engine_code_of(e)->madd(
            k, lanes_of(t, j), t->acc[r * nb + j],
            lanes_of(t, j) < t->lanes ? half_a(t, kb_gepi(k, a, ac + r * t->row)) : av, bv[j]);
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
static void emit_straight(tile *t, V a, V b, int64_t from, int64_t to, bool end) {
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
static void emit_run(tile *t, V a, V b, int64_t first) {
  kgemm *p = t->p;
  kb *k = p->k;
  int64_t unroll = straight_steps(t), steps = p->d.steps,
          a_step = p->d.e->kr * mc_gemm_a_elem(p->d.e);
  if (unroll > 8 && steps > unroll) unroll = 8;
  int64_t full = first + (whole_steps(p) - first) / unroll * unroll;
  if (full <= first + unroll) {
    emit_straight(t, a, b, first, steps, true);
    return;
  }
  kb_loop l;
  kb_for(k, &l, kb_i64(k, first), kb_i64(k, full), unroll, t->acc, tile_accs(t));
  memcpy(t->acc, l.carried, sizeof(V) * (size_t)tile_accs(t));
  emit_straight(t, kb_gep(k, a, kb_muli(k, l.iv, a_step)),
                kb_gep(k, b, kb_muli(k, l.iv, step_bytes(t))), 0, unroll, false);
  kb_end(k, &l, t->acc);
  memcpy(t->acc, l.carried, sizeof(V) * (size_t)tile_accs(t));
  emit_straight(t, a, b, full, steps, true);
}

/* Offset of run iv: a multiple when runs are equally far apart, else a table. */
static V run_offset(kgemm *p, V iv) {
  for (int r = 2; r < p->d.nrun; r++)
    if (p->d.run[r] - p->d.run[r - 1] != p->d.run[1] - p->d.run[0]) {
      V t = kb_table_i64(p->k, p->d.run, p->d.nrun, "runs");
      return kb_load(p->k, p->k->i64, kb_gep(p->k, t, kb_muli(p->k, iv, 8)), 8);
    }
  return kb_addi(p->k, kb_muli(p->k, iv, p->d.run[1] - p->d.run[0]), p->d.run[0]);
}

/* `first` steps of the first run are done. */
static void emit_runs(tile *t, V a, V b, int64_t first) {
  kgemm *p = t->p;
  kb *k = p->k;
  int64_t panel = p->d.steps * step_bytes(t);
  bool straight = p->d.nrun == 1 || straight_steps(t) >= p->d.nrun * p->d.steps;
  for (int r = 0; r < p->d.nrun && (straight || (first && r == 0)); r++)
    if (r || first < p->d.steps)
      emit_run(t, kb_gepi(k, a, p->d.run[r]), kb_gepi(k, b, r * panel), r ? 0 : first);
  if (straight) return;
  kb_loop l;
  kb_for(k, &l, kb_i64(k, first > 0), kb_i64(k, p->d.nrun), 1, t->acc, tile_accs(t));
  memcpy(t->acc, l.carried, sizeof(V) * (size_t)tile_accs(t));
  emit_run(t, kb_gep(k, a, run_offset(p, l.iv)), kb_gep(k, b, kb_muli(k, l.iv, panel)), 0);
  kb_end(k, &l, t->acc);
  memcpy(t->acc, l.carried, sizeof(V) * (size_t)tile_accs(t));
}

/* One block of B: its steps one after another, but for pmaddwd a loop (straight_steps says why).
 */
static void emit_unit(tile *t, V a, V b) {
  kgemm *p = t->p;
  kb *k = p->k;
  const mc_engine *e = p->d.e;
  int64_t steps = p->d.unit / p->d.kr,
          near = mc_engine_has(e, MC_ENGINE_STEP_LOOP) && steps > e->ku ? e->ku : steps;
  if (near == steps) {
    emit_straight(t, a, b, 0, steps, false);
    return;
  }
  kb_loop l;
  kb_for(k, &l, kb_i64(k, 0), kb_i64(k, steps), near, t->acc, tile_accs(t));
  memcpy(t->acc, l.carried, sizeof(V) * (size_t)tile_accs(t));
  emit_straight(t, kb_gep(k, a, kb_muli(k, l.iv, e->kr * mc_gemm_a_elem(e))),
                kb_gep(k, b, kb_muli(k, l.iv, step_bytes(t))), 0, near, false);
  kb_end(k, &l, t->acc);
  memcpy(t->acc, l.carried, sizeof(V) * (size_t)tile_accs(t));
}

/* One step whose elements of A are picked: entry i of the list. */
static void emit_pick(tile *t, V a, V b, V i) {
  kgemm *p = t->p;
  kb *k = p->k;
  const mc_engine *e = p->d.e;
  int nb = t->nb;
  V bv[64], mask = ksparse_mask(p, i, t->lanes);
  for (int j = 0; j < nb; j++)
    bv[j] = mc_engine_code_of(e)->load_b(
        k, lanes_of(t, j), kb_gepi(k, b, (int64_t)j * t->lanes * e->kr * mc_gemm_b_elem(e)));
  for (int r = 0; r < p->d.mr; r++) {
    V chunk = ksparse_pick(p, t->lanes, kb_gepi(k, a, r * t->row), mask),
      av = mc_engine_code_of(e)->spread_a(k, t->lanes, chunk, 1, 0);
    for (int j = 0; j < nb; j++)
      t->acc[r * nb + j] = mc_engine_code_of(e)->madd(
          k, lanes_of(t, j), t->acc[r * nb + j],
          lanes_of(t, j) < t->lanes ? kb_extract(k, av, 0, lanes_of(t, j)) : av, bv[j]);
  }
}

/* Blocks [from, to) of the list, `ways` at a time, each on a set of sums of its own. */
static void emit_list(tile *t, V a, V b, V from, V to, int ways, V *sums) {
  kgemm *p = t->p;
  kb *k = p->k;
  int n = tile_accs(t);
  int64_t bytes = ksparse_bytes(p, t->nv);
  kb_loop l;
  kb_for(k, &l, from, to, ways, sums, ways * n);
  memcpy(sums, l.carried, sizeof(V) * (size_t)(ways * n));
  for (int w = 0; w < ways; w++) {
    V i = kb_addi(k, l.iv, w);
    memcpy(t->acc, sums + w * n, sizeof(V) * (size_t)n);
    V here = ksparse_a(p, a, i), weights = kb_gep(k, b, kb_muli(k, i, bytes));
    if (p->d.unit == MC_ZERO_PICK)
      emit_pick(t, here, weights, i);
    else
      emit_unit(t, here, weights);
    memcpy(sums + w * n, t->acc, sizeof(V) * (size_t)n);
  }
  kb_end(k, &l, sums);
  memcpy(sums, l.carried, sizeof(V) * (size_t)(ways * n));
}

/* All blocks of the list. A tile of few sums takes several sets of them, which are added at the
 * end. */
static void emit_units(tile *t, V a, V b) {
  kgemm *p = t->p;
  kb *k = p->k;
  int n = tile_accs(t), ways = n >= 6 ? 1 : n >= 3 ? 2 : 4;
  V count = kb_sub(k, p->units_end, p->units),
    whole = ways > 1 ? LLVMBuildAnd(k->b, count, kb_i64(k, -ways), "") : count;
  V sums[KB_MAX_CARRIED];
  for (int i = 0; i < ways * n; i++)
    sums[i] = i < n ? t->acc[i] : LLVMConstNull(LLVMTypeOf(t->acc[i % n]));
  emit_list(t, a, b, kb_i64(k, 0), whole, ways, sums);
  for (int w = 1; w < ways; w++)
    for (int i = 0; i < n; i++)
      sums[i] = mc_engine_is_real(p->d.e) ? LLVMBuildFAdd(k->b, sums[i], sums[w * n + i], "")
                                          : LLVMBuildAdd(k->b, sums[i], sums[w * n + i], "");
  if (ways > 1) emit_list(t, a, b, whole, count, 1, sums);
  memcpy(t->acc, sums, sizeof(V) * (size_t)n);
}

/* From a vector for each row of the block, what belongs to row r of the accumulators. */
static V rows_of(tile *t, V *row, int r) {
  const mc_engine *e = t->p->d.e;
  V v[2];
  for (int i = 0; i < e->rows; i++)
    v[i] = row[r * e->rows + i < t->p->d.mr ? r * e->rows + i : t->p->d.mr - 1];
  return e->rows == 1 ? v[0] : kb_concat(t->p->k, v, e->rows);
}

static void start_accs(tile *t, V bias, V m0) {
  kgemm *p = t->p;
  kb *k = p->k;
  bool f = mc_engine_is_real(p->d.e);
  int nb = t->nb, rows = mc_gemm_acc_rows(&p->d, p->d.mr),
      align = 4 * t->lanes < 16 ? 4 * t->lanes : 16;
  V row[16];
  for (int j = 0; j < nb; j++) {
    V v = kb_load(k, kb_vt(k, f ? k->f32 : k->i32, lanes_of(t, j)),
                  kb_gepi(k, bias, 4ll * j * t->lanes), align);
    for (int r = 0; r < p->d.mr; r++) row[r] = v;
    V start = rows_of(t, row, 0);
    for (int r = 0; r < rows; r++) t->acc[r * nb + j] = start;
  }
  if (!p->rowterm) return;
  int last = p->x->rank - 2;
  V iv[MC_MAX_RANK];
  memcpy(iv, p->x->iv, sizeof iv);
  iv[last] = m0;
  iv[last + 1] = NULL;
  for (int r = 0; r < p->d.mr; r++) {
    int64_t c[MC_MAX_RANK] = { 0 };
    c[last] = r;
    row[r] =
        kb_splat(k, kb_load(k, k->i32, kl_at(k, &p->rowterm_view, p->x->rank, iv, c), 4), t->lanes);
  }
  for (int r = 0; r < rows; r++) {
    V s = rows_of(t, row, r);
    for (int j = 0; j < nb; j++)
      t->acc[r * nb + j] =
          LLVMBuildAdd(k->b, t->acc[r * nb + j],
                       lanes_of(t, j) < t->lanes ? kb_extract(k, s, 0, lanes_of(t, j)) : s, "");
  }
}

/* The sums of row r of the block, vector j of 16 columns. */
static V row_sums(tile *t, int r, int j) {
  kb *k = t->p->k;
  int rows = t->p->d.e->rows, at = r % rows * t->lanes, mask[16];
  V acc[KGEMM_LANES], part[KGEMM_LANES];
  for (int i = 0; i < t->parts; i++) {
    int group =
        j * t->parts +
        i; /* 0 for columns that do not exist: what is computed of constants costs nothing */
    acc[i] =
        group < t->nb ? t->acc[r / rows * t->nb + group] : LLVMConstNull(LLVMTypeOf(t->acc[0]));
  }
  if (rows == 1)
    return lanes_of(t, j * t->parts) < t->lanes ? kb_widen(k, acc[0], KGEMM_LANES)
                                                : kb_concat(k, acc, t->parts);
  for (int i = 0; i < 2 * t->lanes; i++)
    mask[i] = i < t->lanes ? at + i : rows * t->lanes + at + i - t->lanes;
  for (int i = 0; i < t->parts / 2; i++)
    part[i] = kb_shuffle(k, acc[2 * i], acc[2 * i + 1], mask, 2 * t->lanes);
  return kb_concat(k, part, t->parts / 2);
}

static void bind_sums(kgemm *p, V acc) {
  if (mc_engine_is_real(p->d.e))
    kx_bind(p->x, p->head->out[0], kv_clamp(p->k, acc, p->d.clamp));
  else
    kx_bind_head(p->x, acc);
}

void kgemm_stand(kgemm *p, V m0, V n0) {
  p->x->iv[p->x->rank - 1] = n0;
  p->x->iv[p->x->rank - 2] = m0;
}

void kgemm_finish(kgemm *p, kgemm_row *w, int r, int j, V sums) {
  kx *x = p->x;
  int last = x->rank - 1, most = kv_narrow_most(p->k), at = j % most,
      here = j == w->nv - 1 ? w->valid : KGEMM_LANES;
  x->c[last - 1] = r;
  x->c[last] = (int64_t)j * KGEMM_LANES;
  kx_at(x, KGEMM_LANES, here);
  bind_sums(p, sums);
  if (!x->tail) {
    kx_finish(x);
  } else {
    w->raw[at] = kx_raw(x);
    x->c[last] = (int64_t)(j - at) * KGEMM_LANES;
    if (at == most - 1 || j == w->nv - 1) kx_store_raw(x, w->raw, at + 1, at * KGEMM_LANES + here);
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
  t.last = halves(p) && valid <= KGEMM_LANES / 2 ? KGEMM_LANES / 2 : t.lanes;
  return t;
}

static void kgemm_block(kgemm *p, V a, V b, V bias, V m0, V n0, int nv, int valid) {
  tile t = tile_of(p, nv, valid);
  kgemm_row w = { .nv = nv, .valid = valid };
  start_accs(&t, bias, m0);
  if (p->d.unit)
    emit_units(&t, a, b);
  else if (p->d.nrun)
    emit_runs(&t, a, b, 0);
  kgemm_stand(p, m0, n0);
  for (int r = 0; r < p->d.mr; r++)
    for (int j = 0; j < nv; j++) kgemm_finish(p, &w, r, j, row_sums(&t, r, j));
}

void kgemm_products(kgemm *p, const kgemm_at *at, const kgemm_meanwhile *m, V *sums) {
  int nv = at->nv;
  tile t = tile_of(p, nv, at->valid);
  start_accs(&t, at->bias, at->m0);
  t.between = m->between;
  t.ctx = m->ctx;
  t.of = m->head * p->d.mr;
  emit_straight(&t, kb_gepi(p->k, at->a, p->d.run[0]), at->b, 0, m->head, m->head == p->d.steps);
  t.between = NULL;
  emit_runs(&t, at->a, at->b, m->head);
  for (int r = 0; r < p->d.mr; r++)
    for (int j = 0; j < nv; j++) sums[r * nv + j] = row_sums(&t, r, j);
}

/* ---- the nest ---- */
/* Rows of the innermost row axis in blocks of mr; the last block moves back so that it is full (its
 * rows are computed twice, to the same bytes). */
static void emit_rows(kgemm *p, V a, V b, V bias, V n0, int nv, int valid) {
  kb *k = p->k;
  int64_t m = p->x->dim[p->x->rank - 2];
  kb_loop l;
  V m0 = kl_blocks(p->g, &l, m, p->d.mr, p->d.split == p->x->rank - 2);
  kgemm_block(p, kb_gep(k, a, kb_muli(k, m0, p->a.stride[p->x->rank - 2])), b, bias, m0, n0, nv,
              valid);
  kb_end(k, &l, NULL);
}

static void emit_row_axes(kgemm *p, int d, V a, V b, V bias, V n0, int nv, int valid) {
  if (d == p->x->rank - 2) {
    emit_rows(p, a, b, bias, n0, nv, valid);
    return;
  }
  kb_loop l;
  kl_range(p->g, &l, p->x->dim[d], 1, p->d.split == d);
  p->x->iv[d] = l.iv;
  emit_row_axes(p, d + 1, kb_gep(p->k, a, kb_muli(p->k, l.iv, p->a.stride[d])), b, bias, n0, nv,
                valid);
  kb_end(p->k, &l, NULL);
}

/* Blocks of columns of one width; a, b, bias, n0: of the first of them. */
static void emit_part(kgemm *p, V a, V b, V bias, V n0, kgemm_columns c) {
  kb *k = p->k;
  int64_t width = (int64_t)c.nv * KGEMM_LANES, col_bytes = mc_gemm_column_bytes(&p->d);
  if (mc_gemm_overlaps(&p->d, p->d.mr, c.nv)) {
    kgemm_overlapped(p, a, b, bias, n0, c);
    return;
  }
  kb_loop l;
  kl_range_part(p->g, &l, c.from, c.to, c.of, 1, p->d.split == MC_SPLIT_COLUMNS);
  V at = kb_muli(k, kb_addi(k, l.iv, -c.from), width);
  V columns = p->d.unit   ? ksparse_columns(p, l.iv)
              : p->d.bits ? kbits_columns(p, l.iv, c.nv)
                          : k_widen_block(p, kb_gep(k, b, kb_muli(k, at, col_bytes)), c.nv);
  emit_row_axes(p, p->d.nbatch, a, columns, kb_gep(k, bias, kb_muli(k, at, 4)), kb_add(k, n0, at),
                c.nv, c.valid);
  kb_end(k, &l, NULL);
}

/* Full column blocks, then the rest: fewer vectors, the last of them partly used. */
static void emit_columns(kgemm *p, V a, V b, V bias, V n0) {
  kb *k = p->k;
  int64_t width = (int64_t)p->d.nv * KGEMM_LANES, full = p->d.n / width * width,
          rest = p->d.n - full, blocks = (p->d.n + width - 1) / width,
          col_bytes = mc_gemm_column_bytes(&p->d);
  if (full)
    emit_part(p, a, b, bias, n0, (kgemm_columns){ 0, full / width, blocks, p->d.nv, KGEMM_LANES });
  if (!rest) return;
  int nv = (int)mc_gemm_vectors(rest);
  emit_part(
      p, a, kb_gepi(k, b, full * col_bytes), kb_gepi(k, bias, full * 4), kb_addi(k, n0, full),
      (kgemm_columns){ blocks - 1, blocks, blocks, nv, (int)(rest - (nv - 1) * KGEMM_LANES) });
}

static void emit_groups(kgemm *p, V a, V b, V bias) {
  kb *k = p->k;
  kb_loop l;
  kl_range(p->g, &l, p->d.groups, 1, p->d.split == MC_SPLIT_GROUPS);
  p->units_group = l.iv;
  (p->d.e->tile ? ktile_columns : emit_columns)(
      p, kb_gep(k, a, kb_muli(k, l.iv, p->d.a_group)), kb_gep(k, b, kb_muli(k, l.iv, p->b_group)),
      kb_gep(k, bias, kb_muli(k, l.iv, p->bias_group)), kb_muli(k, l.iv, p->d.n));
  kb_end(k, &l, NULL);
}

/* index: the position in the batch axes as one number. */
static void emit_batches(kgemm *p, int d, V a, V index, void (*repack)(kgemm *p, void *ctx),
                         void *ctx) {
  kb *k = p->k;
  if (d == p->d.nbatch) {
    if (repack) repack(p, ctx);
    emit_groups(p, a, kb_gep(k, p->b, kb_muli(k, index, p->b_batch)),
                kb_gep(k, p->bias, kb_muli(k, index, p->bias_batch)));
    return;
  }
  kb_loop l;
  kl_range(p->g, &l, p->x->dim[d], 1, p->d.split == d);
  p->x->iv[d] = l.iv;
  emit_batches(p, d + 1, kb_gep(k, a, kb_muli(k, l.iv, p->a.stride[d])),
               kb_add(k, kb_muli(k, index, p->x->dim[d]), l.iv), repack, ctx);
  kb_end(k, &l, NULL);
}

void kgemm_nest(kgemm *p, void (*repack)(kgemm *p, void *ctx), void *ctx) {
  memset(p->x->iv, 0, sizeof p->x->iv);
  memset(p->x->c, 0, sizeof p->x->c);
  kb_loop once;
  kl_range(p->g, &once, 1, 1, p->d.split < 0); /* what cannot be divided is one task's */
  if (p->d.e->tile) ktile_begin(p);
  emit_batches(p, 0, p->a.base, kb_i64(p->k, 0), repack, ctx);
  if (p->d.e->tile) ktile_end(p);
  kb_end(p->k, &once, NULL);
}
