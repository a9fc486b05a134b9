/* Winograd's F(4x4, 3x3) on 8-bit integers (docs/kernels.md, "Winograd") as the model sees it. */
#include "model.h"

static const double points = 36, pass = 28;   /* products of a tile and pair of channels; tiles of a pass */
static const double input_ops = 350, output_ops = 310;   /* vector instructions of the transforms, counted in the code */
static const double measured = 1.15;   /* what layers take beyond the count (bench/README.md) */

mc_estimate mc_model_winograd(const mc_node *n, const mc_target *t) {
  const mc_type *x = n->in[0]->type, *y = n->out[0]->type;
  double c = (double)x->dim[3], k = (double)y->dim[3], rate = mc_target_rate(t, mc_model_rate(MC_ARITH_int8, t)), bytes = 2.0 * points * c * k;
  double words = t->isa & (MC_ISA_BIT(avx512vnni) | MC_ISA_BIT(avxvnni)) ? rate / 2 : rate;   /* dot products of 16-bit operands; pmaddwd and smlal take them in any case */
  double tiles = (double)((y->dim[1] + 3) / 4 * ((y->dim[2] + 3) / 4)) * (double)y->dim[0], passes = tiles < pass ? 1 : tiles / pass;
  mc_estimate e = { 0 };
  e.part[MC_PART_compute] = measured * tiles * points * c * k / words;
  e.part[MC_PART_epilogue] = measured * tiles * (input_ops * c * 2 + output_ops * k * 4) / (t->vector_bytes * t->machine->alu);
  model_traffic(&e, t, bytes < 0.5 * (double)t->l2 ? MC_PART_L2 : bytes < 0.4 * (double)t->l3 ? MC_PART_L3 : MC_PART_DRAM, measured * passes * bytes);
  for (int i = 0; i < MC_NUM_PARTS; i++) {
    e.cycles += e.part[i];
    if (e.part[i] > e.part[e.bound]) e.bound = (mc_part)i;
  }
  return e;
}
