/* --preprocess="scale=1/255 mean=.485,.456,.406 std=.229,.224,.225": x' = (x * scale - mean) / std
 * per channel, as one multiplication and one addition: x * (scale / std) + (-mean / std), constants
 * rounded once from double. */
#include "imp.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct numbers {
  double *v;
  int n;
} numbers;

/* NUMBER or NUMBER/NUMBER; *end after it. */
static bool number(const char *s, const char **end, double *out) {
  char *e;
  *out = strtod(s, &e);
  if (e == s) return false;
  if (*e == '/') {
    const char *t = e + 1;
    double by = strtod(t, &e);
    if (e == t || by == 0) return false;
    *out /= by;
  }
  *end = e;
  return isfinite(*out);
}

static bool list(imp *im, const char *s, const char **end, numbers *out) {
  int n = 1;
  for (const char *p = s; *p && *p != ' '; p++) n += *p == ',';
  out->v = MC_NEWN(im->arena, double, n);
  out->n = 0;
  for (;;) {
    if (!number(s, &s, &out->v[out->n])) return false;
    out->n++;
    if (*s != ',') break;
    s++;
  }
  *end = s;
  return !*s || *s == ' ';
}

static bool parse(imp *im, const char *s, numbers k[3]) {
  static const char *const keys[3] = { "scale=", "mean=", "std=" };
  for (;;) {
    while (*s == ' ') s++;
    if (!*s) return true;
    int i = 0;
    while (i < 3 && strncmp(s, keys[i], strlen(keys[i]))) i++;
    const char *shown = mc_onnx_clean(im->diag->arena, s);
    if (i == 3)
      return mc_onnx_fail(im, "--preprocess", "'%s': expected scale=, mean= or std=", shown);
    if (k[i].n) return mc_onnx_fail(im, "--preprocess", "'%s': given twice", shown);
    if (!list(im, s + strlen(keys[i]), &s, &k[i]))
      return mc_onnx_fail(im, "--preprocess",
                          "'%s': expected numbers or fractions separated by commas", shown);
  }
}

static double nth(const numbers *l, int64_t c, double dflt) {
  return !l->n ? dflt : l->v[l->n == 1 ? 0 : c];
}

/* A constant that broadcasts along `axis` of x (or a scalar when all channels agree). */
static mc_value *channel_constant(imp *im, const mc_value *x, int axis, const double *v,
                                  int64_t n) {
  int rank = 0;
  int64_t dim[MC_MAX_RANK] = { 0 };
  if (n > 1) {
    dim[rank++] = n;
    for (int i = axis + 1; i < x->type->rank; i++) dim[rank++] = 1;
  }
  void *data;
  mc_tensor *t = mc_tensor_create(im->m, n > 16 ? mc_onnx_ident(im, "preprocess") : NULL, MC_f32,
                                  rank, dim, &data);
  for (int64_t i = 0; i < n; i++) ((float *)data)[i] = (float)v[i];
  return mc_build_tensor(&im->b, t, NULL);
}

mc_value *mc_onnx_preprocess(imp *im, mc_value *x, int axis) {
  numbers k[3] = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
  if (!parse(im, im->opt->preprocess, k)) return NULL;
  int64_t channels = x->type->dim[axis], n = 1;
  for (int i = 0; i < 3; i++) {
    if (k[i].n > 1 && k[i].n != channels)
      return mc_onnx_fail(im, "--preprocess", "%d values for %lld channels", k[i].n,
                          (long long)channels),
             NULL;
    if (k[i].n > 1) n = channels;
  }
  double *mul = MC_NEWN(im->arena, double, n), *add = MC_NEWN(im->arena, double, n);
  bool scales = false, shifts = false;
  for (int64_t c = 0; c < n; c++) {
    double std = nth(&k[2], c, 1);
    if (std == 0) return mc_onnx_fail(im, "--preprocess", "std is 0"), NULL;
    mul[c] = nth(&k[0], c, 1) / std, add[c] = -nth(&k[1], c, 0) / std;
    scales |= mul[c] != 1, shifts |= add[c] != 0;
  }
  if (scales)
    x = mc_build1(&im->b, MC_OP_mul, (mc_value *[]){ x, channel_constant(im, x, axis, mul, n) }, 2,
                  NULL);
  if (x && shifts)
    x = mc_build1(&im->b, MC_OP_add, (mc_value *[]){ x, channel_constant(im, x, axis, add, n) }, 2,
                  NULL);
  return x;
}
