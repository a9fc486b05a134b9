/* The text that the symbol PREFIX_info names (docs/reference/abi.md): written into objects, read
 * back by mc_jit_load. */
#ifndef MC_CODEGEN_INFO_H
#define MC_CODEGEN_INFO_H
#include "mc/analysis/cost.h"
#include "mc/codegen/codegen.h"
#include "mc/plan/plan.h"

/* source: the model's own name of an input; NULL: the same, or not known. */
typedef struct mc_io {
  const char *name;
  mc_type type;
  const char *source;
} mc_io;

typedef struct mc_level {
  const char *name;
  uint64_t isa;
} mc_level;

typedef struct mc_info {
  const char *name;
  mc_arch arch;
  uint64_t isa; /* of the lowest level */
  mc_level *level;
  int nlevel;             /* lowest first; none: an object that does not choose */
  const char *version;    /* of mcc; NULL: not known */
  uint64_t model, header; /* hashes: of the network as read, of the header */
  int64_t arena_bytes, arena_align, stack_bytes;
  int threads;      /* 1: there is no parallel entry */
  mc_layers layers; /* without macs_int8 */
  mc_io *in, *out;
  int nin, nout;
} mc_info;

/* What the object of a plan, or of a list of plans for several levels, is. Names are C identifiers,
 * unique among inputs and outputs. Without what only the code tells: header and stack are 0. In the
 * arena. */
mc_info mc_info_of(const mc_plan *p, const mc_codegen_opts *o, mc_arena *a);
/* The stack's bytes are in the text as so many digits, zeros until the code is made. */
#define MC_INFO_STACK "stack %08lld"
/* After an entry's name: what the header calls it by. */
#define MC_HEADER_NAME "_for_header_%016llx"
void mc_info_print(mc_strbuf *out, const mc_info *i);
/* False when the text is not what mc_info_print writes (a foreign or damaged object). */
bool mc_info_parse(mc_info *out, const char *text, mc_arena *a);
#endif
