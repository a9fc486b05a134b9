/* For a unit u of a part: cost = tr(W_u (H_uu)^-1 W_u^T); its removal is W -= W_u (H_uu)^-1 H_u,
 * H -= H_u^T (H_uu)^-1 H_u. */
#include "obs.h"
#include "mc/measure/linalg.h"
#include "mc/measure/moments.h"
#include <math.h>
#include <string.h>

static const double most_work = 3e8; /* elements of h, over all removals, that are updated one unit
                                        at a time */

enum { LEAST_LOOKS = 32 }; /* at the costs, for all units */

/* h [d, d]: rows and columns column[d] of (g + ridge I)^-1. False: singular. */
static bool some_columns(int64_t d_all, double *g, double ridge, int64_t d, const int64_t *column,
                         double *h, mc_arena *t) {
  if (!mc_la_cholesky(d_all, g, ridge)) return false;
  double *x = MC_NEWN(t, double, d_all *d); /* columns of the inverse */
  for (int64_t k = 0; k < d; k++) x[column[k] * d + k] = 1;
  mc_la_cholesky_solve(d_all, g, d, x);
  for (int64_t k = 0; k < d; k++) memcpy(h + k * d, x + column[k] * d, sizeof *x * (size_t)d);
  return true;
}

static bool whole_inverse(int64_t d_all, double *g, double ridge, int64_t d, const int64_t *column,
                          double *h, mc_arena *t) {
  (void)t;
  if (!mc_la_inverse(d_all, g, ridge)) return false;
  for (int64_t k = 0; k < d; k++)
    for (int64_t j = 0; j < d; j++) h[k * d + j] = g[column[k] * d_all + column[j]];
  return true;
}

bool mc_obs_part_of(mc_obs_part *p, int64_t d_all, const double *g, int64_t o, const float *w,
                    int units, const int64_t *first, const int64_t *column, double lambda,
                    mc_arena *a) {
  int64_t d = first[units];
  mc_arena *t = mc_arena_create();
  double *l = mc_arena_copy(t, g, sizeof *g * (size_t)(d_all * d_all)),
         e = mc_la_energy(o, d_all, w, g),
         ridge = lambda * mc_la_trace(d_all, g) / (double)d_all + 1e-12;
  *p = (mc_obs_part){ .o = o, .d = d, .first = first, .weight = e > 0 ? 1 / e : 0 };
  p->h = MC_NEWN(a, double, d *d);
  p->w = MC_NEWN(a, double, o *d);
  bool ok = (d_all > MC_WIDE && 2 * d > d_all ? whole_inverse : some_columns)(d_all, l, ridge, d,
                                                                              column, p->h, t);
  for (int64_t r = 0; ok && r < o; r++)
    for (int64_t k = 0; k < d; k++) p->w[r * d + k] = (double)w[r * d_all + column[k]];
  mc_arena_destroy(t);
  return ok;
}

/* The lower Cholesky factor of the k x k block of h at column c. False where it has vanished. */
static bool factor(const mc_obs_part *p, int64_t c, int64_t k, double *l) {
  for (int64_t i = 0; i < k; i++)
    for (int64_t j = 0; j <= i; j++) {
      double s = p->h[(c + i) * p->d + c + j];
      for (int64_t m = 0; m < j; m++) s -= l[i * k + m] * l[j * k + m];
      if (i == j && !(s > 0)) return false;
      l[i * k + j] = i == j ? sqrt(s) : s / l[j * k + j];
    }
  return true;
}

/* |l^-1 w|^2 of one row's columns of a unit. */
static double row_cost(const double *w, int64_t k, const double *l, double *z) {
  double sum = 0;
  for (int64_t i = 0; i < k; i++) {
    double s = w[i];
    for (int64_t j = 0; j < i; j++) s -= l[i * k + j] * z[j];
    z[i] = s / l[i * k + i];
    sum += z[i] * z[i];
  }
  return sum;
}

static int64_t widest(const mc_obs_part *p, int np, int units) {
  int64_t k = 1;
  for (int i = 0; i < np; i++)
    for (int u = 0; u < units; u++)
      if (p[i].first[u + 1] - p[i].first[u] > k) k = p[i].first[u + 1] - p[i].first[u];
  return k;
}

/* each[u] += what it costs part p to lose unit u, of those that may go. Row by row, since rows of w
 * are long. l: room for k^2 numbers of each unit, k: the columns of the widest. */
