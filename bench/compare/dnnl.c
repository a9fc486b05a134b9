/* oneDNN 2.x (Debian's libdnnl-dev): the convolutions and matrix products of a network one after
 * another, each with its bias, scales, activation and residual sum fused, in the layout that the
 * library asks for.  What is between layers (reorders, pools, softmax) is not run: a lower
 * bound for any program on top.
 *
 * A list of layers has lines
 *   conv   TYPE groups c_in c_out h w kh kw stride top left bottom right relu sum
 *   matmul TYPE m k n relu
 * with TYPE f32 or int8 (u8 x s8, i32 bias, per-channel scales; result u8 after an activation, else
 * s8), `relu` and `sum` 0 or 1. */
#include "compare.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined __has_include
#if __has_include(<oneapi/dnnl/dnnl.h>)
#include <oneapi/dnnl/dnnl.h>
#if DNNL_VERSION_MAJOR == 2
#define HAVE_DNNL 1
#endif
#endif
#endif

#ifndef HAVE_DNNL
bool dnnl_open(runner *r, const char *file, const setup *s) {
  (void)r, (void)file, (void)s;
  fprintf(stderr, "compare: built without oneDNN (Debian: libdnnl-dev 2.x)\n");
  return false;
}
#else

enum { MAX_LAYERS = 512 };

typedef struct layer {
  dnnl_primitive_t primitive;
  dnnl_exec_arg_t arg[4];
} layer;

typedef struct net {
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  layer layer[MAX_LAYERS];
  int n;
  long batch;
} net;

typedef struct spec {
  bool conv, f32, relu, sum;
  dnnl_dim_t groups, c_in, c_out, h, w, kh, kw, m;
  dnnl_dims_t stride, before, after; /* the library wants arrays of its own size */
} spec;

static bool ok(dnnl_status_t s, const char *what) {
  if (s != dnnl_success) fprintf(stderr, "compare: oneDNN: %s: status %d\n", what, (int)s);
  return s == dnnl_success;
}

static bool run(void *state) {
  net *n = state;
  for (int i = 0; i < n->n; i++)
    if (!ok(dnnl_primitive_execute(n->layer[i].primitive, n->stream, 4, n->layer[i].arg),
            "execute"))
      return false;
  return ok(dnnl_stream_wait(n->stream), "wait");
}

static dnnl_memory_desc_t desc(int rank, const dnnl_dim_t *dims, dnnl_data_type_t type,
                               dnnl_format_tag_t tag) {
  dnnl_memory_desc_t d;
  ok(dnnl_memory_desc_init_by_tag(&d, rank, dims, type, tag), "desc");
  return d;
}

/* Small values: nothing overflows, nothing is denormal. */
static dnnl_memory_t memory(net *n, const dnnl_memory_desc_t *d) {
  dnnl_memory_t m = NULL;
  void *p = NULL;
  if (!ok(dnnl_memory_create(&m, d, n->engine, DNNL_MEMORY_ALLOCATE), "memory") ||
      !ok(dnnl_memory_get_data_handle(m, &p), "memory"))
    return NULL;
  size_t bytes = dnnl_memory_desc_get_size(d);
  for (size_t i = 0; d->data_type == dnnl_f32 && i < bytes / 4; i++)
    ((float *)p)[i] = (float)(i * 2654435761u % 1000) * 1e-3f - 0.5f;
  if (d->data_type != dnnl_f32)
    for (size_t i = 0; i < bytes; i++)
      ((unsigned char *)p)[i] = (unsigned char)(i * 2654435761u >> 8 & 63);
  return m;
}

static dnnl_primitive_attr_t attributes(const spec *s) {
  dnnl_primitive_attr_t a;
  dnnl_post_ops_t po;
  dnnl_primitive_attr_create(&a);
  dnnl_post_ops_create(&po);
  if (s->sum) dnnl_post_ops_append_sum(po, 0.5f);
  if (s->relu) dnnl_post_ops_append_eltwise(po, 1.0f, dnnl_eltwise_relu, 0, 0);
  if (!s->f32) {
    float *scale = malloc((size_t)s->c_out * sizeof *scale);
    for (dnnl_dim_t i = 0; scale && i < s->c_out; i++) scale[i] = 1e-3f + 1e-6f * (float)(i % 100);
    if (scale) dnnl_primitive_attr_set_output_scales(a, s->c_out, 1 << 1, scale);
    free(scale);
  }
  dnnl_primitive_attr_set_post_ops(a, po);
  dnnl_post_ops_destroy(po);
  return a;
}

typedef struct types {
  dnnl_data_type_t x, w, b, y;
  dnnl_format_tag_t image;
} types;

static types types_of(const spec *s) {
  if (s->f32) return (types){ dnnl_f32, dnnl_f32, dnnl_f32, dnnl_f32, dnnl_format_tag_any };
  return (types){ dnnl_u8, dnnl_s8, dnnl_s32, s->relu ? dnnl_u8 : dnnl_s8, dnnl_nhwc };
}

