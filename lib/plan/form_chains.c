/* form-chains: series of groups that hand rows on become chains.
 *
 *   %q = group {kernel="gemm"} ...           %q = group {kernel="gemm", chain=[1,4,24]} ...
 *     strips of 4 rows; memory of 24
 *   %r = group {kernel="depthwise"} ...  ==> %r = group {kernel="depthwise", chain=[1,4,4]} ...
 *   %y = group {kernel="gemm"} ...           %y = group {kernel="gemm", chain=[1,4]} ...
 *
 * The list of groups is cut into segments: single groups, and chains of 2 to 16 links with a number
 * of rows. For `time` the least estimated time is found (where a chain has to be 3 % better than
 * its groups alone), and then the cut with the least peak of bytes alive that takes at most 0.2 %
 * more. For `memory` first the least peak of bytes alive is found, then the fastest cut that stays
 * within 3 % of it: so chains are formed only where the peak is. Nothing is computed twice and each
 * result is computed as before: EXACT. What the text says about chains stays. */
#include "chains.h"
#include "families.h"
#include "mc/analysis/model.h"
#include "mc/analysis/stored.h"
#include "mc/pass/pass.h"
#include "mc/target/tuning.h"

typedef struct chooser {
  mc_pass_context *cx;
  const mc_opts_form_chains *o;
  mc_node **group;
  int n, *of;
  pricer *prices;

  struct {
    segment *v;
    size_t n, cap;
  } *ending; /* per group: segments that end there */

  int64_t number;
} chooser;

/* ---- segments ---- */

static const mc_type *type_of(const chooser *f, int i) {
  return f->group[i]->nout == 1 ? f->group[i]->out[0]->type : NULL;
}

static void add(chooser *f, int first, int n, int64_t rows) {
  segment s = { .first = first, .n = n, .rows = rows };
  if (pricer_ask(f->prices, &s)) MC_PUSH(f->cx->scratch, &f->ending[first + n - 1], s);
}

/* Transforms of strips cost more than the model says (docs/notes/chains.md). */
static bool loses_time(const chooser *f, int i) {
  return f->o->goal == mc_chaingoal_time && mc_group_has(f->group[i], MC_FAM_WINOGRAD);
}

/* Each strip would unpack the weights again. */
static bool unpacks(const chooser *f, int i) {
  const mc_node *head =
      f->o->goal == mc_chaingoal_time ? mc_region_head(f->group[i]->region) : NULL;
  return head && mc_op_has(head->op, MC_T_ACCUM) &&
         mc_stored_find(f->cx->target, head, NULL) != MC_STORED_plain;
}

/* Does group i go on from the one before? */
static bool goes_on(const chooser *f, int i) {
  const mc_type *t = type_of(f, i);
  if (i < 1 || loses_time(f, i) || loses_time(f, i - 1) || unpacks(f, i) || unpacks(f, i - 1) ||
      f->of[i] >= 0 || f->of[i - 1] >= 0 || !t || t->rank != 4)
    return false;
  const mc_value *v = type_of(f, i - 1) ? f->group[i - 1]->out[0] : NULL;
  mc_node *user = v ? mc_value_single_user(v) : NULL;
  return user && mc_node_in(f->cx->graph, user) == f->group[i];
}

static void list_segments(chooser *f) {
  for (int end = 0; end < f->n; end++) {
    add(f, end, 1, 0);
    for (int first = end; first > 0 && end - first + 2 <= MC_CHAIN_MOST && goes_on(f, first);
         first--) {
      int64_t h = type_of(f, end)->dim[1];
      for (int64_t r = 1; r < h; r++)
        if (h % r == 0 && (f->o->rows == 0 || f->o->rows == r))
          add(f, first - 1, end - first + 2, r);
    }
  }
}

/* ---- cuts ---- */

typedef double value_fn(const chooser *f, const segment *s, double before,
                        double limit); /* of a cut that ends with s; negative: not allowed */

static double peak(const chooser *f, const segment *s, double before, double limit) {
  (void)f, (void)limit;
  return (double)s->bytes > before ? (double)s->bytes : before;
}

