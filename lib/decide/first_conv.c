/* First convolutions: few input channels, so that pixels are in the lanes of a register. */
#include "mc/decide/decide.h"
#include "mc/target/tuning.h"

/* Constant i8 weights, and a constant bias if there is one. */
static bool constants(const mc_node *head) {
  const mc_tensor *w = mc_value_tensor(head->in[1]);
  return w && w->dtype == MC_i8 && (head->nin < 3 || mc_value_tensor(head->in[2]));
}

static bool bytes(const mc_node *head) {
  mc_dtype t = head->in[0]->type->dtype;
  return t == MC_u8 || t == MC_i8;
}

/* Instructions for a row of pixels, against those of an engine that takes 4 bytes of a row at a
 * time for 16 channels; and the cycles of each against tiles. */
static bool pays(const mc_decision *d, const mc_node *head) {
  const mc_type *w = head->in[1]->type, *y = head->out[0]->type;
  int64_t n = w->dim[0], row = w->dim[2] * w->dim[3];
  int64_t blocks = (y->dim[2] + MC_FIRST_CONV_LANES - 1) / MC_FIRST_CONV_LANES,
          here = blocks * d->words * n,
          there = y->dim[2] * w->dim[1] * ((row + 3) / 4) * ((n + 15) / 16);
  double tiles = mc_tile_cycles(d->ask.target, head);
  return here < there &&
         (tiles < 0 ||
          mc_tune.vector_step * (double)here * (double)y->dim[1] * (double)y->dim[0] <= tiles);
}

/* The model's nest pads channels to vectors of 16; here they are loops. */
static mc_estimate estimate(const mc_decision *d, int64_t n) {
  mc_estimate e = mc_model_group(d->ask.group, d->ask.target, d->ask.weights);
  double padded = (double)((n + 15) / 16 * 16), saved = 1 - (double)n / padded;
  e.cycles -= saved * (e.part[MC_PART_compute] + e.part[MC_PART_epilogue]);
  e.part[MC_PART_compute] *= 1 - saved;
  e.part[MC_PART_epilogue] *= 1 - saved;
  return e;
}

bool mc_decide_first_conv(mc_decision *d, const mc_node *head, mc_arena *arena) {
  const mc_attrs_conv2d *a = MC_ATTRS(head, conv2d);
  const mc_type *in = head->in[0]->type, *w = head->in[1]->type, *y = head->out[0]->type;
  const uint64_t need = MC_ISA_BIT(avx512vnni) | MC_ISA_BIT(avx512vbmi);
  if ((d->ask.target->isa & need) != need || !bytes(head) || a->groups != 1 || in->dim[3] > 4 ||
      a->dilation[0] != 1 || a->dilation[1] != 1)
    return false;
  int64_t n = w->dim[0], kh = w->dim[1], row = w->dim[2] * w->dim[3],
          span = (MC_FIRST_CONV_LANES - 1) * a->stride[1] * in->dim[3] + row;
  if (y->dim[2] < MC_FIRST_CONV_LANES || span > 128 || kh > 16 ||
      (kh * row + 3) / 4 > MC_FIRST_CONV_MOST - 16 ||
      !mc_narrow_find(&d->narrow, d->ask.target, head))
    return false;
  if (n != 8 && (n % 16 || n > 64)) return false;
  if (mc_ask_strides(&d->ask, head->in[0]).stride[2] != in->dim[3]) return false;
  if (n == 8 && d->ask.strides(d->ask.ctx, d->ask.group->out[0]).stride[2] != 8) return false;
  d->words = (int)(kh * (row / 4) + (kh * (row % 4) + 3) / 4);
  if ((!d->forced && !pays(d, head)) || !constants(head)) return false;
  d->estimate = estimate(d, n);
  d->note = mc_arena_printf(arena, "lanes of pixels, %d words of 4 taps", d->words);
  return true;
}

bool mc_decide_first_conv_pairs(mc_decision *d, const mc_node *head, mc_arena *arena) {
  const mc_type *in = head->in[0]->type;
  bool pays;
  mc_estimate e = mc_model_first_conv(d->ask.group, d->ask.target, d->ask.weights, &pays);
  if (e.cycles <= 0 || !bytes(head)) return false;
  if (!d->forced && (!pays || d->ask.target->engine || d->ask.small)) return false;
  if (!mc_narrow_find(&d->narrow, d->ask.target, head)) return false;
  mc_strides s = mc_ask_strides(&d->ask, head->in[0]);
  if (s.stride[2] != in->dim[3] || !s.slack || !constants(head)) return false;
  d->words = mc_first_conv_words(head, d->ask.target);
  d->estimate = e;
  d->note = mc_arena_printf(arena, "lanes of 8 pixels, %d words of 2 taps", d->words);
  return true;
}
