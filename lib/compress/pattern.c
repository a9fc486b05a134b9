#include "pattern.h"
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

/* A whole number from 1 to MOST at *s, which moves on. */
static bool number(const char **s, int64_t *n) {
  char *end;
  if (**s < '1' || **s > '9') return false;
  long v = strtol(*s, &end, 10);
  *s = end;
  *n = v;
  return v <= MOST;
}

bool mc_pattern_parse(const char *text, mc_pattern *p) {
  *p = (mc_pattern){ 1, 1, 0, 0 };
  if (strcmp(text, "weights") == 0) return true;
  int64_t a, b;
  if (!number(&text, &a)) return false;
  char sign = *text++;
  if ((sign != 'x' && sign != ':') || !number(&text, &b)) return false;
  if (sign == 'x' && *text == ':') { /* RxN:M */
    p->rows = a, a = b, sign = *text++;
    if (!number(&text, &b)) return false;
  }
  if (*text) return false;
  if (sign == 'x')
    p->rows = a, p->cols = b;
  else
    p->keep = a, p->of = b;
  return sign == 'x' || a < b;
}

mc_grid mc_grid_of(const mc_pattern *p, const mc_tensor *w, int64_t groups) {
  bool conv = w->rank == 4;
  mc_grid g = { .p = *p, .groups = groups, .o = w->dim[0] / groups, .ci = w->dim[w->rank - 1] };
  g.taps = conv ? w->dim[1] * w->dim[2] : 1;
  g.down = (g.o + p->rows - 1) / p->rows;
  g.across = (g.ci + p->cols - 1) / p->cols;
  g.n = g.groups * g.down * g.taps * g.across;
  return g;
}

mc_grid_block mc_grid_at(const mc_grid *g, int64_t i) {
  int64_t across = i % g->across, tap = i / g->across % g->taps, up = i / g->across / g->taps;
  int64_t down = up % g->down, group = up / g->down;
  mc_grid_block b = { .rows = g->p.rows, .cols = g->p.cols };
  b.row = group * g->o + down * b.rows;
  b.col = tap * g->ci + across * b.cols;
  if (down * b.rows + b.rows > g->o) b.rows = g->o - down * b.rows;
  if (across * b.cols + b.cols > g->ci) b.cols = g->ci - across * b.cols;
  return b;
}
