// RUN: rm -rf %t && mkdir -p %t && %unit/blob_test %t
#include "check.h"
#include "mc/support/blob.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct fix {
  mc_arena *a;
  mc_diag d;
  const char *dir;
} fix;

static const char *path_of(fix *f, const char *name) {
  return mc_arena_printf(f->a, "%s/%s", f->dir, name);
}

static const char *last_error(fix *f) {
  return f->d.list.n ? f->d.list.v[f->d.list.n - 1].text : "(none)";
}

static void base64_round_trip(fix *f) {
  unsigned char bytes[67];
  for (size_t n = 0; n < sizeof bytes; n++) {
    for (size_t i = 0; i < n; i++) bytes[i] = (unsigned char)(i * 37 + n * 11);
    mc_strbuf b = { 0 };
    mc_base64_encode(&b, bytes, n);
    size_t got, bad;
    unsigned char *p = mc_base64_decode(mc_sb_str(&b), b.n, &got, f->a, &bad);
    CHECK(p && got == n && memcmp(p, bytes, n) == 0 && b.n == (n + 2) / 3 * 4);
    mc_sb_free(&b);
  }
}

static void base64_refuses(fix *f) {
  static const struct {
    const char *s;
    size_t bad;
  } cases[] = { { "QQ", 2 },   { "QQ=", 3 },      { "Q===", 1 },  { "=QQQ", 0 },
                { "QR==", 1 }, { "QUI=QUI=", 3 }, { "QU\nI", 2 }, { "QUJ=", 2 } };

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t n, bad = 99;
    CHECK(!mc_base64_decode(cases[i].s, strlen(cases[i].s), &n, f->a, &bad));
    CHECK(bad == cases[i].bad);
  }
}

static void files(fix *f) {
  const char *p = path_of(f, "a.bin"), *link = path_of(f, "link");
  CHECK(mc_write_file(p, "hello", 5, &f->d));
  CHECK(symlink("a.bin", link) == 0);
  CHECK(mc_write_file(link, "world!", 6, &f->d));
  size_t n;
  char *s = mc_read_file(p, &n, f->a, &f->d, mc_noloc);
  CHECK(s && n == 6 && strcmp(s, "world!") == 0);
  mc_blob *b = mc_blob_open(p, &f->d, mc_noloc);
  CHECK(b && mc_blob_size(b) == 6 && memcmp(mc_blob_data(b), "world!", 6) == 0);
  CHECK(mc_write_file(p, "", 0, &f->d)); /* a mapping outlives the file's replacement */
  CHECK(memcmp(mc_blob_data(b), "world!", 6) == 0);
  mc_blob_close(b);
  b = mc_blob_open(p, &f->d, mc_noloc);
  CHECK(b && mc_blob_size(b) == 0);
  mc_blob_close(b);
  CHECK(mc_write_file("/dev/null", "x", 1, &f->d) && access("/dev/null", F_OK) == 0);
  CHECK(f->d.errors == 0);
  CHECK(!mc_blob_open(f->dir, &f->d, mc_noloc) && strstr(last_error(f), "it is a folder"));
  CHECK(!mc_blob_open(path_of(f, "none"), &f->d, mc_noloc) &&
        strstr(last_error(f), "No such file"));
  CHECK(!mc_write_file(path_of(f, "none/x"), "x", 1, &f->d) &&
        strstr(last_error(f), "No such file"));
  CHECK(!mc_write_file(f->dir, "x", 1, &f->d) && strstr(last_error(f), "directory"));
}

static void safetensors_round_trip(fix *f) {
  static const float w[4] = { 1, 2, 3, 4 };
  static const int64_t k[1] = { -5 };
  mc_st_entry e[] = { { "odd \"name\"\n", "U8", 1, { 3 }, "abc", 3 },
                      { "w", "F32", 2, { 2, 2 }, w, 16 },
                      { "k", "I64", 0, { 0 }, k, 8 },
                      { "empty", "F32", 1, { 0 }, w, 0 } };
  const char *p = path_of(f, "x.safetensors");
  CHECK(mc_st_write(p, e, 4, &f->d));
  mc_st_file *s = mc_st_open(p, f->a, &f->d, mc_noloc);
  CHECK(s && s->n == 4);
  if (!s) return;
  for (size_t i = 0; i < 4; i++) {
    const mc_st_entry *g = mc_st_find(s, e[i].name);
    CHECK(g && g->size == e[i].size && memcmp(g->data, e[i].data, g->size) == 0 &&
          g->rank == e[i].rank && strcmp(g->dtype_name, e[i].dtype_name) == 0);
    CHECK(g && g->data >= (const void *)mc_blob_data(s->blob));
  }
  CHECK(!mc_st_find(s, "x") && strcmp(s->entry[0].name, "empty") == 0);
  mc_st_close(s);
  e[0].name = "\xff";
  CHECK(!mc_st_write(p, e, 1, &f->d) && strstr(last_error(f), "UTF-8"));
  e[1].dtype_name = "F33";
  CHECK(!mc_st_write(p, e + 1, 1, &f->d) && strstr(last_error(f), "unknown dtype 'F33'"));
}

