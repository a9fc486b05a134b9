/* Which groups can be links of a chain, and its geometry: rows, steps, lags, memory.
 * docs/internals/chains.md. */
#include "mc/plan/chain.h"
#include "families.h"
#include <string.h>

/* ---- links ---- */

static bool is_constant_window_op(const mc_node *n) {
  for (int i = 1; i < n->nin; i++)
    if (!mc_value_tensor(n->in[i])) return false;
  return true;
}

static bool all_zero(const mc_ints *l) {
  for (int i = 0; i < l->n; i++)
    if (l->v[i]) return false;
  return true;
}

static bool turns_planes(const mc_node *n) {
  const int64_t perm[] = { 0, 2, 3, 1 };
  if (n->op != MC_OP_transpose || n->out[0]->type->rank != 4) return false;
  const mc_ints *p = &MC_ATTRS(n, transpose)->perm;
  return p->n == 4 && memcmp(p->v, perm, sizeof perm) == 0;
}

/* What brings an input into the arena: a copy, or planes to pixels with a quantize on either side.
 */
static bool find_image(mc_link *l) {
  const mc_node *h = l->head, *next = h->next;
  if (h->op == MC_OP_pad)
    return all_zero(&MC_ATTRS(h, pad)->before) && all_zero(&MC_ATTRS(h, pad)->after);
  l->planes = turns_planes(h)                                         ? h
              : h->op == MC_OP_quantize && next && turns_planes(next) ? next
                                                                      : NULL;
  return l->planes != NULL;
}

/* Rows of the operand that a row of the result needs. NULL, or why the op cannot be computed in
 * strips. */
static const char *find_window(mc_link *l) {
  const mc_node *h = l->head;
  *l = (mc_link){ .group = l->group, .head = l->head, .reach = 1, .stride = 1 };
  if (mc_group_is(l->group, MC_FAMILY_move))
    return find_image(l) ? NULL : "its op is not computed in strips";
  if (mc_op_has(h->op, MC_T_ELEM)) return NULL;
  l->window = true;
  if (h->op == MC_OP_conv2d) {
    const mc_attrs_conv2d *c = MC_ATTRS(h, conv2d);
    l->reach = (h->in[1]->type->dim[1] - 1) * c->dilation[0] + 1, l->stride = c->stride[0],
    l->pad = c->pad[0];
    return is_constant_window_op(h) ? NULL : "its weights are not constant";
  }
  if (h->op == MC_OP_max_pool) {
    const mc_attrs_max_pool *c = MC_ATTRS(h, max_pool);
    l->reach = (c->kernel[0] - 1) * c->dilation[0] + 1, l->stride = c->stride[0],
    l->pad = c->pad[0];
    return NULL;
  }
  if (h->op == MC_OP_avg_pool) {
    const mc_attrs_avg_pool *c = MC_ATTRS(h, avg_pool);
    l->reach = c->kernel[0], l->stride = c->stride[0], l->pad = c->pad[0];
    return NULL;
  }
  return "its op is not computed in strips";
}

/* Rows below the operand's last that the last window reaches. */
static int64_t below(const mc_link *l) {
  return (l->group->out[0]->type->dim[1] - 1) * l->stride - l->pad + l->reach -
         l->head->in[0]->type->dim[1];
}

static const char *check_operand(const mc_link *l, const mc_node *n, int slot,
                                 const mc_value *from) {
  const mc_value *v = n->in[slot];
  const mc_type *y = l->group->out[0]->type;
  if (l->window && n == l->head) {
    if (slot == 0 && from && v != from) return "it does not read the result of the group before it";
    return slot == 0 && v->type->rank != 4 ? "its operand has no rows" : NULL;
  }
  if (mc_value_tensor(v))
    return v->type->rank >= 3 && v->type->dim[v->type->rank - 3] != 1
               ? "a constant operand differs from row to row"
               : NULL;
  if (v->def && v->def->graph == l->group->region) return NULL;
  if (l->planes && (v == l->planes->in[0] || v == l->head->in[0])) return NULL;
  if (v == from && l->window) return "the result of the group before it has several readers";
  return mc_type_same_shape(v->type, y) ? NULL : "an operand has another shape than the result";
}

