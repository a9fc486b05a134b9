/* Fields: one description of a struct's members that parses, prints, defaults, checks and documents
 * them. Op attributes (ops.def) and pass options (passes.def) are both fields. */
#ifndef MC_SUPPORT_FIELD_H
#define MC_SUPPORT_FIELD_H
#include "mc/support/arena.h"
#include "mc/support/diag.h"
#include "mc/support/strbuf.h"

typedef struct mc_ints {
  int64_t *v;
  int n;
} mc_ints; /* list of any length; v in the arena of its owner */

typedef enum mc_field_kind {
  MC_F_I64,
  MC_F_F32,
  MC_F_F64,
  MC_F_BOOL,
  MC_F_ENUM,
  MC_F_QUOTED,
  MC_F_STR,
  MC_F_INTS,
  MC_F_TENSOR,
  MC_F_DTYPE
} mc_field_kind;

/* the C type of each kind; ENUM, QUOTED (an ENUM that is printed in quotes) and DTYPE are int
 * indices, TENSOR is set by ir/ */
typedef int64_t mc_field_I64;
typedef float mc_field_F32;
typedef double mc_field_F64;
typedef bool mc_field_BOOL;
typedef int mc_field_ENUM;
typedef int mc_field_QUOTED;
typedef const char *mc_field_STR;
typedef mc_ints mc_field_INTS;
typedef struct mc_tensor *mc_field_TENSOR;
typedef int mc_field_DTYPE;

typedef struct mc_field {
  const char *name; /* NULL ends a table */
  mc_field_kind kind;
  int count; /* elements; 1: scalar */
  size_t offset;
  const char *dflt; /* default in source form ("1", "[0,inf]", "nearest"); NULL: must be given */
  const char *const *names; /* ENUM, QUOTED, DTYPE: NULL-terminated names; "": no choice yet */
  const char *doc;
} mc_field;

/* Set every member to its default (members without one to zero). */
void mc_field_defaults(const mc_field *f, void *obj, mc_arena *a);
const mc_field *mc_field_find(const mc_field *f, const char *name);

/* A parsed value before its field is known: what the .mir grammar and the pipeline parser produce.
 */
typedef struct mc_fvalue {
  enum {
    MC_V_INT,
    MC_V_NUM,
    MC_V_WORD,
    MC_V_STR,
    MC_V_LIST,
    MC_V_SYM
  } kind; /* WORD: identifier (also true/false/inf), SYM: @name */

  int64_t i;
  double d;
  const char *s; /* d is set for INT too; s: the text of WORD, STR, SYM; of INT and NUM their
                    digits, or NULL */
  const struct mc_fvalue *list;
  int n;
  mc_loc loc;
} mc_fvalue;

/* Convert and store, with range and kind checks ("expects 2 integers"). A scalar given to a field
 * of count > 1 fills all of it. `sym` resolves @names for TENSOR fields (may be NULL). Returns
 * false after reporting. */
bool mc_field_set(const mc_field *f, void *obj, const mc_fvalue *v, mc_arena *a, mc_diag *d,
                  struct mc_tensor *(*sym)(void *, const char *), void *symctx);
/* Append `name=value` pairs, ", " between, of the members that differ from their default; returns
 * how many. `tensor_name` may be NULL. With all != 0 every member is printed. */
int mc_field_print(mc_strbuf *out, const mc_field *f, const void *obj, int all,
                   const char *(*tensor_name)(const struct mc_tensor *));
/* Append one member's value. */
void mc_field_print_value(mc_strbuf *out, const mc_field *f, const void *obj,
                          const char *(*tensor_name)(const struct mc_tensor *));
bool mc_field_equal(const mc_field *f, const void *a, const void *b);
/* Parse text such as "k1=v1 k2=[1,2],k3" (blank or comma between pairs; a bare word sets a BOOL)
 * into obj. Used for pass options. */
bool mc_field_parse_text(const mc_field *f, void *obj, const mc_source *src, uint32_t begin,
                         uint32_t end, const char *owner, mc_arena *a, mc_diag *d);
#endif
