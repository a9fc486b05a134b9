#include "repair_match.h"
#include "prune.h"
#include <math.h>
#include <string.h>

typedef struct matcher {
  const mc_channels *ch;
  const mc_product *was, *is;
  const bool *columns; /* [groups * d] of the original that are left; NULL: all */
  const float *w, *v;  /* weights before and after */
} matcher;

static const char *name_of(const mc_node *n) {
  return n->source && *n->source ? n->source : n->out[0]->name ? n->out[0]->name : "without a name";
}

/* Row `to` of the changed layer against row `from` of the original. */
static bool same_row(const matcher *m, int64_t from, int64_t to) {
  const mc_product *p = m->was;
  const float *w = m->w + from * p->d, *v = m->v + to * m->is->d;
  double diff = 0, size = 0;
  int64_t k = 0;
  for (int64_t j = 0; j < p->d; j++) {
    if (m->columns && !m->columns[from / p->o * p->d + j]) continue;
    if (k == m->is->d) return false;
    diff += ((double)w[j] - (double)v[k]) * ((double)w[j] - (double)v[k]);
    size += (double)w[j] * (double)w[j];
    k++;
  }
  return k == m->is->d && diff <= 1e-8 * size + 1e-30;
}

/* Rows in order: each of the changed layer is the next of the original that fits. False: one is
 * not found. */
static bool match_rows(const matcher *m, bool *keep) {
  int64_t n = m->was->groups * m->was->o, k = m->is->groups * m->is->o, at = 0;
  for (int64_t r = 0; r < n; r++) {
    int c = mc_channels_class(m->ch, m->was->node->out[0], r);
    bool must = n - r == k - at, known = c >= 0 && !keep[c];
    bool stays = at < k && !known && (must || same_row(m, r, at));
    if (stays && must && !same_row(m, r, at)) return false;
    if (!stays && c < 0) return false;
    if (!stays) keep[c] = false;
    at += stays;
  }
  return at == k;
}

static bool match_product(const mc_channels *ch, const mc_product *was, const mc_product *is,
                          bool *keep) {
  mc_arena *a = mc_arena_create();
  const float *w = mc_product_copy(was, a, NULL), *v = mc_product_copy(is, a, NULL);
  matcher m = { ch, was, is, mc_sites_columns(ch, was, keep, a), w, v };
  bool ok = was->kh == is->kh && was->kw == is->kw && was->node->op == is->node->op &&
            match_rows(&m, keep);
  mc_arena_destroy(a);
  return ok;
}

bool *mc_repair_match(const mc_channels *ch, const mc_products *was, const mc_products *is,
                      const char *original, mc_arena *a, mc_diag *d) {
  bool *keep = MC_NEWN(a, bool, ch->ncls + 1);
  for (int k = 0; k < ch->ncls; k++) keep[k] = true;
  for (int i = 0; i < was->n; i++) {
    if (match_product(ch, &was->v[i], &is->v[i], keep)) continue;
    mc_error(d, is->v[i].node->loc,
             "repair: the weights of layer '%s' are not those of '%s' in %s without some of its "
             "channels; repair knows networks that lost channels and nothing else, or that have "
             "the original's shapes",
             name_of(is->v[i].node), name_of(was->v[i].node), original);
    return NULL;
  }
  return keep;
}
