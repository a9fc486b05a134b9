/* Another batch size: the first axis of every input, what follows from it by inference, and
 * attributes that repeat it. */
#include "mc/driver/compile.h"
#include "mc/ir/build.h"

typedef struct batch {
  int64_t from, to;
  mc_diag *diag;
  mc_loc loc;
} batch;

/* Lists of sizes that start with the batch of an operand that has it. */
static void retarget(const batch *b, const mc_node *n) {
  const mc_type *x = n->nin ? n->in[0]->type : NULL;
  bool carries = x && x->rank > 0 && x->dim[0] == b->from && !mc_value_tensor(n->in[0]);
  mc_ints *sizes = NULL;
  if (n->op == MC_OP_reshape) sizes = &MC_ATTRS(n, reshape)->shape;
  if (n->op == MC_OP_broadcast) sizes = &MC_ATTRS(n, broadcast)->shape;
  if (n->op == MC_OP_slice && MC_ATTRS(n, slice)->starts.v[0] == 0)
    sizes = &MC_ATTRS(n, slice)->sizes;
  if (sizes && carries && sizes->n > 0 && sizes->v[0] == b->from) sizes->v[0] = b->to;
}

static void retarget_graph(const batch *b, const mc_graph *g) {
  MC_FOR_NODES (n, g) {
    if (n->region) retarget_graph(b, n->region);
    retarget(b, n);
  }
}

bool mc_driver_set_batch(mc_graph *g, int64_t size, mc_diag *d) {
  batch b = { .from = -1, .to = size, .diag = d, .loc = g->loc };
  for (int i = 0; i < g->nin; i++) {
    const mc_type *t = g->in[i]->type;
    if (t->rank == 0)
      return mc_error(d, g->in[i]->loc, "input '%s' has no axis for a batch", g->in[i]->name);
    if (b.from >= 0 && t->dim[0] != b.from)
      return mc_error(d, g->in[i]->loc,
                      "input '%s' has a batch of %lld, the first input one of %lld", g->in[i]->name,
                      (long long)t->dim[0], (long long)b.from);
    b.from = t->dim[0];
  }
  if (b.from < 0 || b.from == size) return true;
  retarget_graph(&b, g);
  for (int i = 0; i < g->nin; i++) {
    mc_type t = *g->in[i]->type;
    t.dim[0] = size;
    const char *wrong = mc_type_check(&t);
    if (wrong) return mc_error(d, g->in[i]->loc, "a batch of %lld: %s", (long long)size, wrong);
    g->in[i]->type = mc_type_intern(g->module, &t);
  }
  if (mc_infer_graph(g, d)) return true;
  mc_note(d, g->loc, "the graph is written for a batch of %lld and does not fit one of %lld",
          (long long)b.from, (long long)size);
  return false;
}
