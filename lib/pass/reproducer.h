/* A file that fails the way a pass does: the graph before it and the command. Private to the
 * manager. */
#ifndef PASS_REPRODUCER_H
#define PASS_REPRODUCER_H
#include "mc/pass/pass.h"
/* Write `path` for item `it` on module m: self-contained (all tensors travel in the data section).
 */
bool reproducer_write(const char *path, const mc_module *m, const mc_pipeline_item *it,
                      const mc_manager_opts *o, mc_diag *d);
void reproducer_remove(const char *path);
#endif
