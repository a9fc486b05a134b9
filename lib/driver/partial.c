/* Partial quantization: layers are left in fp32 in the order of their sensitivity until the budget
 * holds; every answer is a network that was run. */
#include "mc/driver/partial.h"
#include "mc/support/suggest.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the budget's text ---- */

typedef struct kind {
  const char *word;
  mc_partial_kind kind;
  const char *right;
} kind;

static const kind kinds[] = {
  { "acc", MC_PARTIAL_ACC, "points of top-1 below fp32 are wanted, 0 to 100 (acc:0.5)" },
  { "snr", MC_PARTIAL_SNR, "a signal-to-noise ratio in dB is wanted, above 0 (snr:30)" },
};

static bool bad(const char *text, const char *why, mc_diag *d) {
  return mc_error(d, mc_noloc, "-quant-budget=%s: %s", text, why);
}

bool mc_partial_read(mc_partial_budget *out, const char *text, mc_diag *d) {
  const char *colon = strchr(text, ':'), *best = NULL;
  const char *word = colon ? mc_arena_strndup(d->arena, text, (size_t)(colon - text)) : text;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    best = mc_suggest_better(word, best, kinds[i].word);
    if (!mc_same_word(kinds[i].word, word)) continue;
    char *rest;
    double v = colon ? strtod(colon + 1, &rest) : NAN;
    bool fits = colon && rest != colon + 1 && !*rest && isfinite(v);
    fits = fits && (kinds[i].kind == MC_PARTIAL_ACC ? v >= 0 && v <= 100 : v > 0);
    *out = (mc_partial_budget){ text, kinds[i].kind, v };
    return fits || bad(text, kinds[i].right, d);
  }
  return bad(
      text,
      best ? mc_arena_printf(d->arena, "there is no budget '%s'; did you mean '%s'?", word, best)
           : "acc:POINTS or snr:DB is wanted",
      d);
}

/* ---- the search ---- */

typedef struct chooser {
  mc_trials *t;
  const mc_partial_budget *b;
  mc_arena *a;
  mc_diag *d;
  mc_sensitivity *s; /* the most sensitive first */
  int n;
  bool *in; /* [n]: stays in fp32 */
  mc_partial *out;
} chooser;

static bool holds(const chooser *c, const mc_trial *x) {
  if (c->b->kind == MC_PARTIAL_SNR) return x->snr >= c->b->value;
  double lost = 100.0 * (double)(c->out->right - x->right) / (double)c->out->samples;
  return lost <= c->b->value + 1e-9;
}

static const char *list_of(const chooser *c) {
  const char *list = NULL;
  for (int i = 0; i < c->n; i++)
    if (c->in[i])
      list = list ? mc_arena_printf(c->a, "%s:%s", list, c->s[i].layer->pattern)
                  : c->s[i].layer->pattern;
  return list;
}

/* The layers of c->in in fp32. *ok: the budget holds; out->chosen then is the trial. */
static bool attempt(chooser *c, bool *ok, mc_trial *x) {
  c->out->trials++;
  if (!mc_trials_run(c->t, list_of(c), NULL, x)) return false;
  *ok = holds(c, x);
  if (*ok) c->out->chosen = *x;
  return true;
}

static void first_few(chooser *c, int k) {
  for (int i = 0; i < c->n; i++) c->in[i] = i < k;
}

/* One layer that is enough: the one that leaves the least error. */
static bool single(chooser *c) {
  int best = -1;
  for (int i = 0; i < c->n; i++)
    if (holds(c, &c->s[i].without) &&
        (best < 0 || c->s[i].without.error < c->s[best].without.error))
      best = i;
  if (best < 0) return false;
  first_few(c, 0);
  c->in[best] = true;
  c->out->chosen = c->s[best].without;
  return true;
}

static bool cannot(chooser *c, const mc_trial *x) {
  const char *reached = mc_trial_text(x, c->out->samples, c->a);
  mc_error(c->d, mc_noloc,
           "-quant-budget=%s cannot be held: with all %d layers in fp32 the network gives %s",
           c->b->text, c->n, reached);
  const char *fp32 = "";
  if (c->out->right >= 0)
    fp32 = mc_arena_printf(
        c->a, "; fp32: %s",
        mc_trial_text(&(mc_trial){ .snr = NAN, .right = c->out->right }, c->out->samples, c->a));
  mc_note(c->d, mc_noloc, "all quantized: %s%s", mc_trial_text(&c->out->all, c->out->samples, c->a),
          fp32);
  return false;
}