static void add_costs(const mc_obs_part *p, int units, int64_t k, const bool *may, double *l,
                      double *each) {
  mc_arena *a = mc_arena_create();
  double *sum = MC_NEWN(a, double, units + 1), *z = MC_NEWN(a, double, k);
  bool *is = MC_NEWN(a, bool, units + 1);
  for (int u = 0; u < units; u++) {
    int64_t c = p->first[u], n = p->first[u + 1] - c;
    is[u] = may[u] && n && factor(p, c, n, l + u * k * k);
  }
  bool single = k == 1 && p->first[units] == units; /* unit u is column u */
  for (int u = 0; single && u < units; u++)
    if (!is[u]) l[u] = 1;
  for (int64_t r = 0; single && r < p->o; r++)
    for (int u = 0; u < units; u++) {
      double x = p->w[r * p->d + u] / l[u];
      sum[u] += x * x;
    }
  for (int64_t r = 0; !single && r < p->o; r++)
    for (int u = 0; u < units; u++) {
      int64_t c = p->first[u];
      if (is[u]) sum[u] += row_cost(p->w + r * p->d + c, p->first[u + 1] - c, l + u * k * k, z);
    }
  for (int u = 0; u < units; u++)
    if (is[u]) each[u] += p->weight * sum[u];
  mc_arena_destroy(a);
}

/* Rows c .. c + k - 1 of h become (h_uu)^-1 h_u in m [k, d]. */
static void solved_rows(const mc_obs_part *p, int64_t c, int64_t k, const double *l, double *m) {
  int64_t d = p->d;
  memcpy(m, p->h + c * d, sizeof *m * (size_t)(k * d));
  for (int64_t i = 0; i < k; i++) {
    for (int64_t j = 0; j < i; j++)
      for (int64_t x = 0; x < d; x++) m[i * d + x] -= l[i * k + j] * m[j * d + x];
    for (int64_t x = 0; x < d; x++) m[i * d + x] /= l[i * k + i];
  }
  for (int64_t i = k - 1; i >= 0; i--) {
    for (int64_t j = i + 1; j < k; j++)
      for (int64_t x = 0; x < d; x++) m[i * d + x] -= l[j * k + i] * m[j * d + x];
    for (int64_t x = 0; x < d; x++) m[i * d + x] /= l[i * k + i];
  }
}

static void remove_unit(mc_obs_part *p, int u, double *l, double *m, double *col) {
  int64_t c = p->first[u], k = p->first[u + 1] - c, d = p->d;
  if (!k || !factor(p, c, k, l)) return;
  solved_rows(p, c, k, l, m);
  for (int64_t r = 0; r < p->o; r++) memcpy(col + r * k, p->w + r * d + c, sizeof *col * (size_t)k);
  mc_la_gemm(false, false, p->o, d, k, -1, col, m, 1, p->w);
  for (int64_t r = 0; r < d; r++) memcpy(col + r * k, p->h + r * d + c, sizeof *col * (size_t)k);
  mc_la_gemm(false, false, d, d, k, -1, col, m, 1, p->h);
  for (int64_t r = 0; r < p->o; r++) memset(p->w + r * d + c, 0, sizeof *m * (size_t)k);
  for (int64_t r = 0; r < d; r++) memset(p->h + r * d + c, 0, sizeof *m * (size_t)k);
  memset(p->h + c * d, 0, sizeof *m * (size_t)(k * d));
}

/* ---- several units at once ---- */

/* The columns of units, in order. */
static int64_t columns_of(const mc_obs_part *p, const int *unit, int n, int64_t *at) {
  int64_t k = 0;
  for (int i = 0; i < n; i++)
    for (int64_t c = p->first[unit[i]]; c < p->first[unit[i] + 1]; c++) at[k++] = c;
  return k;
}

/* What remove_unit does, for n units. Where their block has vanished, nothing. */
static void remove_units(mc_obs_part *p, const int *unit, int n) {
  mc_arena *a = mc_arena_create();
  int64_t d = p->d, *at = MC_NEWN(a, int64_t, d), k = columns_of(p, unit, n, at);
  double *l = MC_NEWN(a, double, k *k), *m = MC_NEWN(a, double, k *d);
  double *hc = MC_NEWN(a, double, k *d), *wc = MC_NEWN(a, double, k * p->o);
  for (int64_t i = 0; i < k; i++) {
    memcpy(m + i * d, p->h + at[i] * d, sizeof *m * (size_t)d);
    for (int64_t j = 0; j < k; j++) l[i * k + j] = p->h[at[i] * d + at[j]];
    for (int64_t r = 0; r < d; r++) hc[r * k + i] = p->h[r * d + at[i]];
    for (int64_t r = 0; r < p->o; r++) wc[r * k + i] = p->w[r * d + at[i]];
  }
  if (k && mc_la_cholesky(k, l, 0)) {
    mc_la_cholesky_solve(k, l, d, m);
    mc_la_gemm(false, false, p->o, d, k, -1, wc, m, 1, p->w);
    mc_la_gemm(false, false, d, d, k, -1, hc, m, 1, p->h);
    for (int64_t i = 0; i < k; i++) {
      for (int64_t r = 0; r < p->o; r++) p->w[r * d + at[i]] = 0;
      for (int64_t r = 0; r < d; r++) p->h[r * d + at[i]] = p->h[at[i] * d + r] = 0;
    }
  }
  mc_arena_destroy(a);
}

