/* Forms in which the weights of a product can lie in the object (stored.def), by the weights alone;
 * what an engine and a nest say to it is lib/decide's business. docs/internals/stored-weights.md.
 */
#ifndef MC_ANALYSIS_STORED_H
#define MC_ANALYSIS_STORED_H
#include "mc/ir/graph.h"
#include "mc/target/target.h"

typedef enum mc_stored {

#define MC_STORED(id, text, doc) MC_STORED_##id,
#include "mc/analysis/stored.def"
  MC_NUM_STORED
} mc_stored;

extern const char *const mc_stored_texts[MC_NUM_STORED];

/* f32 w [n] = fp32(q * *scale), q whole numbers from -127 to 127 (q [n] may be NULL). False: no
 * scale does that, or one was -0. */
bool mc_steps_row(const float *w, int64_t n, float *scale, int8_t *q);
/* The same for all rows of w [rows, ...]: scales [rows] and q [elements] may be NULL. */
bool mc_steps_all(const mc_tensor *w, float *scales, int8_t *q);

enum { MC_CODES = 256 };

/* The different values of f32 weights, as bits in rising order. How many; 0: more than MC_CODES. */
int mc_codes_of(const mc_tensor *w, uint32_t book[MC_CODES]);
/* The place of a value in it; -1: it is not there. */
int mc_code_of(const uint32_t *book, int n, uint32_t bits);
/* Every f32 element is a number of half precision. */
bool mc_halves_all(const mc_tensor *w);

/* i8 weights [rows, ...] (of f32 ones: those of mc_steps_all) as whole numbers from -8 to 7 times a
 * factor, which so many neighbouring elements of a row share (from the row's first one on): 0: the
 * factor is 1 everywhere; else the largest that can be of: all of a row, 256, 128 ... 16; -1: none
 * can. */
int64_t mc_nibbles_shared(const mc_tensor *w);
/* The factor of n such elements, `apart` from one to the next; 0: there is none. */
int mc_nibbles_factor(const int8_t *v, int64_t n, int64_t apart);

/* Why weights w cannot be stored so, or would not become smaller; NULL: they can. */
const char *mc_stored_refused(mc_stored f, const mc_tensor *w);
/* Bytes of w in form f when it is packed to n elements (what pads K and columns is 0). */
int64_t mc_stored_bytes(mc_stored f, const mc_tensor *w, int64_t n);
/* The smallest form of the weights of this product. plain: they stay as they are, and *why (may be
 * NULL) says why. */
mc_stored mc_stored_find(const mc_target *t, const mc_node *head, const char **why);
#endif