/* limit: bytes. */
static double total_time(const chooser *f, const segment *s, double before, double limit) {
  (void)f;
  return (double)s->bytes > limit ? -1 : before + s->cycles;
}

/* An estimate is not exact. */
static double cautious_time(const chooser *f, const segment *s, double before, double limit) {
  (void)f, (void)limit;
  return before + s->cycles * (s->n > 1 ? mc_tune.chain_margin : 1);
}

/* Single groups count, and steps a little: as few and as long chains as can be. */
static double unlinked(const chooser *f, const segment *s, double before, double limit) {
  (void)f, (void)limit;
  return before + 1 + 1e-6 * (double)s->rows;
}

/* The cut with the least value: last[i] is the segment that ends with group i. */
static double best_cut(const chooser *f, value_fn *value, double limit, const segment **last) {
  double *best = MC_NEWN(f->cx->scratch, double, f->n + 1);
  for (int i = 0; i < f->n; i++) {
    best[i + 1] = -1;
    for (size_t k = 0; k < f->ending[i].n; k++) {
      const segment *s = &f->ending[i].v[k];
      if (best[s->first] < 0) continue;
      double v = value(f, s, best[s->first], limit);
      if (v < 0 || (best[i + 1] >= 0 && v >= best[i + 1])) continue;
      best[i + 1] = v;
      last[i] = s;
    }
  }
  return best[f->n];
}

static bool has_images(const chooser *f) {
  for (int i = 0; i < f->n; i++)
    if (type_of(f, i) && type_of(f, i)->rank == 4 && type_of(f, i)->dim[0] > 1) return true;
  return false;
}

/* The fastest cut, or one that is as fast and needs less memory. Several images have other ways to
 * little memory (images.c), which chains would stand in the way of. */
static void fast_cut(chooser *f, const segment **last) {
  if (has_images(f)) {
    best_cut(f, cautious_time, 0, last);
    return;
  }
  double enough = mc_tune.chain_same * best_cut(f, cautious_time, 0, last),
         lo = best_cut(f, peak, 0, last), hi = lo, t;
  while ((t = best_cut(f, total_time, hi, last)) > enough || t < 0) lo = hi, hi *= 1.25;
  for (int i = 0; i < 12 && lo < hi; i++) {
    double middle = (lo + hi) / 2;
    t = best_cut(f, total_time, middle, last);
    if (t >= 0 && t <= enough)
      hi = middle;
    else
      lo = middle;
  }
  best_cut(f, total_time, hi, last);
}

/* ---- what is said ---- */

static double us(const chooser *f, double cycles) { return mc_model_us(f->cx->target, cycles); }

static const char *name_of(const mc_node *g) {
  return g->source ? g->source : g->out[0]->name ? g->out[0]->name : "a group";
}

static double alone(const chooser *f, const segment *s) {
  double sum = 0;
  for (int i = 0; i < s->n; i++) sum += f->ending[s->first + i].v[0].cycles;
  return sum;
}

/* The same groups with other steps: the three fastest. */
static const char *others(const chooser *f, const segment *s) {
  const char *text = "";
  double from = -1;
  int64_t seen = s->rows;
  for (int times = 0; times < 3; times++) {
    const segment *next = NULL;
    for (size_t k = 0; k < f->ending[s->first + s->n - 1].n; k++) {
      const segment *x = &f->ending[s->first + s->n - 1].v[k];
      if (x->n == s->n && x->rows != s->rows && x->rows != seen && x->cycles > from &&
          (!next || x->cycles < next->cycles))
        next = x;
    }
    if (!next) break;
    text = mc_arena_printf(f->cx->scratch, "%s%s %lld %.3g us", text, times ? "," : "; or rows",
                           (long long)next->rows, us(f, next->cycles));
    from = next->cycles;
    seen = next->rows;
  }
  return text;
}

static void remark_chain(const chooser *f, const segment *s) {
  int64_t strips, whole;
  pricer_between(f->prices, s, &strips, &whole);
  mc_remark(f->cx->diag, f->group[s->first]->loc,
            "chain %lld, %d groups from %s to %s: %lld rows a step, %.3g us (one after the other "
            "%.3g us), %lld bytes between the groups instead of %lld%s",
            (long long)f->number, s->n, name_of(f->group[s->first]),
            name_of(f->group[s->first + s->n - 1]), (long long)s->rows, us(f, s->cycles),
            us(f, alone(f, s)), (long long)strips, (long long)whole, others(f, s));
}