/* The fewest of the most sensitive; *k: how many. */
static bool bisect(chooser *c, int *k) {
  int lo = 1, hi = c->n;
  mc_trial x;
  bool ok;
  first_few(c, c->n);
  if (!attempt(c, &ok, &x)) return false;
  if (!ok) return cannot(c, &x);
  while (hi - lo > 1) {
    int mid = (lo + hi) / 2;
    mc_trials_progress(c->t, "layers to keep", c->n - (hi - lo), c->n);
    first_few(c, mid);
    if (!attempt(c, &ok, &x)) return false;
    if (ok)
      hi = mid;
    else
      lo = mid;
  }
  first_few(c, *k = hi);
  return true;
}

/* Layers back to integers that the others make up for, the least sensitive first; the last of k
 * is needed, as the bisection has found. */
static bool drop(chooser *c, int k) {
  for (int i = k - 2; i >= 0; i--) {
    mc_trial x;
    bool ok;
    c->in[i] = false;
    mc_trials_progress(c->t, "layers to give back", k - 2 - i, k);
    if (!attempt(c, &ok, &x)) return false;
    c->in[i] = !ok;
  }
  return true;
}

static bool search(chooser *c) {
  int k;
  c->s = mc_trials_sensitivity(c->t, &c->out->all, &c->n);
  if (!c->s) return false;
  c->out->trials += 2 * c->n;
  c->in = MC_NEWN(c->a, bool, c->n + 1);
  mc_sensitivity_sort(c->s, c->n);
  if (!c->n) return cannot(c, &c->out->all);
  return single(c) || (bisect(c, &k) && drop(c, k));
}

static bool can_judge(const chooser *c) {
  if (c->b->kind == MC_PARTIAL_ACC || mc_trials_reals(c->t)) return true;
  return mc_error(c->d, mc_noloc,
                  "-quant-budget=%s: the network gives classes, which have no signal-to-noise "
                  "ratio; give acc:POINTS and -eval=",
                  c->b->text);
}

static void warn_unnamed(const chooser *c, const mc_trial_layer *l, int n) {
  int count = 0;
  const mc_trial_layer *first = NULL;
  for (int i = 0; i < n; i++)
    if (!l[i].pattern && !count++) first = &l[i];
  if (first)
    mc_warning(c->d, first->loc,
               "-quant-budget: %d layers have no name, and are never left in fp32", count);
}

static void name_kept(chooser *c, const char *skip) {
  mc_partial *p = c->out;
  const char *list = c->in ? list_of(c) : NULL;
  p->name = MC_NEWN(c->a, const char *, c->n + 1);
  for (int i = 0; i < c->n; i++)
    if (c->in && c->in[i]) p->name[p->kept++] = mc_arena_strdup(c->a, c->s[i].layer->name);
  bool more = list && skip && *skip;
  p->skip = more   ? mc_arena_printf(c->a, "%s:%s", skip, list)
            : list ? mc_arena_strdup(c->a, list)
                   : skip;
}

static bool choose(chooser *c, const char *skip) {
  bool ok;
  const mc_trial_layer *l = mc_trials_layers(c->t, &c->out->layers);
  c->out->samples = mc_trials_samples(c->t);
  c->out->right = mc_trials_right(c->t);
  if (!can_judge(c)) return false;
  warn_unnamed(c, l, c->out->layers);
  if (!attempt(c, &ok, &c->out->all) || (!ok && !search(c))) return false;
  name_kept(c, skip);
  return true;
}

bool mc_partial_choose(mc_partial *out, const mc_module *m, const mc_compile_opts *o,
                       const mc_partial_budget *b, const mc_trial_opts *t, mc_arena *a,
                       mc_diag *d) {
  mc_trial_opts to = *t;
  *out = (mc_partial){ .right = -1 };
  to.labels = b->kind == MC_PARTIAL_ACC;
  chooser c = { .t = mc_trials_open(m, o, &to, d), .b = b, .a = a, .d = d, .out = out };
  bool ok = c.t && choose(&c, o->skip);
  mc_trials_close(c.t);
  return ok;
}

const char *mc_trial_text(const mc_trial *x, int64_t samples, mc_arena *a) {
  const char *top = "";
  if (x->right >= 0)
    top =
        mc_arena_printf(a, "top-1 %.2f %% (%lld/%lld)", 100.0 * (double)x->right / (double)samples,
                        (long long)x->right, (long long)samples);
  if (isnan(x->snr)) return *top ? top : "no result that can be compared";
  if (x->snr >= HUGE_VAL)
    return mc_arena_printf(a, "%s%sno difference to fp32", top, *top ? ", " : "");
  return mc_arena_printf(a, "%s%s%.1f dB", top, *top ? ", " : "", x->snr);
}