/* The columns of units that are gone leave h and w, once they are a quarter of them. */
static void shrink(mc_obs_part *p, const bool *gone, int units, mc_arena *a) {
  mc_arena *t = mc_arena_create();
  int64_t d = p->d, n = 0, *first = MC_NEWN(a, int64_t, units + 1), *at = MC_NEWN(t, int64_t, d);
  for (int u = 0; u < units; u++) {
    first[u] = n;
    for (int64_t c = p->first[u]; !gone[u] && c < p->first[u + 1]; c++) at[n++] = c;
  }
  first[units] = n;
  if (4 * n <= 3 * d) {
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++) p->h[i * n + j] = p->h[at[i] * d + at[j]];
    for (int64_t r = 0; r < p->o; r++)
      for (int64_t j = 0; j < n; j++) p->w[r * n + j] = p->w[r * d + at[j]];
    p->d = n;
    p->first = first;
  }
  mc_arena_destroy(t);
}

typedef struct limit {
  const int *window;
  int *room;
} limit;

/* The cheapest units that may go, `most` at most, cheapest first; how many. */
static int cheapest(const double *cost, const bool *may, int units, int most, int *out) {
  int n = 0;
  for (int u = 0; u < units; u++) {
    if (!may[u] || !(cost[u] < HUGE_VAL)) continue;
    int i = n < most ? n++ : n;
    if (i == most && cost[u] >= cost[out[--i]]) continue;
    for (; i > 0 && cost[u] < cost[out[i - 1]]; i--) out[i] = out[i - 1];
    out[i] = u;
  }
  return n;
}

/* How many units go between two looks at the costs: 1, but for large systems. */
static int at_once(const mc_obs_part *p, int np, int units, int count) {
  double work = 0;
  for (int i = 0; i < np; i++) work += (double)p[i].d * (double)p[i].d * (double)count;
  double n = ceil(work / most_work), most = units / LEAST_LOOKS;
  if (n > most) n = most;
  return n < 1 ? 1 : (int)n;
}

static int eliminate(mc_obs_part *p, int np, int units, const bool *free_, int count,
                     const limit *in, int *order, double *error, mc_arena *a) {
  int64_t k = widest(p, np, units), d = 1;
  for (int i = 0; i < np; i++) {
    if (p[i].d > d) d = p[i].d;
    if (p[i].o > d) d = p[i].o;
  }
  double *l = MC_NEWN(a, double, k *k), *ls = MC_NEWN(a, double, units *k *k), total = 0;
  double *m = MC_NEWN(a, double, k *d), *col = MC_NEWN(a, double, k *d);
  double *each = MC_NEWN(a, double, units + 1);
  bool *alive = mc_arena_copy(a, free_, sizeof *free_ * (size_t)units);
  bool *may = MC_NEWN(a, bool, units + 1), *left = MC_NEWN(a, bool, units + 1);
  int step = in ? 1 : at_once(p, np, units, count), gone = 0, *next = MC_NEWN(a, int, step + 1);
  while (gone < count) {
    for (int u = 0; u < units; u++) {
      may[u] = alive[u] && !(in && !in->room[in->window[u]]);
      each[u] = 0;
    }
    for (int i = 0; i < np; i++) add_costs(&p[i], units, k, may, ls, each);
    int n = cheapest(each, may, units, step < count - gone ? step : count - gone, next);
    if (!n) break;
    for (int i = 0; i < n; i++, gone++) {
      alive[next[i]] = false, left[next[i]] = true;
      if (in) in->room[in->window[next[i]]]--;
      total += each[next[i]];
      order[gone] = next[i];
      if (error) error[gone] = total;
    }
    for (int i = 0; i < np; i++) {
      if (n == 1)
        remove_unit(&p[i], next[0], l, m, col);
      else
        remove_units(&p[i], next, n);
      if (step > 1) shrink(&p[i], left, units, a);
    }
  }
  return gone;
}

int mc_obs_eliminate(mc_obs_part *p, int np, int units, const bool *free_, int count, int *order,
                     double *error, mc_arena *a) {
  return eliminate(p, np, units, free_, count, NULL, order, error, a);
}

int mc_obs_eliminate_within(mc_obs_part *p, int np, int units, const int *window, int *room,
                            int *order, mc_arena *a) {
  bool *all = MC_NEWN(a, bool, units);
  for (int u = 0; u < units; u++) all[u] = true;
  return eliminate(p, np, units, all, units, &(limit){ window, room }, order, NULL, a);
}