/* A header, then `data` bytes of zeros; the expected words of the error, or NULL when it is fine.
 */
static void header_case(fix *f, const char *json, size_t data, const char *expect) {
  size_t n = strlen(json), before = f->d.errors;
  unsigned char *p = calloc(1, 8 + n + data + 1);
  if (!p) abort();
  for (int i = 0; i < 8; i++) p[i] = (unsigned char)((uint64_t)n >> (8 * i));
  memcpy(p + 8, json, n);
  mc_st_file *s = mc_st_parse(p, 8 + n + data, f->a, &f->d, mc_noloc);
  if (!expect)
    CHECK(s);
  else
    CHECK(!s && f->d.errors == before + 1 && strstr(last_error(f), expect));
  if (expect && !strstr(last_error(f), expect))
    fprintf(stderr, "  %s\n  %s\n", json, last_error(f));
  free(p);
}

static void safetensors_hostile(fix *f) {
  header_case(f, "{}", 0, NULL);
  header_case(f, "{\"__metadata__\":{\"a\":\"b\"}}  ", 0, NULL);
  header_case(f, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, NULL);
  header_case(f, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]}}", 9,
              NULL); /* not aligned: copied */
  header_case(f, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7,
              "are not in the file's 7 bytes");
  header_case(f, "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8,
              "its shape needs 12 bytes, but it has 8");
  header_case(f, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8,
              "are not in the file's");
  header_case(f, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8,
              "are not in the file's");
  header_case(f,
              "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775807]}}",
              8, "are not in the file's");
  header_case(f,
              "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775808]}}",
              8, "integer");
  header_case(
      f, "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 8,
      "its shape is too large");
  header_case(f, "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,8]}}", 8,
              "a dimension is negative");
  header_case(f, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8,
              "a dimension is not an integer");
  header_case(f, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}",
              8, "more than 8 dimensions");
  header_case(f, "{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8,
              "\"shape\" is not an array");
  header_case(f, "{\"a\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
              "unknown dtype 'F31'");
  header_case(f, "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "\"dtype\" is not a string");
  header_case(f, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8,
              "not a pair of integers");
  header_case(f, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "not a pair of integers");
  header_case(f, "{\"a\":7}", 8, "not an object");
  header_case(f, "[1]", 8, "not a JSON object");
  header_case(f, "{\"a\":", 8, "safetensors header");
  header_case(f, "{} x", 8, "safetensors header");
  header_case(f,
              "{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},\"a\":{\"dtype\":"
              "\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
              8, "duplicate");
  header_case(f,
              "{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},\"b\":{\"dtype\":"
              "\"U8\",\"shape\":[2],\"data_offsets\":[7,9]}}",
              9, "tensors 'a' and 'b' share bytes");
  CHECK(!mc_st_parse("1234567", 7, f->a, &f->d, mc_noloc) && strstr(last_error(f), "too short"));
  CHECK(!mc_st_parse("\x09\0\0\0\0\0\0\0{}", 10, f->a, &f->d, mc_noloc) &&
        strstr(last_error(f), "or cut off"));
  CHECK(!mc_st_parse("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, f->a, &f->d, mc_noloc) &&
        strstr(last_error(f), "or cut off"));
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  fix f = { .a = mc_arena_create(), .dir = argv[1] };
  mc_diag_init(&f.d, f.a);
  base64_round_trip(&f);
  base64_refuses(&f);
  files(&f);
  safetensors_round_trip(&f);
  safetensors_hostile(&f);
  mc_arena_destroy(f.a);
  return CHECK_DONE();
}
