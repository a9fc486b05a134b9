#include "way.h"

static way best_way(const ways *w, int i, int how) {
  way best = { -1, 0 };
  for (int b = 0; b < (i ? w->nchoice : 1); b++) {
    double before = i ? way_at(w, i - 1, b)->cost : 0;
    double c = before < 0 ? -1 : w->cost(w->ctx, i, how, b, before);
    if (c >= 0 && (best.cost < 0 || c < best.cost)) best = (way){ c, b };
  }
  return best;
}

void ways_find(ways *w, mc_arena *a) {
  w->at = MC_NEWN(a, way, w->n * w->nchoice + 1);
  for (int i = 0; i < w->n; i++)
    for (int how = 0; how < w->nchoice; how++) w->at[i * w->nchoice + how] = best_way(w, i, how);
}

int ways_chosen(const ways *w, int i, int how, int from) {
  for (; i > from; i--) how = way_at(w, i, how)->before;
  return how;
}

int ways_best(const ways *w) {
  int best = 0, last = w->n - 1;
  for (int h = 1; h < w->nchoice && last >= 0; h++) {
    double c = way_at(w, last, h)->cost;
    double least = way_at(w, last, best)->cost;
    if (c >= 0 && (least < 0 || c < least)) best = h;
  }
  return best;
}
