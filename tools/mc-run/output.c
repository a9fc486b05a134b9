/* Outputs: printed, or one array of all samples in a file. */
#include "run.h"
#include <string.h>

enum { PRINT_MAX = 1000 };

static void print_element(mc_strbuf *s, const mc_array *x, int64_t i) {
  mc_dtype t = x->type->dtype;
  if (t == MC_f32) {
    mc_sb_float(s, ((const float *)x->data)[i]);
    return;
  }
  mc_type plain = *x->type;
  plain.q = (mc_quant){ .kind = MC_Q_NONE };
  mc_array stored = { &plain, x->data };
  if (t == MC_i64)
    mc_sb_printf(s, "%lld", (long long)((const int64_t *)x->data)[i]);
  else if (mc_dtype_is_float(t))
    mc_sb_double(s, mc_array_real(&stored, i));
  else
    mc_sb_printf(s, "%lld", (long long)mc_array_real(&stored, i));
}

/* One line per row of the last axis. */
void print_output(const char *name, const mc_array *x) {
  mc_strbuf s = { 0 };
  int64_t n = mc_type_elems(x->type), row = x->type->rank ? x->type->dim[x->type->rank - 1] : 1;
  mc_sb_printf(&s, "%s: ", name);
  mc_type_print(&s, x->type);
  mc_sb_putc(&s, '\n');
  for (int64_t i = 0; i < n && i < PRINT_MAX; i++) {
    mc_sb_putc(&s, ' ');
    print_element(&s, x, i);
    if ((i + 1) % row == 0 || i + 1 == n) mc_sb_putc(&s, '\n');
  }
  if (n > PRINT_MAX) mc_sb_printf(&s, " ... %lld more\n", (long long)(n - PRINT_MAX));
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
}

stack stack_create(tool *t, const mc_network *n, const feed *f) {
  stack s = { MC_NEWN(t->arena, mc_npy, mc_network_nout(n)),
              MC_NEWN(t->arena, size_t, mc_network_nout(n)) };
  int64_t runs = (f->count + f->batch - 1) / f->batch;
  for (int i = 0; i < mc_network_nout(n); i++) {
    const mc_type *y = mc_network_out_type(n, i);
    s.a[i] = (mc_npy){ .name = mc_network_out_name(n, i),
                       .dtype = y->dtype,
                       .rank = y->rank || runs == 1 ? y->rank : 1,
                       .dim = { 1 } }; /* scalars of several runs: a list */
    for (int k = 0; k < y->rank; k++) s.a[i].dim[k] = y->dim[k];
    s.a[i].dim[0] *= runs;
    s.a[i].size = (size_t)(mc_type_bytes(y) * runs);
    s.a[i].data = mc_arena_alloc(t->arena, s.a[i].size);
  }
  return s;
}

void stack_add(stack *s, const mc_network *n, void *const *out) {
  for (int i = 0; i < mc_network_nout(n); i++) {
    size_t bytes = (size_t)mc_type_bytes(mc_network_out_type(n, i));
    memcpy((char *)(uintptr_t)s->a[i].data + s->fill[i], out[i], bytes);
    s->fill[i] += bytes;
  }
}

void stack_trim(stack *s, const mc_network *n, const feed *f) {
  int64_t runs = (f->count + f->batch - 1) / f->batch;
  for (int i = 0; i < mc_network_nout(n) && runs * f->batch > f->count; i++) {
    if (s->a[i].dim[0] % (runs * f->batch)) continue;
    int64_t per = s->a[i].dim[0] / (runs * f->batch);
    s->a[i].size = s->a[i].size / (size_t)(runs * f->batch) * (size_t)f->count;
    s->a[i].dim[0] = per * f->count;
  }
}

bool stack_write(tool *t, const char *path, const stack *s, int n) {
  size_t len = strlen(path);
  if (len > 4 && strcmp(path + len - 4, ".npz") == 0) return mc_npz_write(path, s->a, n, &t->diag);
  if (n != 1)
    return mc_error(&t->diag, mc_noloc, "%s: the network has %d outputs; name a .npz file", path,
                    n);
  return mc_npy_write(path, &s->a[0], &t->diag);
}
