/* Modules and tensors. Graphs are in graph.c. */
#include "mc/ir/graph.h"
#include <string.h>

mc_module *mc_module_create(void) {
  mc_arena *a = mc_arena_create();
  mc_module *m = MC_NEW(a, mc_module);
  m->arena = a;
  m->dir = ".";
  mc_map_init(&m->tensors, a);
  mc_map_init(&m->types, a);
  mc_map_init(&m->suffixes, a);
  return m;
}

void mc_module_destroy(mc_module *m) {
  if (!m) return;
  for (mc_module *c = m->copies, *next; c; c = next) {
    next = c->next_copy;
    mc_module_destroy(c);
  }
  for (size_t i = 0; i < m->blobs.n; i++) mc_blob_close(m->blobs.v[i]);
  mc_arena_destroy(m->arena);
}

void mc_module_adopt(mc_module *m, mc_module *other) {
  other->next_copy = m->copies;
  m->copies = other;
}

mc_module *mc_module_copy(mc_module *m) {
  mc_module_adopt(m, mc_module_clone(m));
  return m->copies;
}

int64_t mc_tensor_elems(const mc_tensor *t) {
  int64_t n = 1;
  for (int i = 0; i < t->rank; i++) n *= t->dim[i];
  return n;
}

static mc_tensor *tensor_new(mc_module *m, const char *name, mc_dtype dtype, int rank,
                             const int64_t *dim) {
  mc_tensor *t = MC_NEW(m->arena, mc_tensor);
  t->name = name ? mc_arena_strdup(m->arena, name) : NULL;
  t->dtype = dtype;
  t->rank = rank;
  for (int i = 0; i < rank; i++) t->dim[i] = dim[i];
  t->size = (size_t)mc_tensor_elems(t) * mc_dtype_size(dtype);
  if (name) *mc_map_str_slot(&m->tensors, name) = t;
  return t;
}

/* `name`, or name.1, name.2, ... whichever is free first; the last suffix given to a name is
 * remembered, so that long chains of one name stay linear. */
static const char *free_name(mc_module *m, const char *name) {
  if (!mc_map_str_get(&m->tensors, name)) return name;
  void **slot = mc_map_str_slot(&m->suffixes, name);
  if (!*slot) *slot = MC_NEW(m->arena, int);
  int *last = *slot;
  const char *s;
  do s = mc_arena_printf(m->arena, "%s.%d", name, ++*last);
  while (mc_map_str_get(&m->tensors, s));
  return s;
}

mc_tensor *mc_tensor_create(mc_module *m, const char *name, mc_dtype dtype, int rank,
                            const int64_t *dim, void **data) {
  mc_tensor *t = tensor_new(m, name ? free_name(m, name) : NULL, dtype, rank, dim);
  void *p = mc_arena_alloc(m->arena, t->size);
  t->data = p;
  if (data) *data = p;
  return t;
}

mc_tensor *mc_tensor_copy(mc_module *m, const mc_tensor *t) {
  mc_tensor *c = tensor_new(m, t->name ? free_name(m, t->name) : NULL, t->dtype, t->rank, t->dim);
  c->data = t->data;
  c->size = t->size;
  c->file = t->file ? mc_arena_strdup(m->arena, t->file) : NULL;
  c->loc = t->loc;
  return c;
}

mc_tensor *mc_tensor_map(mc_module *m, const char *name, mc_dtype dtype, int rank,
                         const int64_t *dim, const void *data, size_t size, const char *file) {
  if (mc_map_str_get(&m->tensors, name)) return NULL;
  mc_tensor *t = tensor_new(m, name, dtype, rank, dim);
  t->data = data;
  t->size = size;
  t->file = file;
  return t;
}

mc_tensor *mc_module_tensor(const mc_module *m, const char *name) {
  return mc_map_str_get(&m->tensors, name);
}

mc_graph *mc_module_graph(const mc_module *m, const char *name) {
  for (mc_graph *g = m->graphs; g; g = g->next)
    if (!name || strcmp(g->name, name) == 0) return g;
  return NULL;
}
