/* engines.def as a table, and what a target's engines are like. */
#include "mc/decide/engine.h"
#include <string.h>

#define S MC_ISA_BIT

enum { /* the words of the traits column */
       OVERLAPS = MC_ENGINE_OVERLAPS,
       HALF = MC_ENGINE_HALF,
       STEP_LOOP = MC_ENGINE_STEP_LOOP,
       PAIRS = MC_ENGINE_PAIRS,
       WIDENS = MC_ENGINE_WIDENS,
       NIBBLES = MC_ENGINE_NIBBLES
};

static const mc_engine engines[] = {
#define MC_ENGINE(name_, in_, arch_, isa_, lanes_, rows_, kr_, ku_, sign_, spare_, slow_, traits_, \
                  doc_)                                                                            \
  { .name = #name_,                                                                                \
    .id = MC_ENG_##name_,                                                                          \
    .in = #in_[0],                                                                                 \
    .arch = #arch_,                                                                                \
    .isa = isa_,                                                                                   \
    .lanes = lanes_,                                                                               \
    .rows = rows_,                                                                                 \
    .kr = kr_,                                                                                     \
    .ku = ku_,                                                                                     \
    .sign = MC_SIGN_##sign_,                                                                       \
    .spare = spare_,                                                                               \
    .slow = slow_,                                                                                 \
    .traits = traits_,                                                                             \
    .rate = MC_RATE_##name_,                                                                       \
    .doc = doc_ },
#include "mc/decide/engines.def"
};
static const mc_engine tile_engines[] = {
#define MC_ENGINE(name, in, arch, isa, lanes, rows, kr, ku, sign, spare, slow, traits, doc)
#define MC_TILE_ENGINE(name_, in_, arch_, isa_, kr_, group_, doc_)                                 \
  { .name = #name_,                                                                                \
    .id = MC_NUM_ENGINES,                                                                          \
    .in = #in_[0],                                                                                 \
    .arch = #arch_,                                                                                \
    .isa = isa_,                                                                                   \
    .lanes = 16,                                                                                   \
    .rows = 1,                                                                                     \
    .kr = kr_,                                                                                     \
    .ku = 1,                                                                                       \
    .sign = MC_SIGN_any,                                                                           \
    .tile = group_,                                                                                \
    .rate = MC_RATE_##name_,                                                                       \
    .doc = doc_ },
#include "mc/decide/engines.def"
};
#undef S

/* ---- engines.def and rates.def name the same: what is in one alone does not compile ---- */

#define LETTER_F 'F'
#define LETTER_B 'B'
#define LETTER_I 'I'

enum {

#define MC_ENGINE(id, in, arch, isa, lanes, rows, kr, ku, sign, spare, slow, traits, doc)          \
  DEPTH_OF_ENGINE_##id = (kr), KIND_OF_ENGINE_##id = LETTER_##in,
#define MC_TILE_ENGINE(id, in, arch, isa, kr, group, doc)                                          \
  DEPTH_OF_ENGINE_##id = (kr), KIND_OF_ENGINE_##id = LETTER_##in,
#include "mc/decide/engines.def"
};
#define KIND_f32 'F'
#define KIND_bf16 'B'
#define KIND_int8 'I'
#define SAME_PRODUCTS(id, arith, depth)                                                            \
  _Static_assert((int)DEPTH_OF_ENGINE_##id == (depth) && KIND_OF_ENGINE_##id == KIND_##arith,      \
                 #id ": engines.def and rates.def differ");
#define SAME_DEPTHWISE(id, arith, depth)
#define MC_RATE(id, use, arith, isa, depth, ops, row, wide, doc) SAME_##use(id, arith, depth)
#include "mc/target/rates.def"

const mc_engine *mc_engine_at(int i) {
  const int n = sizeof engines / sizeof engines[0],
            tiles = sizeof tile_engines / sizeof tile_engines[0];
  return i < n ? &engines[i] : i < n + tiles ? &tile_engines[i - n] : NULL;
}

bool mc_engine_fits(const mc_engine *e, const mc_target *t) {
  return (t->isa & e->isa) == e->isa && !(t->isa & e->slow) &&
         (strcmp(e->arch, "any") == 0 || strcmp(e->arch, mc_arch_name(t->arch)) == 0);
}

/* A matrix instruction wastes half of itself on a single row; a step of a run of 4 is no more work
 * for a dot product. */
static bool serves(const mc_engine *e, const mc_engine_need *n) {
  if (e->in != n->in || (e->rows > 1 && (n->rows < 2 || n->rlen <= 4))) return false;
  if (mc_engine_has(e, MC_ENGINE_NIBBLES) && !n->nibbles) return false;
  if (e->sign == MC_SIGN_wide) return n->widens;
  return e->sign != (n->is_signed ? MC_SIGN_only_u8 : MC_SIGN_only_s8);
}

char mc_engine_kind(mc_dtype t) {
  return t == MC_f32 ? 'F' : t == MC_bf16 ? 'B' : t == MC_u8 || t == MC_i8 ? 'I' : 0;
}

mc_dtype mc_engine_weights(const mc_engine *e) {
  return e->in == 'F' ? MC_f32 : e->in == 'B' ? MC_bf16 : MC_i8;
}

const mc_engine *mc_engine_find(const mc_target *t, const mc_engine_need *need) {
  const mc_engine *best = NULL;
  for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
    if (mc_engine_fits(&engines[i], t) && serves(&engines[i], need)) best = &engines[i];
  return best;
}

const mc_engine *mc_engine_legal(const mc_target *t, const mc_engine_need *need, int i) {
  for (size_t k = 0; k < sizeof engines / sizeof engines[0]; k++)
    if (mc_engine_fits(&engines[k], t) && serves(&engines[k], need) && i-- == 0) return &engines[k];
  return NULL;
}

const mc_engine *mc_engine_find_tile(const mc_target *t, char in) {
  const mc_engine *best = NULL;
  for (size_t i = 0; i < sizeof tile_engines / sizeof tile_engines[0]; i++)
    if (tile_engines[i].in == in && mc_engine_fits(&tile_engines[i], t)) best = &tile_engines[i];
  return best;
}

int mc_engine_lanes(const mc_engine *e, const mc_target *t) {
  return e->lanes ? e->lanes : t->vector_bytes / 4;
}

int mc_engine_group_regs(const mc_engine *e, const mc_target *t) {
  int bytes = 4 * e->rows * mc_engine_lanes(e, t);
  return bytes > t->vector_bytes ? bytes / t->vector_bytes : 1;
}

int mc_engine_operand_regs(const mc_engine *e) {
  return mc_engine_has(e, MC_ENGINE_WIDENS) ? 2 : 1;
}

int mc_engine_regs(const mc_target *t) {
  return t->arch == MC_ARCH_aarch64 || (t->isa & MC_ISA_BIT(avx512)) ? 32 : 16;
}
