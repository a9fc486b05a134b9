/* What form-chains asks about a series of groups: time and memory of its parts as chains. */
#ifndef MC_PLAN_CHAINS_H
#define MC_PLAN_CHAINS_H
#include "mc/plan/chain.h"

/* Groups [first, first + n): one group as it is (n 1), or a chain whose last link computes `rows`
 * rows a step. */
typedef struct segment {
  int first, n;
  int64_t rows;
  double cycles;
  int64_t bytes;
} segment; /* bytes: arena bytes alive while it runs, about */
typedef struct pricer pricer;
/* All groups of a graph, in order. Released with pricer_destroy. */
pricer *pricer_create(mc_node *const *group, int n, const mc_graph *g, const mc_target *t);
void pricer_destroy(pricer *p);
/* Fills cycles and bytes. False: the groups are no chain of such steps. */
bool pricer_ask(pricer *p, segment *s);
/* Bytes of memory between the links, in strips and as whole values. */
void pricer_between(pricer *p, const segment *s, int64_t *strips, int64_t *whole);
#endif
