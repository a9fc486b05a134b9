/* Weights kept small in the object (mcc -compress-weights): which. */
#include "mc/analysis/packed.h"
#include "mc/decide/gemm.h"
#include "mc/target/tuning.h"
#include <string.h>

/* The elements of K of a column, at most: each tap padded to whole steps. */
static int64_t most_k(const mc_engine *e, const mc_node *head) {
  const mc_type *w = head->in[1]->type;
  int64_t c = w->dim[w->rank - 1], taps = head->op == MC_OP_conv2d ? w->dim[1] * w->dim[2] : 1;
  return taps * ((c + e->kr - 1) / e->kr * e->kr);
}

static int64_t columns_of(const mc_node *head) {
  int64_t groups = head->op == MC_OP_conv2d ? MC_ATTRS(head, conv2d)->groups : 1;
  return head->in[1]->type->dim[0] / groups;
}

static const char *refused(const mc_target *t, const mc_engine *e, const mc_node *head) {
  const char *why = mc_packed_refused(t, head);
  if (why) return why;
  if (e->tile) return "tiles read them as they lie";
  if (mc_engine_widens_b(e)) return "they are widened from bf16 at run time";
  if (head->op == MC_OP_conv2d && MC_ATTRS(head, conv2d)->groups > 1 &&
      columns_of(head) < MC_GEMM_LANES)
    return "groups of fewer than 16 channels share vectors";
  return NULL;
}

int64_t mc_bits_task_bytes(const mc_engine *e, const mc_node *head) {
  int64_t vectors = mc_gemm_vectors(columns_of(head));
  if (vectors > MC_WIDEN_VECTORS) vectors = MC_WIDEN_VECTORS;
  return (vectors * MC_GEMM_LANES * most_k(e, head) * mc_gemm_elem(e) + MC_PLAN_SLACK + 63) / 64 *
         64;
}

int64_t mc_bits_scratch(const mc_target *t, const mc_engine *e, const mc_node *head, int workers) {
  return refused(t, e, head) ? 0 : mc_bits_task_bytes(e, head) * workers;
}

/* Bytes of the smallest form that leaves blocks of zeros out; its places take 4 bytes each. */
static double least_listed(const mc_gemm *p) {
  double least = (double)mc_gemm_panel(p) * (double)p->groups, all = least;
  for (int nv = 1; nv <= MC_ZERO_WIDTHS; nv++)
    for (int unit = p->kr; unit < 1 << MC_ZERO_UNITS; unit *= 2) {
      double block = (double)(nv * MC_GEMM_LANES * unit * mc_gemm_elem(p->e));
      double bytes = mc_zeros_share(&p->zeros, nv, unit) * all * (1 + 4 / block);
      if (bytes < least) least = bytes;
    }
  for (int nv = 1; nv <= MC_ZERO_WIDTHS; nv++) {
    double step = (double)(nv * MC_GEMM_LANES * p->kr * mc_gemm_elem(p->e));
    double bytes = mc_zeros_picked(&p->zeros, nv, p->kr) * all * (1 + 8 / step);
    bool can = mc_rate_picks(p->e->rate, p->ask->target);
    if (can && bytes < least) least = bytes;
  }
  return least;
}

static int64_t kept_bytes(const mc_gemm *p) {
  int64_t size = mc_gemm_elem(p->e), n = mc_gemm_panel(p) * p->groups / size;
  return mc_packed_bytes(n, mc_packed_used(mc_value_tensor(p->head->in[1])), size);
}

static void take(mc_gemm *p) {
  p->bits = true;
  p->packed_from = mc_gemm_panel(p) * p->groups;
  p->packed_to = kept_bytes(p);
}

void mc_bits_choose(mc_gemm *p) {
  const mc_target *t = p->ask->target;
  p->bits = p->bits_else = false;
  if (!t->small_weights) return;
  p->bits_why = refused(t, p->e, p->head);
  if (p->bits_why || p->side) return;
  bool lists = t->sparse != MC_SPARSE_OFF && mc_gemm_divides(p) >= 0 && p->zeros.all[0][0] &&
               least_listed(p) < 1.1 * (double)kept_bytes(p);
  if (lists) {
    p->bits_why = "leaving blocks of zeros out is as small";
    p->bits_else = true;
    return;
  }
  memset(&p->zeros, 0, sizeof p->zeros); /* all is multiplied */
  take(p);
}

void mc_bits_settle(mc_gemm *p) {
  if (p->bits_else && !p->unit) take(p);
}

double mc_bits_cycles(const mc_gemm *p) {
  bool shuffles =
      p->ask->target->arch == MC_ARCH_aarch64 || (p->ask->target->isa & MC_ISA_BIT(sse41));
  double pieces = (double)p->groups * (double)mc_gemm_panel(p) / (mc_gemm_elem(p->e) == 1 ? 8 : 16);
  double images = 1;
  for (int d = 0; d < p->nbatch; d++) images *= (double)p->dim[d];
  return images * pieces * (shuffles ? mc_tune.unpack : mc_tune.unpack_singly);
}
