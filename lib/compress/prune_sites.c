/* Which columns of which matrices read the channels of a coupling group. */
#include "prune.h"
#include <string.h>

static int64_t last_dim(const mc_value *v) {
  return v->type->rank ? v->type->dim[v->type->rank - 1] : 0;
}

/* Column k of matrix g reads this channel of the input. */
static int64_t channel_of(const mc_product *p, int64_t g, int64_t k) {
  return g * p->ci + k % p->ci;
}

/* A product whose outputs go together with what they read (depthwise) passes channels on: it is no
 * reader of them. */
static bool passes_on(const mc_channels *ch, const mc_product *p, int64_t g) {
  int in = mc_channels_class(ch, p->node->in[0], channel_of(p, g, 0));
  return in >= 0 && p->groups > 1 && in == mc_channels_class(ch, p->node->out[0], g * p->o);
}

bool *mc_sites_columns(const mc_channels *ch, const mc_product *p, const bool *keep, mc_arena *a) {
  bool *flag = MC_NEWN(a, bool, p->groups * p->d), any = false;
  for (int64_t g = 0; g < p->groups; g++) {
    bool whole = passes_on(ch, p, g);
    for (int64_t k = 0; k < p->d; k++) {
      int c = mc_channels_class(ch, p->node->in[0], channel_of(p, g, k));
      flag[g * p->d + k] = whole || c < 0 || keep[c];
      any |= !flag[g * p->d + k];
    }
  }
  return any ? flag : NULL;
}

bool *mc_sites_rows(const mc_channels *ch, const mc_product *p, const bool *keep, mc_arena *a) {
  int64_t n = p->groups * p->o;
  bool *flag = MC_NEWN(a, bool, n), any = false;
  for (int64_t r = 0; r < n && n == last_dim(p->node->out[0]); r++) {
    int c = mc_channels_class(ch, p->node->out[0], r);
    flag[r] = c < 0 || keep[c];
    any |= !flag[r];
  }
  return any ? flag : NULL;
}

/* ---- readers ---- */

/* The columns of a matrix by unit of the site; NULL when it reads none. */
static void add_reader(const mc_channels *ch, const site *s, const int *unit, const mc_product *p,
                       int product, int64_t g, reader *out, int *n, mc_arena *a) {
  int64_t total = 0, *first = MC_NEWN(a, int64_t, s->units + 1);
  for (int64_t k = 0; k < p->d; k++) {
    int c = mc_channels_class(ch, p->node->in[0], channel_of(p, g, k));
    if (c >= 0 && ch->cls[c].group == s->group) first[unit[c] + 1]++, total++;
  }
  if (!total || passes_on(ch, p, g)) return;
  for (int u = 0; u < s->units; u++) first[u + 1] += first[u];
  int64_t *at = mc_arena_copy(a, first, sizeof *first * (size_t)(s->units + 1));
  int64_t *column = MC_NEWN(a, int64_t, total);
  for (int64_t k = 0; k < p->d; k++) {
    int c = mc_channels_class(ch, p->node->in[0], channel_of(p, g, k));
    if (c >= 0 && ch->cls[c].group == s->group) column[at[unit[c]]++] = k;
  }
  out[(*n)++] = (reader){ product, g, first, column };
}

static void find_readers(const mc_channels *ch, site *s, const int *unit, const mc_products *p,
                         mc_arena *a) {
  int most = 0;
  for (int i = 0; i < p->n; i++) most += (int)p->v[i].groups;
  reader *r = MC_NEWN(a, reader, most + 1);
  for (int i = 0; i < p->n; i++)
    for (int64_t g = 0; g < p->v[i].groups && !passes_on(ch, &p->v[i], g); g++)
      add_reader(ch, s, unit, &p->v[i], i, g, r, &s->nr, a);
  s->r = r;
}

sites mc_sites_of(const mc_channels *ch, const mc_products *p, mc_arena *a) {
  sites out = { MC_NEWN(a, site, ch->ngroup + 1), 0 };
  int *unit = MC_NEWN(a, int, ch->ncls + 1);
  for (int g = 0; g < ch->ngroup; g++) {
    site *s = &out.v[out.n];
    *s = (site){ .group = g, .cls = MC_NEWN(a, int, ch->group[g].size + 1) };
    s->free_ = MC_NEWN(a, bool, ch->group[g].size + 1);
    for (int k = 0; k < ch->ncls; k++) {
      if (ch->cls[k].group != g) continue;
      unit[k] = s->units;
      s->free_[s->units] = !ch->cls[k].fixed;
      s->nfree += !ch->cls[k].fixed;
      s->cls[s->units++] = k;
    }
    if (!s->nfree) continue;
    s->order = MC_NEWN(a, int, s->units);
    find_readers(ch, s, unit, p, a);
    out.n++;
  }
  return out;
}
