// RUN: rm -rf %t && mkdir -p %t && %unit/npy_test %t
/* Also a small reader for the tests in test/import: npy_test read FILE.npy|FILE.npz [NAME] */
#include "check.h"
#include "mc/import/npy.h"
#include "mc/support/blob.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct fix {
  mc_arena *a;
  mc_diag d;
} fix;

static const char *last_error(fix *f) {
  return f->d.list.n ? f->d.list.v[f->d.list.n - 1].text : "(none)";
}

/* version 1 with the given header text and `data` zero bytes */
static void header_case(fix *f, const char *text, size_t data, const char *expect) {
  size_t n = strlen(text);
  char *p = calloc(1, 10 + n + data);
  mc_npy x;
  if (!p) abort();
  memcpy(p, "\x93NUMPY\x01", 7);
  p[8] = (char)(n & 255);
  p[9] = (char)(n >> 8);
  memcpy(p + 10, text, n);
  bool ok = mc_npy_parse(p, 10 + n + data, &x, f->a, &f->d, mc_noloc);
  bool as_expected = expect ? !ok && strstr(last_error(f), expect) : ok;
  CHECK(as_expected);
  if (!as_expected) fprintf(stderr, "  %s\n  %s\n", text, last_error(f));
  free(p);
}

static void headers(fix *f) {
  header_case(f, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", 24, NULL);
  header_case(f, "{\"shape\":(),\"descr\":\"|b1\",\"fortran_order\":False}", 1, NULL);
  header_case(f, "{'descr': '<i8', 'fortran_order': False, 'shape': (0,), }", 0, NULL);
  header_case(f, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 23,
              "the shape needs 24 bytes, but there are 23");
  header_case(f, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 25,
              "the shape needs 24 bytes, but there are 25");
  header_case(f, "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", 24, "big-endian");
  header_case(f, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 24, NULL);
  header_case(f, "{'descr': '<u2', 'fortran_order': True, 'shape': (2, 3), }", 12, NULL);
  header_case(f, "{'descr': '<V2', 'fortran_order': False, 'shape': (2, 3), }", 12, NULL);
  header_case(f, "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3), }", 24,
              "neither True nor False");
  header_case(f, "{'descr': '<c8', 'fortran_order': False, 'shape': (2, 3), }", 24,
              "element type '<c8' is not supported");
  header_case(f, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3), }", 24,
              "not a plain element type");
  header_case(f, "{'descr': '<f4', 'fortran_order': False, 'shape': (3), }", 12,
              "'shape' is not a tuple");
  header_case(f, "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", 12,
              "not a tuple of integers");
  header_case(f, "{'descr': '<f4', 'fortran_order': False, 'shape': (3 3), }", 12,
              "not a tuple of integers");
  header_case(f, "{'descr': '<f4', 'fortran_order': False, 'shape': 3, }", 12,
              "'shape' is not a tuple");
  header_case(f, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 12,
              "not a tuple of integers");
  header_case(f, "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 0,
              "the shape is too large");
  header_case(f, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4,
              "more than 8 dimensions");
  header_case(f, "{'descr': '<f4', 'fortran_order': False, }", 4, "malformed .npy header");
  header_case(f, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 4,
              "unexpected 'descr'");
  header_case(f, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4,
              "unexpected 'x'");
  header_case(f, "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", 4,
              "malformed .npy header");
  header_case(f, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", 4,
              "malformed .npy header");
  header_case(f, "{'descr': '<f4", 4, "not a plain element type");
  header_case(f, "", 4, "malformed .npy header");
}

static void prefixes(fix *f) {
  mc_npy x;
  CHECK(!mc_npy_parse("", 0, &x, f->a, &f->d, mc_noloc) &&
        strstr(last_error(f), "not an .npy array"));
  CHECK(!mc_npy_parse("\x93NUMPX\x01\0\0\0\0\0", 12, &x, f->a, &f->d, mc_noloc) &&
        strstr(last_error(f), "not an .npy array"));
  CHECK(!mc_npy_parse("\x93NUMPY\x04\0\0\0\0\0", 12, &x, f->a, &f->d, mc_noloc) &&
        strstr(last_error(f), "version 4.0"));
  CHECK(!mc_npy_parse("\x93NUMPY\x02\0\xff\xff\xff\xff", 12, &x, f->a, &f->d, mc_noloc) &&
        strstr(last_error(f), "too long"));
  CHECK(!mc_npy_parse("\x93NUMPY\x02\0\x40\0\0\0", 12, &x, f->a, &f->d, mc_noloc) &&
        strstr(last_error(f), "cut off"));
  CHECK(!mc_npy_parse("\x93NUMPY\x02\0\x40\0", 10, &x, f->a, &f->d, mc_noloc) &&
        strstr(last_error(f), "cut off"));
}

