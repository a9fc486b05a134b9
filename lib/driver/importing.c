/* mc-import's options, from the command line's text to the importer's struct. */
#include "mc/driver/importing.h"
#include <stdlib.h>
#include <string.h>

const char *const mc_input_layout_words[] = { "model", "nhwc", NULL };
const char *const mc_input_type_words[] = { "model", "u8", NULL };

const char *mc_import_args_given(const mc_import_args *a) {
  return a->shapes.n     ? "--shape"
         : a->layout     ? "--input-layout"
         : a->type       ? "--input-type"
         : a->preprocess ? "--preprocess"
                         : NULL;
}

/* NAME=DIMS; NAME may hold '=' itself, dimensions are separated by ',' or 'x'. */
static bool parse_shape(mc_dim_fix *out, const char *text, mc_arena *a, mc_diag *d) {
  const char *eq = strrchr(text, '='), *p = eq ? eq + 1 : text;
  bool ok = eq && eq > text;
  out->rank = 0;
  while (ok) {
    char *end;
    long long v = strtoll(p, &end, 10);
    ok = end != p && v >= 1 && v <= (1LL << 31) && out->rank < MC_MAX_RANK;
    if (ok) out->dim[out->rank++] = v;
    if (!ok || !*end) break;
    ok = *end == ',' || *end == 'x';
    p = end + 1;
  }
  if (!ok)
    return mc_error(d, mc_noloc, "--shape '%s': expected NAME=DIMS, such as image=1,3,32,32", text);
  out->name = mc_arena_strndup(a, text, (size_t)(eq - text));
  return true;
}

bool mc_import_args_read(mc_import_opts *out, const mc_import_args *a, mc_arena *arena,
                         mc_diag *d) {
  mc_dim_fix *fix = MC_NEWN(arena, mc_dim_fix, a->shapes.n);
  bool ok = true;
  for (size_t i = 0; i < a->shapes.n; i++) ok &= parse_shape(&fix[i], a->shapes.v[i], arena, d);
  *out = (mc_import_opts){ .shapes = fix,
                           .nshapes = (int)a->shapes.n,
                           .input_nhwc = a->layout,
                           .input_u8 = a->type,
                           .preprocess = a->preprocess };
  return ok;
}
