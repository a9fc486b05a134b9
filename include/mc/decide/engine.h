/* Engines: how products of sums are computed, as data (engines.def). The code of a row is in
 * lib/kernels/product/engine.c. */
#ifndef MC_DECIDE_ENGINE_H
#define MC_DECIDE_ENGINE_H
#include "mc/ir/types.h"
#include "mc/target/target.h"

typedef enum mc_engine_id {

#define MC_ENGINE(name, in, arch, isa, lanes, rows, kr, ku, sign, spare, slow, traits, doc)        \
  MC_ENG_##name,
#include "mc/decide/engines.def"
  MC_NUM_ENGINES
} mc_engine_id;

typedef enum mc_engine_sign {
  MC_SIGN_any,
  MC_SIGN_u8,
  MC_SIGN_s8,
  MC_SIGN_only_u8,
  MC_SIGN_only_s8,
  MC_SIGN_wide
} mc_engine_sign;

/* The traits column of engines.def. */
enum {
  MC_ENGINE_OVERLAPS = 1,
  MC_ENGINE_HALF = 2,
  MC_ENGINE_STEP_LOOP = 4,
  MC_ENGINE_PAIRS = 8,
  MC_ENGINE_WIDENS = 16,
  MC_ENGINE_NIBBLES = 32
};

typedef struct mc_engine {
  const char *name;
  mc_engine_id id; /* MC_NUM_ENGINES: on tile registers */
  char in;
  const char *arch;
  uint64_t isa;
  int lanes, rows, kr, ku;
  mc_engine_sign sign;
  int spare;
  uint64_t slow;   /* features of targets where it is left out */
  unsigned traits; /* MC_ENGINE_OVERLAPS | ... */
  int tile;        /* 0; on tile registers: elements of K that lie together in B */
  mc_rate rate;    /* the row of rates.def of the same name */
  const char *doc;
} mc_engine;

static inline bool mc_engine_has(const mc_engine *e, unsigned trait) {
  return (e->traits & trait) != 0;
}

/* The kind of products of operands of this type: 'F' (f32), 'B' (bf16), 'I' (8-bit integers); 0:
 * none. */
char mc_engine_kind(mc_dtype t);

/* What a layer multiplies: operands of kind `in`, of which 8-bit A's are i8 or u8; rows of A that
 * lie one after another, and elements of a run (estimates will do). */
typedef struct mc_engine_need {
  char in;
  bool is_signed, widens, nibbles;
  int64_t rows, rlen;
} mc_engine_need; /* widens: operands may be widened before; nibbles: mc_stored_direct */

const mc_engine *mc_engine_find(const mc_target *t, const mc_engine_need *need);
/* Every engine that could, from i = 0 on; NULL: there are no more. */
const mc_engine *mc_engine_legal(const mc_target *t, const mc_engine_need *need, int i);
/* The engine on tile registers, if the target has one. */
const mc_engine *mc_engine_find_tile(const mc_target *t, char in);

static inline bool mc_engine_is_real(const mc_engine *e) {
  return e->in != 'I';
} /* f32 accumulators */

/* Row i of engines.def, those on tile registers last; NULL: there are no more. */
const mc_engine *mc_engine_at(int i);
/* Whether the target has its instructions, and no faster way for the same. */
bool mc_engine_fits(const mc_engine *e, const mc_target *t);

/* Words for lists: the operands ("f32", "bf16", "8-bit"), what A must be ("any", "u8", "only s8",
 * "widened"), the traits ("overlaps, half"; "" for none; in the arena). */
const char *mc_engine_kind_text(const mc_engine *e);
const char *mc_engine_a_text(const mc_engine *e);
const char *mc_engine_traits_text(const mc_engine *e, mc_arena *a);

/* Element type of B. */
mc_dtype mc_engine_weights(const mc_engine *e);

/* Does it multiply bf16 as f32 that were widened beforehand, both A and B? */
static inline bool mc_engine_widens_b(const mc_engine *e) {
  return e->in == 'B' && e->sign == MC_SIGN_wide;
}

int mc_engine_lanes(const mc_engine *e, const mc_target *t);
/* Vector registers that one group of `lanes` accumulators takes, and how many registers there are.
 */
int mc_engine_group_regs(const mc_engine *e, const mc_target *t);
/* Registers that a group of columns of A or B takes beside those of an accumulator group: 2 where
 * bf16 is widened. */
int mc_engine_operand_regs(const mc_engine *e);
int mc_engine_regs(const mc_target *t);
#endif