/* from: the result of the link before; NULL: the first. */
static const char *check_link(mc_link *l, const mc_value *from) {
  const mc_node *g = l->group;
  bool known = mc_group_has(g, MC_FAM_PARTS) || (!from && mc_group_is(g, MC_FAMILY_move)),
       reads = false;
  if (!known || g->nout != 1 || g->out[0]->type->rank != 4)
    return "its kernel does not compute rows of one image";
  l->head = mc_group_head(g);
  const mc_value *result = mc_group_inner(g, 0);
  if (!l->head || !result->def || result->def->graph != g->region) return "it computes nothing";
  for (const mc_node *n = l->head->prev; n; n = n->prev)
    if (!mc_op_has(n->op, MC_T_CONST)) return "its first op is not the one that decides its rows";
  const char *why = find_window(l);
  MC_FOR_NODES (n, g->region) {
    if (mc_op_has(n->op, MC_T_CONST | MC_T_TERM)) continue;
    bool plane = l->planes && n->nout == 1 && n->out[0] == l->planes->in[0];
    if (!why && (n->nout != 1 || (!plane && !mc_type_same_shape(n->out[0]->type, g->out[0]->type))))
      why = "its ops have several shapes";
    for (int i = 0; i < n->nin && !why; i++) {
      why = check_operand(l, n, i, from);
      reads |= n->in[i] == from;
    }
  }
  if (why || !from)
    return why ? why
           : (l->head->op == MC_OP_max_pool || l->head->op == MC_OP_avg_pool) &&
                   (l->pad || below(l) > 0)
               ? "a pool over padded rows must not be the first"
               : NULL;
  if (!reads) return "it does not read the result of the group before it";
  if (!mc_value_single_user(from)) return "the result of the group before it has several readers";
  return l->head->op == MC_OP_avg_pool && (l->pad || below(l) > 0)
             ? "the mean over padded rows needs their number"
             : NULL;
}

/* ---- geometry ---- */

/* Rows that are moved to the front are at most a third of those that are computed meanwhile. */
static void default_kept(mc_link *l) {
  enum { COMPUTED = 3 };

  l->lap = l->keep ? (COMPUTED * l->keep + l->rows - 1) / l->rows : 1;
  l->kept = l->keep + l->lap * l->rows;
}

static const char *set_rows(mc_chain *c, int64_t rows, int *blame) {
  for (int i = c->n - 1; i >= 0; i--) {
    mc_link *l = &c->link[i];
    int64_t h = l->group->out[0]->type->dim[1];
    *blame = i;
    if (rows < 1 || rows >= h) return "a step has to be a part of the rows";
    if (h % rows) return "a step does not divide the rows";
    if (i == c->n - 1) c->steps = h / rows;
    if (h / rows != c->steps) return "the links' rows do not divide alike";
    l->rows = rows;
    if (rows > INT32_MAX || l->stride > INT32_MAX) return "a step has too many rows";
    rows *= l->stride;
  }
  return NULL;
}

static void set_lags(mc_chain *c) {
  for (int i = 0; i + 1 < c->n; i++) {
    mc_link *l = &c->link[i], *next = &c->link[i + 1];
    int64_t ahead = next->reach - next->stride - next->pad,
            steps = ahead > 0 ? (ahead + l->rows - 1) / l->rows : 0;
    next->lag = l->lag + steps;
    l->keep = steps * l->rows + next->pad;
    default_kept(l);
  }
}

