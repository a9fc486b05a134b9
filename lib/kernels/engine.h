/* The engine table and its functions. A new instruction set is a row and three functions, not a new
 * loop nest. */
#ifndef MC_KERNELS_ENGINE_H
#define MC_KERNELS_ENGINE_H
#include "kb.h"

typedef enum keng_sign {
  KENG_any,
  KENG_u8,
  KENG_s8,
  KENG_only_u8,
  KENG_only_s8,
  KENG_wide
} keng_sign;

/* `count` steps of A (1 or ku) from p, in a form that spread_a takes apart. A step's elements may
 * lie up to kr - 1 elements behind the last one that exists. is_signed: A is i8 (after flipping,
 * where the engine has a sign of its own). flip: xor 0x80. Engines of kind B with kr = 2 give i32
 * lanes, a pair each: behind a run of odd length the nest clears the upper half. */
typedef V keng_load_a(kb *k, int lanes, V p, int count, bool is_signed, bool flip);
/* Step i of what load_a gave: elements [i * kr, (i + 1) * kr) repeated in every lane, as madd wants
 * them. Where accumulators have two rows, chunk is what load_a gave for one row and, behind it in
 * the same vector, for the other. */
typedef V keng_spread_a(kb *k, int lanes, V chunk, int count, int i);
/* One register group of packed B: `lanes` columns of kr elements. */
typedef V keng_load_b(kb *k, int lanes, V p);
/* acc + a * b; acc: `lanes` x i32 or f32, row after row. */
typedef V keng_madd(kb *k, int lanes, V acc, V a, V b);

/* The traits column of engines.def. */
enum { KENG_OVERLAPS = 1, KENG_HALF = 2, KENG_STEP_LOOP = 4, KENG_PAIRS = 8, KENG_WIDENS = 16 };

typedef struct kengine {
  const char *name;
  char in;
  const char *arch;
  uint64_t isa;
  int lanes, rows, kr, ku;
  keng_sign sign;
  int spare;
  uint64_t slow;   /* features of targets where it is left out */
  unsigned traits; /* KENG_OVERLAPS | ... */
  int tile;        /* 0; on tile registers: elements of K that lie together in B */
  keng_load_a *load_a;
  keng_spread_a *spread_a;
  keng_load_b *load_b;
  keng_madd *madd;
} kengine;

static inline bool kengine_has(const kengine *e, unsigned trait) {
  return (e->traits & trait) != 0;
}

/* The kind of products of operands of this type: 'F' (f32), 'B' (bf16), 'I' (8-bit integers); 0:
 * none. */
char kengine_kind(mc_dtype t);

/* What a layer multiplies: operands of kind `in`, of which 8-bit A's are i8 or u8; rows of A that
 * lie behind one another, and elements of a run (estimates will do). */
typedef struct kneed {
  char in;
  bool is_signed, widens;
  int64_t rows, rlen;
} kneed; /* widens: operands may be widened before */

const kengine *kengine_find(const mc_target *t, const kneed *need);
/* Every engine that could, from i = 0 on; NULL: there are no more. */
const kengine *kengine_legal(const mc_target *t, const kneed *need, int i);
/* The engine on tile registers, if the target has one. */
const kengine *kengine_find_tile(const mc_target *t, char in);

static inline bool kengine_real(const kengine *e) { return e->in != 'I'; } /* f32 accumulators */

/* Element type of B. */
mc_dtype kengine_weights(const kengine *e);

/* Does it multiply bf16 as f32 that were widened beforehand, both A and B? */
static inline bool kengine_widens_b(const kengine *e) {
  return e->in == 'B' && e->sign == KENG_wide;
}

int kengine_lanes(const kengine *e, const mc_target *t);
/* Vector registers that one group of `lanes` accumulators takes, and how many registers there are.
 */
int kengine_group_regs(const kengine *e, const mc_target *t);
/* Registers that a group of columns of A or B takes beside those of an accumulator group: 2 where
 * bf16 is widened. */
int kengine_operand_regs(const kengine *e);
int kengine_regs(const mc_target *t);
#endif