/* Of the chains among groups [from, to], which are none, the one that gains most or loses least. */
static void remark_refused(const chooser *f, int from, int to) {
  const segment *best = NULL;
  for (int i = from; i <= to; i++)
    for (size_t k = 0; k < f->ending[i].n; k++) {
      const segment *s = &f->ending[i].v[k];
      if (s->n > 1 && s->first >= from &&
          (!best || s->cycles / alone(f, s) < best->cycles / alone(f, best)))
        best = s;
    }
  if (best)
    mc_remark(f->cx->diag, f->group[best->first]->loc,
              "no chain of %s to %s: %.3g us in steps of %lld rows, %.3g us one after the other",
              name_of(f->group[best->first]), name_of(f->group[best->first + best->n - 1]),
              us(f, best->cycles), (long long)best->rows, us(f, alone(f, best)));
}

/* ---- the pass ---- */

static void make_chain(chooser *f, const segment *s) {
  mc_chain c;
  int blame;
  if (mc_chain_fit(&c, f->group + s->first, s->n, s->rows, f->cx->scratch, &blame))
    return; /* it did before */
  c.number = ++f->number;
  for (int i = 0; i < s->n; i++)
    MC_ATTRS(f->group[s->first + i], group)->chain = mc_chain_attr(&c, i, f->cx->module->arena);
  MC_STAT_ADD(f->cx, form_chains, chains, 1);
  MC_STAT_ADD(f->cx, form_chains, links, s->n);
}

static void choose(chooser *f, bool *changed) {
  const segment **last = MC_NEWN(f->cx->scratch, const segment *, f->n + 1);
  if (f->o->goal == mc_chaingoal_all)
    best_cut(f, unlinked, 0, last);
  else if (f->o->goal == mc_chaingoal_time)
    fast_cut(f, last);
  else
    best_cut(f, total_time, mc_tune.chain_margin * best_cut(f, peak, 0, last), last);
  const segment **cut = MC_NEWN(f->cx->scratch, const segment *, f->n);
  int n = 0;
  for (int i = f->n - 1; i >= 0; i = last[i]->first - 1) cut[n++] = last[i];
  for (int single = -1; n-- > 0;) {
    const segment *s = cut[n];
    if (s->n == 1 && single < 0) single = s->first;
    bool ends = s->n == 1 && (n == 0 || cut[n - 1]->n > 1 || !goes_on(f, s->first + 1));
    if (ends) remark_refused(f, single, s->first);
    if (ends || s->n > 1) single = -1;
    if (s->n == 1) continue;
    make_chain(f, s);
    remark_chain(f, s);
    *changed = true;
  }
}

static void list_groups(chooser *f) {
  MC_FOR_NODES (g, f->cx->graph) f->n += g->op == MC_OP_group;
  f->group = MC_NEWN(f->cx->scratch, mc_node *, f->n);
  f->of = MC_NEWN(f->cx->scratch, int, f->n);
  f->ending = mc_arena_alloc(f->cx->scratch, sizeof *f->ending * (size_t)f->n);
  f->n = 0;
  MC_FOR_NODES (g, f->cx->graph)
    if (g->op == MC_OP_group) f->group[f->n++] = g;
}

bool mc_pass_form_chains(mc_pass_context *cx, const mc_opts_form_chains *o, bool *changed) {
  chooser f = { .cx = cx, .o = o };
  mc_chain *known;
  int nknown;
  if (o->rows < 0) return mc_error(cx->diag, cx->loc, "form-chains: rows must not be negative");
  list_groups(&f);
  if (!mc_chains_read(&known, &nknown, f.of, f.group, f.n, cx->scratch, cx->diag)) return false;
  if (!cx->target || !f.n) return true;
  for (int i = 0; i < nknown; i++)
    if (known[i].number > f.number) f.number = known[i].number;
  f.prices = pricer_create(f.group, f.n, cx->graph, cx->target);
  list_segments(&f);
  choose(&f, changed);
  pricer_destroy(f.prices);
  return true;
}