const char *mc_chain_fit(mc_chain *c, mc_node *const *group, int n, int64_t rows, mc_arena *a,
                         int *blame) {
  *c = (mc_chain){ .n = n, .link = MC_NEWN(a, mc_link, n) };
  *blame = 0;
  if (n < 2) return "a chain has at least two links";
  if (n > MC_CHAIN_MOST) return "a chain has at most 16 links";
  for (int i = 0; i < n; i++) {
    c->link[i].group = group[i];
    *blame = i;
    const char *why = check_link(&c->link[i], i ? group[i - 1]->out[0] : NULL);
    if (why) return why;
  }
  c->images = group[0]->out[0]->type->dim[0];
  const char *why = set_rows(c, rows, blame);
  if (why) return why;
  set_lags(c);
  for (*blame = 0; *blame < n; ++*blame)
    if (mc_group_has(group[*blame], MC_FAM_WINOGRAD) && c->link[*blame].rows < 4)
      return "'winograd' computes four rows at least";
  return NULL;
}

const char *mc_chain_set_kept(mc_chain *c, int i, int64_t kept) {
  mc_link *l = &c->link[i];
  if (kept < l->keep + l->rows) return "its memory holds fewer rows than are needed at once";
  if ((kept - l->keep) % l->rows)
    return "its memory does not hold whole steps after the rows that stay";
  l->kept = kept;
  l->lap = (kept - l->keep) / l->rows;
  return NULL;
}

int64_t mc_chain_all_steps(const mc_chain *c) { return c->steps + c->link[c->n - 1].lag; }

/* ---- attributes ---- */

mc_ints mc_chain_attr(const mc_chain *c, int i, mc_arena *a) {
  bool last = i == c->n - 1;
  mc_ints v = { MC_NEWN(a, int64_t, 3), last ? 2 : 3 };
  v.v[0] = c->number;
  v.v[1] = c->link[i].rows;
  v.v[2] = c->link[i].kept;
  return v;
}

static const mc_ints *attr(const mc_node *g) { return &MC_ATTRS(g, group)->chain; }

static bool refuse(mc_diag *d, const mc_node *g, int64_t number, const char *why) {
  return mc_error(d, g->loc, "the group cannot be a link of chain %lld: %s", (long long)number,
                  why);
}

static bool read_one(mc_chain *c, mc_node *const *group, int n, mc_arena *a, mc_diag *d) {
  int64_t number = attr(group[0])->v[0];
  int blame;
  for (int i = 0; i < n; i++)
    if (attr(group[i])->n != 2 + (i < n - 1))
      return refuse(d, group[i], number,
                    i < n - 1 ? "'chain' needs three numbers, the last one for the rows of memory"
                              : "'chain' of the last link needs two numbers");
  const char *why = mc_chain_fit(c, group, n, attr(group[n - 1])->v[1], a, &blame);
  if (why) return refuse(d, group[blame], number, why);
  c->number = number;
  for (int i = 0; i < n; i++) {
    if (attr(group[i])->v[1] != c->link[i].rows)
      return mc_error(d, group[i]->loc, "a step of chain %lld computes %lld rows here, not %lld",
                      (long long)number, (long long)c->link[i].rows,
                      (long long)attr(group[i])->v[1]);
    if (i < n - 1 && (why = mc_chain_set_kept(c, i, attr(group[i])->v[2])) != NULL)
      return refuse(d, group[i], number, why);
  }
  return true;
}

bool mc_chains_read(mc_chain **out, int *count, int *of, mc_node *const *group, int ngroup,
                    mc_arena *a, mc_diag *d) {
  mc_chain *list = *out = MC_NEWN(a, mc_chain, ngroup);
  *count = 0;
  for (int i = 0; i < ngroup; i++) of[i] = -1;
  for (int i = 0, n; i < ngroup; i += n) {
    const mc_ints *at = attr(group[i]);
    n = 1;
    if (!at->n) continue;
    for (int k = 0; k < *count; k++)
      if (list[k].number == at->v[0])
        return refuse(d, group[i], at->v[0], "its links do not follow one another");
    while (i + n < ngroup && attr(group[i + n])->n && attr(group[i + n])->v[0] == at->v[0]) n++;
    if (!read_one(&list[*count], group + i, n, a, d)) return false;
    list[*count].first = i;
    for (int k = 0; k < n; k++) of[i + k] = *count;
    ++*count;
  }
  return true;
}
