/* What another machine runs: the form of kernels-sweep --emit, so that test/kernels/sweep_run.c
 * runs both. */
#include "nets.h"
#include "mc/support/blob.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool append(net *n, const char *name, const void *data, size_t size) {
  FILE *f = fopen(mc_arena_printf(n->a, "%s/%s", n->set->emit, name), "ab");
  bool ok = f && fwrite(data, 1, size, f) == size;
  if (f) ok &= fclose(f) == 0;
  return ok || nets_finding(n, "cannot write %s/%s", n->set->emit, name);
}

/* One number for all elements of all results; 1e-37 where only the sign of zero is free. */
static double tolerance(const arrays *want, double ***far) {
  double most = 1e-37;
  for (int i = 0; far && i < want->n; i++)
    for (int64_t k = 0, e = mc_type_elems(want->x[0][i].type); k < e; k++)
      if (isfinite(far[0][i][k]))
        most = fmax(most, 4 * far[0][i][k] + fabs(mc_array_real(&want->x[0][i], k)) * 0x1p-22);
  return most;
}

static bool add_array(net *n, const mc_array *x) {
  mc_dtype t = x->type->dtype;
  int64_t head[2] = { mc_type_bytes(x->type), t == MC_f32    ? 1
                                              : t == MC_bf16 ? 2
                                              : t == MC_f16  ? 3
                                                             : 0 };
  return append(n, "cases.bin", head, sizeof head) &&
         append(n, "cases.bin", x->data, (size_t)head[0]);
}

bool nets_emit(net *n, const mc_plan *p, const mc_codegen_opts *o, const arrays *want,
               double ***far) {
  mc_strbuf object = { 0 };
  bool ok = mc_codegen_emit(&object, p, o, MC_EMIT_OBJ, &n->d) || nets_diagnostics(n, "code");
  ok = ok && (mc_write_file(mc_arena_printf(n->a, "%s/%s.o", n->set->emit, o->prefix), object.s,
                            object.n, &n->d) ||
              nets_diagnostics(n, "object"));
  mc_sb_free(&object);
  for (int i = 0; ok && i < n->in.n; i++) ok = add_array(n, &n->in.x[0][i]);
  for (int i = 0; ok && i < want->n; i++) ok = add_array(n, &want->x[0][i]);
  const char *line =
      mc_arena_printf(n->a, "CASE(%s, \"%s: %s\", %g, %lld, %d, %d)\n", o->prefix, n->path,
                      n->stage, tolerance(want, far), (long long)p->arena_bytes, n->in.n, want->n);
  return ok && append(n, "cases.def", line, strlen(line));
}