static bool same(const mc_npy *x, const mc_npy *y) {
  return x->dtype == y->dtype && x->rank == y->rank &&
         memcmp(x->dim, y->dim, sizeof *x->dim * (size_t)x->rank) == 0 && x->size == y->size &&
         memcmp(x->data, y->data, x->size) == 0;
}

static void round_trips(fix *f, const char *dir) {
  static const float w[6] = { 1, 2, 3, 4, 5, 6 };
  static const int64_t k[1] = { -7 };
  const mc_npy in[] = { { "x", MC_f32, 2, { 2, 3 }, w, 24, 0 },
                        { "y", MC_i64, 0, { 0 }, k, 8, 0 },
                        { "z", MC_u8, 1, { 0 }, w, 0, 0 } };
  const char *npy = mc_arena_printf(f->a, "%s/a.npy", dir),
             *npz = mc_arena_printf(f->a, "%s/a.npz", dir);
  mc_npy out;
  for (int i = 0; i < 3; i++) {
    CHECK(mc_npy_write(npy, &in[i], &f->d));
    CHECK(mc_npy_read(npy, &out, f->a, &f->d, mc_noloc) && same(&in[i], &out));
  }
  CHECK(mc_npz_write(npz, in, 3, &f->d));
  size_t n1, n2;
  char *first = mc_read_file(npz, &n1, f->a, &f->d, mc_noloc);
  CHECK(mc_npz_write(npz, in, 3, &f->d));
  char *second = mc_read_file(npz, &n2, f->a, &f->d, mc_noloc);
  CHECK(n1 == n2 && memcmp(first, second, n1) == 0);
  mc_npz *z = mc_npz_open(npz, &f->d, mc_noloc);
  CHECK(z && mc_npz_count(z) == 3 && strcmp(mc_npz_name(z, 1), "y") == 0);
  for (int i = 0; z && i < 3; i++)
    CHECK(mc_npz_read(z, in[i].name, &out, f->a, &f->d, mc_noloc) && same(&in[i], &out) &&
          strcmp(out.name, in[i].name) == 0);
  CHECK(z && mc_npz_read(z, NULL, &out, f->a, &f->d, mc_noloc) && same(&in[0], &out));
  CHECK(f->d.errors == 0);
  CHECK(z && !mc_npz_read(z, "q", &out, f->a, &f->d, mc_noloc) &&
        strstr(last_error(f), "no array 'q' (there is 'x', 'y', 'z')"));
  mc_npz_close(z);
  const mc_npy bf = { "b", MC_bf16, 0, { 0 }, w, 2, 0 };
  CHECK(!mc_npy_write(npy, &bf, &f->d) && strstr(last_error(f), "no element type for bf16"));
}

static void show(const mc_npy *x) {
  printf("%s: %s[", x->name ? x->name : "array", mc_dtype_names[x->dtype]);
  for (int i = 0; i < x->rank; i++) printf(i ? ",%" PRId64 : "%" PRId64, x->dim[i]);
  unsigned sum = 0;
  for (size_t i = 0; i < x->size; i++) sum = sum * 31 + ((const unsigned char *)x->data)[i];
  printf("] %zu bytes, hash %08x\n", x->size, sum);
}

static void read_npz(fix *f, const char *path, const char *name) {
  mc_npz *z = mc_npz_open(path, &f->d, mc_noloc);
  mc_npy x;
  for (int i = 0; z && i < mc_npz_count(z); i++)
    if ((!name || strcmp(name, mc_npz_name(z, i)) == 0) &&
        mc_npz_read(z, mc_npz_name(z, i), &x, f->a, &f->d, mc_noloc))
      show(&x);
  if (z && name && !f->d.errors && !mc_npz_read(z, name, &x, f->a, &f->d, mc_noloc))
    printf("nothing\n");
  mc_npz_close(z);
}

static int read_command(fix *f, const char *path, const char *name) {
  size_t n = strlen(path);
  mc_npy x;
  if (n > 4 && strcmp(path + n - 4, ".npz") == 0)
    read_npz(f, path, name);
  else if (mc_npy_read(path, &x, f->a, &f->d, mc_noloc))
    show(&x);
  mc_strbuf b = { 0 };
  for (size_t i = 0; i < f->d.list.n; i++) mc_diag_render(&b, &f->d.list.v[i]);
  fputs(mc_sb_str(&b), stderr);
  mc_sb_free(&b);
  return f->d.errors != 0;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  fix f = { .a = mc_arena_create() };
  mc_diag_init(&f.d, f.a);
  int rc = 0;
  if (argc >= 3 && strcmp(argv[1], "read") == 0) {
    rc = read_command(&f, argv[2], argc > 3 ? argv[3] : NULL);
  } else {
    round_trips(&f, argv[1]);
    headers(&f);
    prefixes(&f);
    rc = CHECK_DONE();
  }
  mc_arena_destroy(f.a);
  return rc;
}