static bool conv_desc(const net *n, const spec *s, dnnl_primitive_desc_t *pd,
                      dnnl_primitive_attr_t attr) {
  types t = types_of(s);
  dnnl_dim_t oh = (s->h + s->before[0] + s->after[0] - s->kh) / s->stride[0] + 1,
             ow = (s->w + s->before[1] + s->after[1] - s->kw) / s->stride[1] + 1;
  dnnl_dim_t x[] = { n->batch, s->c_in, s->h, s->w }, y[] = { n->batch, s->c_out, oh, ow },
             b[] = { s->c_out };
  dnnl_dim_t plain[] = { s->c_out, s->c_in, s->kh, s->kw },
             grouped[] = { s->groups, s->c_out / s->groups, s->c_in / s->groups, s->kh, s->kw };
  dnnl_memory_desc_t xd = desc(4, x, t.x, t.image), yd = desc(4, y, t.y, t.image),
                     bd = desc(1, b, t.b, dnnl_a);
  dnnl_memory_desc_t wd = s->groups > 1 ? desc(5, grouped, t.w, dnnl_format_tag_any)
                                        : desc(4, plain, t.w, dnnl_format_tag_any);
  dnnl_convolution_desc_t cd;
  return ok(dnnl_convolution_forward_desc_init(&cd, dnnl_forward_inference, dnnl_convolution_direct,
                                               &xd, &wd, &bd, &yd, s->stride, s->before, s->after),
            "conv") &&
         ok(dnnl_primitive_desc_create(pd, &cd, attr, n->engine, NULL), "conv");
}

static bool matmul_desc(const net *n, const spec *s, dnnl_primitive_desc_t *pd,
                        dnnl_primitive_attr_t attr) {
  types t = types_of(s);
  dnnl_dim_t m = s->m * n->batch, x[] = { m, s->c_in }, w[] = { s->c_in, s->c_out },
             b[] = { 1, s->c_out }, y[] = { m, s->c_out };
  dnnl_memory_desc_t xd = desc(2, x, t.x, dnnl_ab), wd = desc(2, w, t.w, dnnl_format_tag_any),
                     bd = desc(2, b, t.b, dnnl_ab), yd = desc(2, y, t.y, dnnl_ab);
  dnnl_matmul_desc_t md;
  return ok(dnnl_matmul_desc_init(&md, &xd, &wd, &bd, &yd), "matmul") &&
         ok(dnnl_primitive_desc_create(pd, &md, attr, n->engine, NULL), "matmul");
}

static bool add_layer(net *n, const spec *s) {
  dnnl_primitive_attr_t attr = attributes(s);
  dnnl_primitive_desc_t pd = NULL;
  if (n->n == MAX_LAYERS || !(s->conv ? conv_desc : matmul_desc)(n, s, &pd, attr)) return false;
  layer *l = &n->layer[n->n++];

  static const struct {
    dnnl_query_t query;
    int arg;
  } what[4] = { { dnnl_query_src_md, DNNL_ARG_SRC },
                { dnnl_query_weights_md, DNNL_ARG_WEIGHTS },
                { dnnl_query_weights_md, DNNL_ARG_BIAS },
                { dnnl_query_dst_md, DNNL_ARG_DST } };

  for (int i = 0; i < 4; i++) {
    dnnl_memory_t m =
        memory(n, dnnl_primitive_desc_query_md(pd, what[i].query, what[i].arg == DNNL_ARG_BIAS));
    if (!m) return false;
    l->arg[i] = (dnnl_exec_arg_t){ what[i].arg, m };
  }
  bool good = ok(dnnl_primitive_create(&l->primitive, pd), "primitive");
  dnnl_primitive_desc_destroy(pd);
  dnnl_primitive_attr_destroy(attr);
  return good;
}

static bool parse(const char *line, spec *s) {
  long v[14];
  char type[8];
  *s = (spec){ 0 };
  if (sscanf(line, "conv %7s %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld", type, &v[0],
             &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8], &v[9], &v[10], &v[11], &v[12],
             &v[13]) == 15) {
    *s = (spec){ .conv = true,
                 .groups = v[0],
                 .c_in = v[1],
                 .c_out = v[2],
                 .h = v[3],
                 .w = v[4],
                 .kh = v[5],
                 .kw = v[6],
                 .stride = { v[7], v[7] },
                 .before = { v[8], v[9] },
                 .after = { v[10], v[11] },
                 .relu = v[12] != 0,
                 .sum = v[13] != 0 };
  } else if (sscanf(line, "matmul %7s %ld %ld %ld %ld", type, &v[0], &v[1], &v[2], &v[3]) == 5) {
    *s = (spec){ .m = v[0], .c_in = v[1], .c_out = v[2], .relu = v[3] != 0 };
  } else {
    return false;
  }
  s->f32 = strcmp(type, "f32") == 0;
  return true;
}

bool dnnl_open(runner *r, const char *file, const setup *with) {
  double t0 = now();
  net *n = calloc(1, sizeof *n);
  FILE *f = fopen(file, "r");
  char line[256];
  spec s;
  if (!n || !f) {
    perror(file);
    return false;
  }
  n->batch = with->batch;
  *r = (runner){ .state = n, .run = run };
  bool good = ok(dnnl_engine_create(&n->engine, dnnl_cpu, 0), "engine") &&
              ok(dnnl_stream_create(&n->stream, n->engine, dnnl_stream_default_flags), "stream");
  while (good && fgets(line, sizeof line, f)) {
    good = parse(line, &s);
    if (!good) fprintf(stderr, "compare: %s: not a layer: %s", file, line);
    good = good && add_layer(n, &s);
  }
  fclose(f);
  r->open_seconds = now() - t0;
  return good && run(n);
}
#endif
