#include "run.h"
#include <string.h>

void **room_in(tool *t, const mc_network *n) {
  void **p = MC_NEWN(t->arena, void *, mc_network_nin(n));
  for (int i = 0; i < mc_network_nin(n); i++)
    p[i] = mc_arena_alloc(t->arena, (size_t)mc_type_bytes(mc_network_in_type(n, i)));
  return p;
}

void **room_out(tool *t, const mc_network *n) {
  void **p = MC_NEWN(t->arena, void *, mc_network_nout(n));
  for (int i = 0; i < mc_network_nout(n); i++)
    p[i] = mc_arena_alloc(t->arena, (size_t)mc_type_bytes(mc_network_out_type(n, i)));
  return p;
}

static bool ends_with(const char *s, const char *end) {
  size_t n = strlen(s), m = strlen(end);
  return n >= m && strcmp(s + n - m, end) == 0;
}

/* By the model's name or the text's. */
static int input_index(const mc_network *n, const char *name, size_t len) {
  return mc_dataset_find(mc_network_inputs(n), mc_network_nin(n), name, len);
}

/* One array becomes input i: same element type, or numbers for an f32 input. */
static bool set_input(feed *f, tool *t, int i, const mc_npy *a, const char *path) {
  const mc_type *want = mc_network_in_type(f->net, i);
  mc_type have = { .dtype = a->dtype, .rank = a->rank };
  int64_t elems = 1;
  for (int k = 0; k < a->rank; k++) elems *= have.dim[k] = a->dim[k];
  if (elems != mc_type_elems(want) || (a->dtype != want->dtype && want->dtype != MC_f32)) {
    mc_strbuf s = { 0 };
    mc_type_print(&s, &have);
    mc_sb_puts(&s, ", but the input is ");
    mc_type_print(&s, want);
    mc_error(&t->diag, mc_noloc, "%s: input %s gets %s", path, mc_network_in_name(f->net, i),
             mc_sb_str(&s));
    mc_sb_free(&s);
    return false;
  }
  if (f->fixed[i])
    return mc_error(&t->diag, mc_noloc, "%s: input %s is given twice", path,
                    mc_network_in_name(f->net, i));
  f->fixed[i] = mc_arena_alloc(t->arena, (size_t)mc_type_bytes(want));
  if (a->dtype == want->dtype)
    memcpy(f->fixed[i], a->data, (size_t)mc_type_bytes(want));
  else
    for (int64_t k = 0; k < elems; k++)
      ((float *)f->fixed[i])[k] =
          (float)mc_array_real(&(mc_array){ &have, (void *)(uintptr_t)a->data }, k);
  return true;
}

static bool from_npz(feed *f, tool *t, const char *path) {
  mc_npz *z = mc_npz_open(path, &t->diag, mc_noloc);
  bool ok = z != NULL;
  for (int k = 0; ok && k < mc_npz_count(z); k++) {
    mc_npy a;
    const char *name = mc_npz_name(z, k);
    int i = input_index(f->net, name, strlen(name));
    if (i < 0 && mc_network_nin(f->net) == 1 && mc_npz_count(z) == 1) i = 0;
    if (i >= 0)
      ok = mc_npz_read(z, name, &a, t->arena, &t->diag, mc_noloc) && set_input(f, t, i, &a, path);
  }
  if (z) mc_npz_close(z);
  return ok;
}

/* "FILE" or "NAME=FILE". */
static bool from_argument(feed *f, tool *t, const char *arg, int position) {
  const char *eq = strchr(arg, '=');
  for (const char *e = eq; e; e = strchr(e + 1, '=')) /* a model's name may hold '=' */
    if (input_index(f->net, arg, (size_t)(e - arg)) >= 0) eq = e;
  int i = eq ? input_index(f->net, arg, (size_t)(eq - arg)) : position;
  const char *path = eq ? eq + 1 : arg;
  if (eq && i < 0)
    return mc_error(&t->diag, mc_noloc, "the network has no input '%.*s'", (int)(eq - arg), arg);
  if (!eq && ends_with(path, ".npz")) return from_npz(f, t, path);
  if (i >= mc_network_nin(f->net))
    return mc_error(&t->diag, mc_noloc, "%s: the network has %d inputs only", path,
                    mc_network_nin(f->net));
  mc_npy a;
  return mc_npy_read(path, &a, t->arena, &t->diag, mc_noloc) && set_input(f, t, i, &a, path);
}

static bool read_inputs(feed *f, tool *t, const mc_strlist *inputs) {
  f->fixed = MC_NEWN(t->arena, void *, mc_network_nin(f->net));
  for (size_t k = 0; k < inputs->n; k++)
    if (!from_argument(f, t, inputs->v[k], (int)k)) return false;
  for (int i = 0; i < mc_network_nin(f->net); i++)
    if (!f->fixed[i])
      return mc_error(&t->diag, mc_noloc, "no --input for %s", mc_network_in_name(f->net, i));
  return true;
}

bool feed_open(feed *f, tool *t, const mc_network *n, const char *data, const mc_dataset_opts *o,
               const mc_strlist *inputs, int64_t limit, int64_t seed) {
  *f = (feed){
    .net = n, .other_args = f->other_args, .seed = (uint64_t)seed, .count = 1, .batch = 1
  };
  if (data && inputs->n)
    return mc_error(&t->diag, mc_noloc, "--input and --data exclude each other");
  if (inputs->n) return read_inputs(f, t, inputs);
  if (!data) return f->count = limit > 0 ? limit : 1, true;
  f->data = mc_network_data(n, data, o, &t->diag);
  if (!f->data) return false;
  f->batch = mc_dataset_batch(f->data);
  f->count = mc_dataset_count(f->data);
  if (limit > 0 && limit < f->count) f->count = limit;
  return true;
}

bool feed_fetch(const feed *f, int64_t k, void *const *in) {
  if (f->data) return mc_dataset_fetch(f->data, k, in);
  for (int i = 0; i < mc_network_nin(f->net); i++) {
    if (f->fixed)
      memcpy(in[i], f->fixed[i], (size_t)mc_type_bytes(mc_network_in_type(f->net, i)));
    else
      mc_network_random(f->net, i, f->seed + (uint64_t)k, in[i]);
  }
  return true;
}

void feed_close(feed *f) {
  if (f->data) mc_dataset_close(f->data);
}
