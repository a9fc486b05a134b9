/* How the packed weights of a product lie in the object: which of the forms of stored.def.
 * docs/internals/stored-weights.md. */
#include "mc/analysis/stored.h"
#include "mc/decide/gemm.h"
#include "mc/target/tuning.h"
#include <string.h>

/* ---- what unpacking all of it once costs, in cycles ---- */

static double stored_plain_cycles(const mc_gemm *p) {
  (void)p;
  return 0;
}

static double stored_bits_cycles(const mc_gemm *p) {
  bool shuffles =
      p->ask->target->arch == MC_ARCH_aarch64 || (p->ask->target->isa & MC_ISA_BIT(sse41));
  double pieces = (double)p->groups * (double)mc_gemm_panel(p) / (mc_gemm_elem(p->e) == 1 ? 8 : 16);
  return pieces * (shuffles ? mc_tune.unpack : mc_tune.unpack_singly);
}

/* Of 16 elements. */
static double vectors_of(const mc_gemm *p) {
  return (double)p->groups * (double)mc_gemm_panel(p) / (double)mc_gemm_elem(p->e) /
         (double)MC_GEMM_LANES;
}

static double stored_nibbles_cycles(const mc_gemm *p) {
  if (p->direct) return 0; /* the nest's steps have it */
  double each = p->shared ? mc_tune.unpack_factors : mc_tune.unpack_nibbles;
  return vectors_of(p) * (each + (mc_gemm_elem(p->e) == 4 ? mc_tune.unpack_floats : 0));
}

static double stored_steps_cycles(const mc_gemm *p) {
  return vectors_of(p) * mc_tune.unpack_floats;
}

static bool few_codes(const mc_gemm *p) {
  uint32_t book[MC_CODES];
  return mc_codes_of(mc_value_tensor(p->head->in[1]), book) <= MC_GEMM_LANES;
}

double mc_stored_code_bytes(const mc_gemm *p) { return few_codes(p) ? 0.5 : 1; }

double mc_stored_code_cycles(const mc_gemm *p) {
  bool register_of_them = few_codes(p) && (p->ask->target->isa & MC_ISA_BIT(avx512));
  return register_of_them ? mc_tune.unpack_nibbles : mc_tune.unpack_codes;
}

static double stored_codes_cycles(const mc_gemm *p) {
  return vectors_of(p) * mc_stored_code_cycles(p);
}

static double stored_halves_cycles(const mc_gemm *p) {
  return vectors_of(p) * mc_tune.unpack_floats;
}

typedef double cycles_fn(const mc_gemm *p);
static cycles_fn *const cycles[MC_NUM_STORED] = {
#define MC_STORED(id, text, doc) [MC_STORED_##id] = stored_##id##_cycles,
#include "mc/analysis/stored.def"
};

double mc_stored_cycles(const mc_gemm *p) {
  double images = 1;
  for (int d = 0; d < p->nbatch; d++) images *= (double)p->dim[d];
  return images * cycles[p->stored](p);
}

/* ---- which ---- */

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

/* The form that the weights alone would take on this engine. */
static mc_stored wanted(const mc_target *t, const mc_engine *e, const mc_node *head,
                        const char **why) {
  mc_stored f = mc_stored_find(t, head, why);
  if (!f) return f;
  if (e->tile)
    *why = "tiles read them as they lie";
  else if (mc_engine_widens_b(e))
    *why = "they are widened from bf16 at run time";
  else if (head->op == MC_OP_conv2d && MC_ATTRS(head, conv2d)->groups > 1 &&
           columns_of(head) < MC_GEMM_LANES)
    *why = "groups of fewer than 16 channels share vectors";
  return *why ? MC_STORED_plain : f;
}

static bool few_rows(const mc_node *head) {
  return head->op == MC_OP_linear &&
         mc_type_elems(head->out[0]->type) <= MC_STORED_ROWS * head->in[1]->type->dim[0];
}

bool mc_stored_direct(const mc_node *head) {
  const mc_tensor *w = few_rows(head) ? mc_value_tensor(head->in[1]) : NULL;
  return w && w->dtype == MC_i8 && w->size >= 1024 && mc_nibbles_shared(w) >= 0;
}

/* f32 from fewer bits, where products use it: each weight is read so few times. */
static bool reals_direct(mc_stored f, const mc_engine *e, const mc_node *head) {
  return e->in == 'F' && few_rows(head) &&
         (f == MC_STORED_nibbles || f == MC_STORED_steps || f == MC_STORED_codes ||
          f == MC_STORED_halves);
}

/* Unpacked in registers: a step of one row takes one instruction of the engine. */
static bool can_direct(const mc_gemm *p) {
  return mc_stored_direct(p->head) && p->e->in == 'I' && !p->e->tile && p->e->rows == 1 &&
         p->nrun == 1;
}

