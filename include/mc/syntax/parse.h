/* Text to graph. The language is docs/reference/mir.md; lib/syntax/mir.l and mir.y are its grammar.
 */
#ifndef MC_SYNTAX_PARSE_H
#define MC_SYNTAX_PARSE_H
#include "mc/ir/graph.h"
/* Parse and verify a module from text. `dir` is the folder that the weights line is relative to.
 * src must outlive the module (copy it into m->arena's lifetime with mc_parse_file). Several errors
 * per run; NULL after reporting any. */
mc_module *mc_parse(const mc_source *src, const char *dir, mc_diag *d);
/* Read (path "-": standard input) and parse; the source is owned by the module. */
mc_module *mc_parse_file(const char *path, mc_diag *d);
/* Write the module: "-" is standard output, and tensors without a file travel in the data section;
 * else they go to FILE.safetensors beside FILE.mir, whole or not at all (tensors mapped from a
 * weights file that is reachable from the new place by a relative path stay references only when
 * nothing changed; otherwise all are written). */
bool mc_write_mir(const char *path, mc_module *m, mc_diag *d);
#endif
