/* The code of the engines: a new instruction set is a row of engines.def and four functions, not a
 * new loop nest. */
#ifndef MC_KERNELS_ENGINE_H
#define MC_KERNELS_ENGINE_H
#include "builder.h"
#include "mc/decide/engine.h"

/* `count` steps of A (1 or ku) from p, in a form that spread_a takes apart. A step's elements may
 * lie up to kr - 1 elements after the last one that exists. is_signed: A is i8 (after flipping,
 * where the engine has a sign of its own). flip: xor 0x80. Engines of kind B with kr = 2 give i32
 * lanes, a pair each: after a run of odd length the nest clears the upper half. */
typedef kvalue keng_load_a(kbuilder *k, int lanes, kvalue p, int count, bool is_signed, bool flip);
/* Step i of what load_a gave: elements [i * kr, (i + 1) * kr) repeated in every lane, as madd wants
 * them. Where accumulators have two rows, chunk is what load_a gave for one row and, after it in
 * the same vector, for the other. */
typedef kvalue keng_spread_a(kbuilder *k, int lanes, kvalue chunk, int count, int i);
/* One register group of packed B: `lanes` columns of kr elements. */
typedef kvalue keng_load_b(kbuilder *k, int lanes, kvalue p);
/* The same from those bytes, whole numbers of 8 bits, in a register. */
typedef kvalue keng_take_b(kbuilder *k, int lanes, kvalue bytes);
/* acc + a * b; acc: `lanes` x i32 or f32, row after row. */
typedef kvalue keng_madd(kbuilder *k, int lanes, kvalue acc, kvalue a, kvalue b);

typedef struct mc_engine_code {
  keng_load_a *load_a;
  keng_spread_a *spread_a;
  keng_load_b *load_b;
  keng_madd *madd;
  keng_take_b *take_b; /* NULL: bf16 */
} mc_engine_code;

/* Of an engine that is not on tile registers. */
const mc_engine_code *mc_engine_code_of(const mc_engine *e);
#endif
