// RUN: %unit/types_test
#include "check.h"
#include "mc/ir/graph.h"
#include <math.h>
#include <string.h>

static const char *text_of(mc_module *m, const mc_type *t) {
  mc_strbuf b = { 0 };
  mc_type_print(&b, t);
  const char *s = mc_arena_strdup(m->arena, mc_sb_str(&b));
  mc_sb_free(&b);
  return s;
}

static void interned(void) {
  mc_module *m = mc_module_create();
  int64_t d[2] = { 2, 3 };
  const mc_type *a = mc_type_make(m, MC_f32, 2, d), *b = mc_type_make(m, MC_f32, 2, d),
                *s = mc_type_make(m, MC_f32, 0, NULL);
  CHECK(a == b && a != s && mc_type_elems(s) == 1 && mc_type_bytes(a) == 24);
  const mc_type *q = mc_type_make_q(m, MC_u8, 2, d, 0.5f, 3);
  CHECK(q == mc_type_make_q(m, MC_u8, 2, d, 0.5f, 3) &&
        q != mc_type_make_q(m, MC_u8, 2, d, 0.5f, 4));
  CHECK(mc_type_with_elem(m, a, q) == q && mc_type_with_dims(m, q, 0, NULL)->rank == 0);
  CHECK(!strcmp(text_of(m, a), "f32[2,3]") && !strcmp(text_of(m, s), "f32[]") &&
        !strcmp(text_of(m, q), "u8<0.5:3>[2,3]"));
  float *scales;
  mc_tensor *t = mc_tensor_create(m, "w scale", MC_f32, 1, &d[0], (void **)&scales);
  scales[0] = 0.25f, scales[1] = 4;
  mc_type ax = {
    .dtype = MC_i8, .rank = 2, .dim = { 2, 3 }, .q = { .kind = MC_Q_AXIS, .axis = 0, .scales = t }
  };
  CHECK(mc_type_check(&ax) == NULL && mc_type_scale(&ax, 1) == 4 &&
        !strcmp(text_of(m, &ax), "i8<@\"w scale\" axis=0>[2,3]"));
  ax.q.axis = 1;
  CHECK(!strcmp(mc_type_check(&ax), "there must be one scale per index of the quantized axis"));
  ax.q.axis = 0, scales[1] = 0;
  CHECK(!strcmp(mc_type_check(&ax), "every scale must be finite and > 0"));
  mc_module_destroy(m);
}

static void bad_types(void) {
  static const struct {
    mc_type t;
    const char *why;
  } cases[] = {
    { { .dtype = MC_f32, .rank = 1, .dim = { 0 } }, "dimensions must be at least 1" },
    { { .dtype = MC_f32, .rank = 2, .dim = { 1, -5 } }, "dimensions must be at least 1" },
    { { .dtype = MC_f32, .rank = 9 }, "more than 8 dimensions" },
    { { .dtype = MC_i8, .rank = 2, .dim = { INT64_MAX, INT64_MAX } }, "the tensor is too large" },
    { { .dtype = MC_f32, .q = { .kind = MC_Q_TENSOR, .scale = 1 } },
      "only i8, u8, i16 and i32 can be quantized" },
    { { .dtype = MC_u8, .q = { .kind = MC_Q_TENSOR, .scale = 0 } },
      "the scale must be finite and > 0" },
    { { .dtype = MC_u8, .q = { .kind = MC_Q_TENSOR, .scale = INFINITY } },
      "the scale must be finite and > 0" },
    { { .dtype = MC_u8, .q = { .kind = MC_Q_TENSOR, .scale = 1, .zero = 256 } },
      "the zero point is not a value of the element type" },
    { { .dtype = MC_i8, .q = { .kind = MC_Q_TENSOR, .scale = 1, .zero = 128 } },
      "the zero point is not a value of the element type" },
    { { .dtype = MC_i8, .q = { .kind = MC_Q_AXIS, .axis = 0 } },
      "the quantized axis is not an axis of the shape" },
    { { .dtype = MC_i8, .rank = 1, .dim = { 4 }, .q = { .kind = MC_Q_AXIS, .axis = 0 } },
      "scales must be an f32 tensor of rank 1" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *w = mc_type_check(&cases[i].t);
    CHECK(w && !strcmp(w, cases[i].why));
  }
  mc_type ok = { .dtype = MC_u8,
                 .rank = 8,
                 .dim = { 1, 1, 1, 1, 1, 1, 1, 1 },
                 .q = { .kind = MC_Q_TENSOR, .scale = 1e-30f, .zero = 255 } };
  CHECK(mc_type_check(&ok) == NULL);
}

static void dtypes(void) {
  int64_t lo, hi;
  mc_dtype t;
  mc_dtype_range(MC_i8, &lo, &hi);
  CHECK(lo == -128 && hi == 127);
  mc_dtype_range(MC_u8, &lo, &hi);
  CHECK(lo == 0 && hi == 255);
  mc_dtype_range(MC_i32, &lo, &hi);
  CHECK(lo == INT32_MIN && hi == INT32_MAX);
  for (int i = 0; i < MC_NUM_DTYPES; i++)
    CHECK(mc_dtype_from_st(mc_dtype_st_name((mc_dtype)i), &t) && (int)t == i);
  CHECK(!mc_dtype_from_st("F8_E4M3", &t));
  CHECK(mc_dtype_is_int(MC_i64) && !mc_dtype_is_int(MC_bool) && mc_dtype_is_float(MC_bf16) &&
        mc_dtype_size(MC_bool) == 1);
}

int main(void) {
  interned();
  bad_types();
  dtypes();
  return CHECK_DONE();
}
