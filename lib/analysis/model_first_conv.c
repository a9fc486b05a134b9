/* First convolutions with pixels in lanes (lib/kernels/conv/first_conv_pairs.c): when it is a case
 * for them, and what they cost. docs/internals/cost-model.md, "Everything else". */
#include "mc/analysis/channels.h"
#include "mc/target/tuning.h"
#include "model.h"

/* MOST_WEIGHTS: words of all channels, 8 KB, a quarter of L1. */
enum { PIXELS = 8, LOAD = 16, MOST_WEIGHTS = 256 };

static bool has(const mc_target *t, uint64_t isa) { return (t->isa & isa) == isa; }

/* Levels with AVX2 whose products are pmaddwd's, on 256 bits. */
static bool level(const mc_target *t) {
  uint64_t dots = MC_ISA_BIT(avx512) | MC_ISA_BIT(avxvnni);
  return t->arch == MC_ARCH_x86_64 && has(t, MC_ISA_BIT(avx2)) && !(t->isa & dots) &&
         t->sparse != MC_SPARSE_ALWAYS;
}

int mc_first_conv_words(const mc_node *n, const mc_target *t) {
  if (n->op != MC_OP_conv2d || !level(t)) return 0;
  const mc_attrs_conv2d *c = MC_ATTRS(n, conv2d);
  const mc_type *w = n->in[1]->type, *y = n->out[0]->type;
  int64_t kh = w->dim[1], row = w->dim[2] * w->dim[3], ci = n->in[0]->type->dim[3];
  if (c->groups != 1 || ci > 4 || c->dilation[0] != 1 || c->dilation[1] != 1 || y->dim[2] < PIXELS)
    return 0;
  if (c->stride[1] * ci + row > LOAD || kh > 16) return 0;
  int64_t words = kh * (row / 2) + (kh * (row % 2) + 1) / 2;
  return words <= MC_FIRST_CONV_WORDS && words * w->dim[0] <= MOST_WEIGHTS ? (int)words : 0;
}

/* Vector instructions for the words of 8 pixels: a shuffle for each load that a word reads, and
 * what joins them; a word of two rows reads twice. */
static double gather(const mc_node *n, int words) {
  const mc_type *w = n->in[1]->type;
  int64_t row = w->dim[2] * w->dim[3], step = MC_ATTRS(n, conv2d)->stride[1] * w->dim[3];
  double loads = 3 * step + row <= LOAD ? 1 : 2, mixed = row % 2 ? (double)(w->dim[1] / 2) : 0;
  return words * (2 * loads - 1) + mixed * 2 * loads + (double)w->dim[1] * loads;
}

mc_estimate model_first_conv(const mc_node *n, int words, const mc_nest *nest, const mc_target *t) {
  const mc_machine *m = t->machine;
  const mc_type *y = n->out[0]->type;
  double c = (double)y->dim[3], chunks = (double)((y->dim[3] + 7) / 8);
  double blocks = (double)(y->dim[0] * y->dim[1]) * (double)((y->dim[2] + PIXELS - 1) / PIXELS);
  double arithmetic = 2 * words * c + gather(n, words) * chunks;
  double loads = words * c + gather(n, words) / 2;
  double products = words * c * 2 * (double)PIXELS / mc_target_rate(t, MC_RATE_pmaddw);
  double step = arithmetic / m->alu, issue = (arithmetic + loads) / m->issue;
  mc_estimate e = { 0 };
  if (products > step) step = products;
  e.part[MC_PART_compute] = blocks * (issue > step ? issue : step);
  /* 8 results are requantized at a time, and brought together by 4 channels */
  e.part[MC_PART_epilogue] =
      blocks *
      (mc_tune.stem_result * c + mc_tune.stem_turn * (double)((y->dim[3] + 3) / 4) +
       (c > 8 ? mc_tune.stem_store * chunks : mc_tune.stem_store_few)) /
      m->alu;
  mc_part l = model_level(t, (double)(nest->in + nest->out));
  model_traffic(&e, t, l, (double)nest->in);
  model_result(&e, t, l, (double)nest->out);
  e.part[MC_PART_overhead] = mc_tune.call;
  model_finish(&e);
  return e;
}
