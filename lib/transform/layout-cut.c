/* layout: minimum cut by Dinic's algorithm (E. A. Dinic, Soviet Math. Doklady 11, 1970):
 * breadth-first levels, then blocking flows along them. */
#include "layout.h"
#include <string.h>

typedef struct edge {
  int to, next;
  int64_t left;
} edge;

struct cut {
  mc_arena *arena;
  MC_VEC(edge) edges;
  MC_VEC(int) head;
  int *level, *at, *queue;
};

cut *cut_create(mc_arena *a) {
  cut *c = MC_NEW(a, cut);
  c->arena = a;
  cut_node(c);
  cut_node(c);
  return c;
}

int cut_node(cut *c) {
  MC_PUSH(c->arena, &c->head, -1);
  return (int)c->head.n - 1;
}

static void half_edge(cut *c, int from, int to, int64_t capacity) {
  edge e = { to, c->head.v[from], capacity };
  MC_PUSH(c->arena, &c->edges, e);
  c->head.v[from] = (int)c->edges.n - 1;
}

/* Edge k and its reverse k ^ 1 lie side by side. */
void cut_edge(cut *c, int from, int to, int64_t capacity) {
  half_edge(c, from, to, capacity);
  half_edge(c, to, from, 0);
}

static bool find_levels(cut *c) {
  int n = (int)c->head.n, first = 0, last = 0;
  for (int i = 0; i < n; i++) c->level[i] = -1;
  c->level[CUT_SOURCE] = 0;
  for (c->queue[last++] = CUT_SOURCE; first < last; first++) {
    int u = c->queue[first];
    for (int k = c->head.v[u]; k >= 0; k = c->edges.v[k].next) {
      const edge *e = &c->edges.v[k];
      if (e->left <= 0 || c->level[e->to] >= 0) continue;
      c->level[e->to] = c->level[u] + 1;
      c->queue[last++] = e->to;
    }
  }
  return c->level[CUT_SINK] >= 0;
}

/* One path from the source to the sink along rising levels, found with an explicit stack of edges
 * (networks are deep); its flow, or 0. */
static int64_t push_path(cut *c, int *path) {
  int u = CUT_SOURCE, n = 0;
  while (u != CUT_SINK) {
    int k = c->at[u];
    while (k >= 0 && (c->edges.v[k].left <= 0 || c->level[c->edges.v[k].to] != c->level[u] + 1))
      k = c->edges.v[k].next;
    c->at[u] = k;
    if (k >= 0) {
      path[n++] = k;
      u = c->edges.v[k].to;
    } else if (n) {
      k = path[--n]; /* a dead end: never again along this edge */
      u = c->edges.v[k ^ 1].to;
      c->at[u] = c->edges.v[k].next;
    } else
      return 0;
  }
  int64_t flow = INT64_MAX;
  for (int i = 0; i < n; i++)
    if (c->edges.v[path[i]].left < flow) flow = c->edges.v[path[i]].left;
  for (int i = 0; i < n; i++)
    c->edges.v[path[i]].left -= flow, c->edges.v[path[i] ^ 1].left += flow;
  return flow;
}

int64_t cut_solve(cut *c) {
  int64_t total = 0, flow;
  size_t n = c->head.n;
  c->level = MC_NEWN(c->arena, int, n);
  c->at = MC_NEWN(c->arena, int, n);
  c->queue = MC_NEWN(c->arena, int, n);
  int *path = MC_NEWN(c->arena, int, n);
  while (find_levels(c)) {
    memcpy(c->at, c->head.v, sizeof *c->at * n);
    while ((flow = push_path(c, path)) > 0) total += flow;
  }
  return total;
}

bool cut_side(const cut *c, int node) { return c->level[node] >= 0; }
