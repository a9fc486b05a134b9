#include "mc/pass/samples.h"

/* ---- random inputs ---- */
/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014) */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static void random_element(const mc_type *t, float lo, float hi, uint64_t bits, void *data,
                           int64_t i) {
  double unit = (double)(bits >> 11) * 0x1p-53;
  int small = (int)(bits % 10);
  switch (t->dtype) {
  case MC_f32: ((float *)data)[i] = (float)(lo + (hi - lo) * unit); return;
  case MC_f64: ((double *)data)[i] = lo + (hi - lo) * unit; return;
  case MC_i8:
  case MC_u8: ((unsigned char *)data)[i] = (unsigned char)(bits & 255); return;
  case MC_bool: ((unsigned char *)data)[i] = (unsigned char)(bits & 1); return;
  case MC_i16: ((int16_t *)data)[i] = (int16_t)small; return;
  case MC_i32: ((int32_t *)data)[i] = small; return;
  case MC_i64: ((int64_t *)data)[i] = small; return;
  case MC_f16: ((uint16_t *)data)[i] = (uint16_t)(0x3000 + (bits & 0xbff)); return; /* 0.125 .. 2 */
  case MC_bf16: ((uint16_t *)data)[i] = (uint16_t)(0x3e00 + (bits & 0x1ff)); return;
  case MC_NUM_DTYPES: return;
  }
}

void mc_random_array(const mc_type *t, float lo, float hi, uint64_t seed, int index, void *data) {
  uint64_t state = seed * 0x2545f4914f6cdd1du + (uint64_t)index + 1;
  int64_t n = mc_type_elems(t);
  for (int64_t i = 0; i < n; i++) random_element(t, lo, hi, next_random(&state), data, i);
}

void mc_random_fill(const mc_value *input, uint64_t seed, void *data) {
  bool known = input->range.known;
  mc_random_array(input->type, known ? input->range.lo : -1, known ? input->range.hi : 1, seed,
                  input->index, data);
}

mc_array *mc_graph_input_arrays(const mc_graph *g, mc_arena *a) {
  mc_array *x = MC_NEWN(a, mc_array, g->nin);
  for (int i = 0; i < g->nin; i++)
    x[i] = (mc_array){ g->in[i]->type, mc_arena_alloc(a, (size_t)mc_type_bytes(g->in[i]->type)) };
  return x;
}

mc_array *mc_graph_output_arrays(const mc_graph *g, mc_arena *a) {
  int n = mc_graph_nout(g);
  mc_array *x = MC_NEWN(a, mc_array, n);
  for (int i = 0; i < n; i++) {
    const mc_type *t = mc_graph_out(g, i)->type;
    x[i] = (mc_array){ t, mc_arena_alloc(a, (size_t)mc_type_bytes(t)) };
  }
  return x;
}