/* Elements that share a factor where a run's pairs of steps can have one each; -1: they cannot. */
static int64_t shared_here(const mc_gemm *p) {
  const mc_tensor *w = mc_value_tensor(p->head->in[1]);
  int64_t s = mc_nibbles_shared(w);
  if (s > 0 && s == mc_tensor_elems(w) / w->dim[0]) return p->steps * p->kr; /* a run has one */
  while (s > 0 && (s % (2 * p->kr) || (p->nrun > 1 && p->rlen % s))) s = s > 16 ? s / 2 : -1;
  return s;
}

int64_t mc_nibbles_column(const mc_gemm *p) {
  int64_t factors = p->shared ? (p->steps * p->kr + p->shared - 1) / p->shared : 0;
  return (p->steps + 1) / 2 * p->kr + factors;
}

int64_t mc_stored_task_bytes(const mc_engine *e, const mc_node *head) {
  int64_t vectors = mc_gemm_vectors(columns_of(head));
  if (vectors > MC_WIDEN_VECTORS) vectors = MC_WIDEN_VECTORS;
  return (vectors * MC_GEMM_LANES * most_k(e, head) * mc_gemm_elem(e) + MC_PLAN_SLACK + 63) / 64 *
         64;
}

int64_t mc_stored_scratch(const mc_target *t, const mc_engine *e, const mc_node *head,
                          int workers) {
  const char *why;
  mc_stored f = wanted(t, e, head, &why);
  bool none = !f || reals_direct(f, e, head) ||
              (f == MC_STORED_nibbles && e->rows == 1 && mc_stored_direct(head));
  return none ? 0 : mc_stored_task_bytes(e, head) * workers;
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

static int64_t kept_bytes(const mc_gemm *p, mc_stored f) {
  int64_t columns = p->groups * mc_gemm_vectors(p->n) * MC_GEMM_LANES,
          scales = mc_gemm_elem(p->e) == 4 ? 4 * columns : 0;
  if (f == MC_STORED_nibbles) return p->nrun * columns * mc_nibbles_column(p) + scales;
  return mc_stored_bytes(f, mc_value_tensor(p->head->in[1]),
                         mc_gemm_panel(p) * p->groups / mc_gemm_elem(p->e));
}

static void take(mc_gemm *p, mc_stored f) {
  p->stored = f;
  p->packed_from = mc_gemm_panel(p) * p->groups;
  p->packed_to = kept_bytes(p, f);
}

/* The form that is wanted, for these runs and steps. */
static mc_stored form_of(mc_gemm *p) {
  mc_stored f = wanted(p->ask->target, p->e, p->head, &p->stored_why);
  bool direct = can_direct(p) && (!f || f == MC_STORED_nibbles);
  if (mc_engine_has(p->e, MC_ENGINE_NIBBLES) || direct) f = MC_STORED_nibbles;
  p->direct = reals_direct(f, p->e, p->head);
  if (f != MC_STORED_nibbles) return f;
  p->shared = shared_here(p);
  p->direct |= direct || mc_engine_has(p->e, MC_ENGINE_NIBBLES);
  if (p->shared >= 0) return f;
  p->direct = false;
  p->stored_why = "their factors do not end where runs do";
  return MC_STORED_plain;
}

void mc_stored_choose(mc_gemm *p) {
  const mc_target *t = p->ask->target;
  p->stored = p->stored_else = MC_STORED_plain;
  p->direct = false;
  mc_stored f = p->head->op == MC_OP_matmul ? MC_STORED_plain : form_of(p);
  if (!f || p->side) return;
  if (p->direct) {
    memset(&p->zeros, 0, sizeof p->zeros);
    take(p, f);
    return;
  }
  bool lists = t->sparse != MC_SPARSE_OFF && mc_gemm_divides(p) >= 0 && p->zeros.all[0][0] &&
               least_listed(p) < 1.1 * (double)kept_bytes(p, f);
  if (lists) {
    p->stored_why = "leaving blocks of zeros out is as small";
    p->stored_else = f;
    return;
  }
  memset(&p->zeros, 0, sizeof p->zeros); /* all is multiplied */
  take(p, f);
}

bool mc_stored_may_stay(const mc_gemm *p) {
  return p->direct && !p->ask->target->small_weights && !mc_engine_has(p->e, MC_ENGINE_NIBBLES);
}

void mc_stored_leave(mc_gemm *p) {
  p->stored = MC_STORED_plain;
  p->direct = false;
  p->packed_from = p->packed_to = 0;
  mc_gemm_scan(p);
}

void mc_stored_settle(mc_gemm *p) {
  if (p->stored_else && !p->unit) take(p, p->stored_else);
}
