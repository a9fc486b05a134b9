/* Arena bytes of a group: one function for each name in the scratch column of families.def. */
#include "mc/decide/scratch.h"
#include "mc/decide/gemm.h"

static int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

static const mc_node *head_of(const mc_ask *a, mc_opcode op) {
  const mc_node *n = mc_region_head(a->group->region);
  return n && n->op == op ? n : NULL;
}

static int64_t scratch_none(const mc_ask *a) {
  (void)a;
  return 0;
}

static int64_t scratch_gemm(const mc_ask *a) {
  return mc_gemm_scratch(a->target, a->group, a->tasks, a->workers);
}

/* ---- Winograd ---- */

int64_t mc_winograd_task_bytes(const mc_winograd *w) {
  return w->v_bytes + w->m_bytes + w->u_bytes + w->tmp_bytes;
}

static int64_t scratch_winograd(const mc_ask *a) {
  const mc_node *head = mc_region_head(a->group->region);
  if (!head || mc_winograd_refused(head, a->target)) return 0;
  mc_winograd w =
      mc_winograd_cut(head, a->target, a->workers, mc_group_has(a->group, MC_FAM_READY));
  return mc_winograd_task_bytes(&w) * a->workers;
}

/* ---- rows ---- */

bool mc_rows_in_place(const mc_node *group) {
  const mc_value *v = group->region->last->in[0];
  return v == mc_region_head(group->region)->out[0] && v->type->dtype == MC_f32;
}

int64_t mc_rows_bytes(int64_t n) { return up(n, MC_GEMM_LANES) * 4; }

int mc_softmax_axis(const mc_node *softmax, int *rank) {
  const mc_type *t = softmax->out[0]->type;
  int64_t axis = MC_ATTRS(softmax, softmax)->axis;
  if (axis < 0) axis += t->rank;
  for (*rank = t->rank; *rank - 1 > axis && t->dim[*rank - 1] == 1; (*rank)--) {
  }
  return (int)axis;
}

int64_t mc_softmax_task_bytes(const mc_node *softmax) {
  int rank, axis = mc_softmax_axis(softmax, &rank);
  int64_t size = softmax->out[0]->type->dim[axis];
  return (axis == rank - 1 ? MC_ROWS_MOST * mc_rows_bytes(size) : size * 4 * MC_GEMM_LANES) +
         MC_PLAN_SLACK;
}

static int64_t scratch_softmax(const mc_ask *a) {
  const mc_node *n = head_of(a, MC_OP_softmax);
  return !n || mc_rows_in_place(a->group) ? 0 : mc_softmax_task_bytes(n) * a->tasks;
}

int mc_norm_axis(const mc_node *layer_norm) {
  int64_t axis = MC_ATTRS(layer_norm, layer_norm)->axis;
  return (int)(axis < 0 ? axis + layer_norm->in[0]->type->rank : axis);
}

bool mc_norm_has_front(const mc_node *layer_norm) {
  const mc_value *x = layer_norm->in[0];
  return x->def && x->def->graph == layer_norm->graph && !mc_value_tensor(x);
}

int64_t mc_norm_task_bytes(const mc_node *layer_norm) {
  const mc_type *t = layer_norm->out[0]->type;
  return MC_ROWS_MOST * mc_rows_bytes(t->dim[t->rank - 1]) + MC_PLAN_SLACK;
}

int64_t mc_norm_dense_bytes(const mc_type *t) { return up(mc_type_bytes(t) + MC_PLAN_SLACK, 64); }

/* Axes from `axis` on are one piece of memory. */
static bool one_piece(const mc_strides *s, const mc_type *t, int axis) {
  for (int d = t->rank - 2; d >= axis; d--)
    if (s->stride[d] != s->stride[d + 1] * t->dim[d + 1] && !(t->dim[d] == 1 && !s->stride[d]))
      return false;
  return true;
}

bool mc_norm_copies(const mc_ask *a, const mc_node *layer_norm) {
  int axis = mc_norm_axis(layer_norm);
  mc_strides in = mc_ask_strides(a, layer_norm->in[0]), out = a->strides(a->ctx, a->group->out[0]);
  const mc_type *t = layer_norm->in[0]->type;
  return !one_piece(&in, t, axis) || !one_piece(&out, t, axis);
}

static int64_t scratch_norm(const mc_ask *a) {
  const mc_node *n = head_of(a, MC_OP_layer_norm);
  if (!n) return 0;
  if (mc_norm_has_front(n))
    return mc_rows_in_place(a->group) ? 0 : mc_norm_task_bytes(n) * a->tasks;
  if (!mc_norm_copies(a, n)) return 0;
  const mc_type *x = n->in[0]->type, *y = n->out[0]->type;
  return mc_norm_dense_bytes(x) + (x->dtype == y->dtype ? 0 : mc_norm_dense_bytes(y));
}

/* ---- resize ---- */

bool mc_resize_mixes(const mc_node *resize) {
  return MC_ATTRS(resize, resize)->mode != mc_resize_nearest;
}

int64_t mc_resize_row_bytes(const mc_node *resize) {
  const mc_type *t = resize->out[0]->type;
  return up(t->dim[2] * t->dim[3] * 4 + MC_PLAN_SLACK, 64);
}

static int64_t scratch_resize(const mc_ask *a) {
  const mc_node *n = head_of(a, MC_OP_resize);
  return n && mc_resize_mixes(n) ? 2 * mc_resize_row_bytes(n) * a->tasks : 0;
}

/* ---- all ---- */

typedef int64_t scratch_fn(const mc_ask *a);

int64_t mc_decide_scratch(const mc_ask *a) {
  static scratch_fn *const of[MC_NUM_FAMILIES] = {
    [MC_FAMILY_none] = scratch_none,
#define MC_FAMILY(id, scratch, columns, traits, doc) [MC_FAMILY_##id] = scratch_##scratch,
#include "mc/ir/families.def"
  };
  return of[mc_group_family(a->group)](a);
}
