/* The preprocessing text: scale=, mean= and std=. */
#include "mc/import/dataset.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool parse_number(const char **s, double *out) {
  char *end;
  *out = strtod(*s, &end);
  if (end == *s) return false;
  *s = end;
  if (**s != '/') return true;
  double den = strtod(*s + 1, &end);
  if (end == *s + 1 || den == 0) return false;
  *out /= den;
  *s = end;
  return true;
}

static int parse_list(const char **s, double v[64]) {
  int n = 0;
  for (;;) {
    if (n == 64 || !parse_number(s, &v[n])) return 0;
    n++;
    if (**s != ',') return n;
    ++*s;
  }
}

bool mc_affine_parse(const char *text, mc_affine *out, mc_diag *d, mc_loc at) {
  static const char *const keys[] = { "scale", "mean", "std" };
  double v[3][64] = { { 1 }, { 0 }, { 1 } };
  int n[3] = { 1, 1, 1 };
  for (const char *s = text; *s;) {
    if (isspace((unsigned char)*s)) {
      s++;
      continue;
    }
    int k = 0;
    while (k < 3 && (strncmp(s, keys[k], strlen(keys[k])) != 0 || s[strlen(keys[k])] != '=')) k++;
    if (k == 3)
      return mc_error(d, at, "preprocessing '%s': expected scale=, mean= or std= at '%s'", text, s);
    s += strlen(keys[k]) + 1;
    n[k] = parse_list(&s, v[k]);
    if (!n[k] || (*s && !isspace((unsigned char)*s)))
      return mc_error(d, at,
                      "preprocessing '%s': %s= takes numbers or fractions separated by commas",
                      text, keys[k]);
  }
  out->n = n[0] > n[1] ? n[0] : n[1];
  if (n[2] > out->n) out->n = n[2];
  for (int k = 0; k < 3; k++)
    if (n[k] != 1 && n[k] != out->n)
      return mc_error(d, at, "preprocessing '%s': %s= has %d values, others have %d", text, keys[k],
                      n[k], out->n);
  for (int c = 0; c < out->n; c++) {
    double std = v[2][n[2] > 1 ? c : 0];
    if (std == 0) return mc_error(d, at, "preprocessing '%s': std= holds 0", text);
    out->scale[c] = (float)(v[0][n[0] > 1 ? c : 0] / std);
    out->shift[c] = (float)(-v[1][n[1] > 1 ? c : 0] / std);
  }
  return true;
}
