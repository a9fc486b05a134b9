/* Depthwise convolutions: interleaved rows where bytes allow it, else blocks of pixels. */
#include "mc/decide/decide.h"

static bool has(const mc_target *t, uint64_t isa) { return (t->isa & isa) == isa; }

/* Shapes and types that interleaved rows take. */
static bool suits_rows(const mc_target *t, const mc_node *head) {
  const mc_attrs_conv2d *a = MC_ATTRS(head, conv2d);
  const mc_type *in = head->in[0]->type, *wt = head->in[1]->type;
  const mc_tensor *w = mc_value_tensor(head->in[1]);
  if ((t->arch != MC_ARCH_x86_64 && !has(t, MC_ISA_BIT(dotprod))) ||
      (in->dtype != MC_u8 && in->dtype != MC_i8))
    return false;
  if (!w || w->dtype != MC_i8 || (head->nin > 2 && !mc_value_tensor(head->in[2])) ||
      wt->dim[3] != 1)
    return false;
  int64_t c = wt->dim[0], mult = c / in->dim[3];
  if (a->dilation[0] != 1 || a->dilation[1] != 1 || wt->dim[1] > MC_DW_KERNEL ||
      wt->dim[2] > MC_DW_KERNEL || a->stride[1] > wt->dim[2])
    return false;
  /* blocks that differ are jobs of their own */
  return mult <= 16 && !((mult & (mult - 1)) && c > 16 * MC_DW_JOBS);
}

bool mc_decide_depthwise_interleaved(mc_decision *d, const mc_node *head, mc_arena *arena) {
  const mc_target *t = d->ask.target;
  if (head->op != MC_OP_conv2d || !suits_rows(t, head)) return false;
  const mc_type *wt = head->in[1]->type;
  int64_t c = wt->dim[0];
  mc_narrow found;
  bool packed = mc_narrow_find(&found, t, head);
  mc_strides in = mc_ask_strides(&d->ask, head->in[0]),
             out = d->ask.strides(d->ask.ctx, d->ask.group->out[0]);
  mc_dw_row row = { .c = c,
                    .mult = c / head->in[0]->type->dim[3],
                    .ow = head->out[0]->type->dim[2],
                    .sx = MC_ATTRS(head, conv2d)->stride[1],
                    .dense = in.stride[2] == c && out.stride[2] == c,
                    .packed = packed };
  if (!mc_dw_cut_row(&row, t, &d->rows)) return false;
  if (packed) d->narrow = found;
  bool four =
      t->arch != MC_ARCH_x86_64 || has(t, MC_ISA_BIT(avx512vnni)) || has(t, MC_ISA_BIT(avxvnni));
  d->note = mc_arena_printf(arena, "interleaved rows, %d taps an instruction", four ? 4 : 2);
  return true;
}

/* Accumulators take a quarter of the registers at most; of the counts that fit, the one that
 * computes the fewest pixels twice, then the largest. */
static int pixels_at_once(const mc_target *t, int64_t m) {
  int lanes = t->vector_bytes >= 64 ? 16 : t->vector_bytes >= 32 ? 8 : 4;
  int most = mc_engine_regs(t) * lanes / MC_GEMM_LANES / 4, best = 1;
  if (most > 8) most = 8;
  for (int r = 2; r <= most && r <= m; r++)
    if ((m + r - 1) / r * r <= (m + best - 1) / best * best || r <= 4) best = r;
  return best;
}

void mc_decide_depthwise(mc_decision *d, const mc_node *head, mc_arena *arena) {
  const mc_attrs_conv2d *c = MC_ATTRS(head, conv2d);
  const mc_type *y = head->out[0]->type, *w = head->in[1]->type;
  mc_space *s = MC_NEW(arena, mc_space);
  mc_strides a = mc_ask_strides(&d->ask, head->in[0]);
  mc_space_begin(s, &d->ask, head, y->rank, y->dim);
  a.stride[1] *= c->stride[0];
  a.stride[2] *= c->stride[1];
  mc_space_collapse(s, d->ask.by_images, &a, s->rank - 1);
  d->pixels = pixels_at_once(d->ask.target, s->dim[s->rank - 2]);
  d->note = mc_arena_printf(arena, "blocks of %d pixels x %d channels, %lld taps", d->pixels,
                            MC_GEMM_LANES, (long long)(w->dim[1] * w->dim[2]));
}
