// RUN: %unit/field_test
#include "check.h"
#include "mc/support/field.h"
#include <math.h>
#include <string.h>

typedef struct things {
  int64_t one, four[4];
  float x, lim[2];
  double d;
  bool on;
  int word, chosen;
  const char *s;
  mc_ints list;
  int64_t must;
} things;

static const char *const words[] = { "left", "bottom-right", NULL };
static const char *const choices[] = { "", "fast", "small", NULL };
#define F(name, kind, count, dflt, names)                                                          \
  { #name, MC_F_##kind, count, offsetof(things, name), dflt, names, "" }
static const mc_field fields[] = { F(one, I64, 1, "7", NULL),
                                   F(four, I64, 4, "1", NULL),
                                   F(x, F32, 1, "1e-05", NULL),
                                   F(lim, F32, 2, "[-inf,inf]", NULL),
                                   F(d, F64, 1, "99.99", NULL),
                                   F(on, BOOL, 1, "false", NULL),
                                   F(word, ENUM, 1, "bottom-right", words),
                                   F(chosen, QUOTED, 1, "", choices),
                                   F(s, STR, 1, "\"\"", NULL),
                                   F(list, INTS, 1, "[3,-4]", NULL),
                                   { 0 } };
static const mc_field needed[] = { F(must, I64, 1, NULL, NULL), F(one, I64, 1, "1", NULL), { 0 } };

typedef struct setup {
  mc_arena *a;
  mc_diag d;
  things t;
} setup;

static setup start(void) {
  setup s = { .a = mc_arena_create() };
  mc_diag_init(&s.d, s.a);
  mc_field_defaults(fields, &s.t, s.a);
  return s;
}

static const char *printed(setup *s, int all) {
  mc_strbuf b = { 0 };
  mc_field_print(&b, fields, &s->t, all, NULL);
  const char *text = mc_arena_strdup(s->a, mc_sb_str(&b));
  mc_sb_free(&b);
  return text;
}

static bool parse(setup *s, const mc_field *f, const char *text) {
  mc_source *src = MC_NEW(s->a, mc_source);
  *src = (mc_source){ "options", text, strlen(text) };
  return mc_field_parse_text(f, &s->t, src, 0, (uint32_t)src->size, "some-pass", s->a, &s->d);
}

static void defaults(void) {
  setup s = start();
  CHECK(s.t.one == 7 && s.t.four[3] == 1 && s.t.x == 1e-5f && isinf(s.t.lim[0]) && s.t.lim[0] < 0 &&
        isinf(s.t.lim[1]) && s.t.lim[1] > 0);
  CHECK(s.t.d == 99.99 && !s.t.on && s.t.word == 1 && !strcmp(s.t.s, "") && s.t.list.n == 2 &&
        s.t.list.v[1] == -4);
  CHECK(!strcmp(printed(&s, 0), ""));
  CHECK(!strcmp(printed(&s, 1), "one=7, four=[1,1,1,1], x=1e-05, lim=[-inf,inf], d=99.99, "
                                "on=false, word=bottom-right, chosen=\"\", s=\"\", list=[3,-4]"));
  mc_arena_destroy(s.a);
}

/* What is printed sets the same values again. */
static void round_trip(void) {
  setup s = start(), t = start();
  CHECK(parse(&s, fields,
              "one=-9223372036854775808 four=[1,2,3,4],x=0.1 lim=[-0.0 6] d=-inf,on word=left "
              "s=a/b*c.npz chosen=small list=[]"));
  const char *text = printed(&s, 0);
  CHECK(!strcmp(text, "one=-9223372036854775808, four=[1,2,3,4], x=0.1, lim=[-0.0,6.0], d=-inf, "
                      "on=true, word=left, chosen=\"small\", s=\"a/b*c.npz\", list=[]"));
  CHECK(parse(&t, fields, text));
  CHECK(mc_field_equal(fields, &s.t, &t.t));
  CHECK(parse(&t, fields, "one=1") && !mc_field_equal(fields, &s.t, &t.t));
  CHECK(parse(&t, fields, "four=5 s=\"q\\\"\\\\\\n\\x41\" x=nan") && t.t.four[0] == 5 &&
        t.t.four[3] == 5 && !strcmp(t.t.s, "q\"\\\nA") && isnan(t.t.x));
  CHECK(parse(&s, fields, " , ") && parse(&s, fields, "s=12 on=false") && !strcmp(s.t.s, "12"));
  mc_arena_destroy(s.a);
  mc_arena_destroy(t.a);
}

static const struct {
  const char *text, *error;
} bad[] = {
  { "four=[1,2,3]", "option 'four' of some-pass expects 4 integers, got 3" },
  { "one=1.5", "option 'one' of some-pass expects an integer, got a number" },
  { "one=99999999999999999999", "option 'one' of some-pass expects an integer, got a number" },
  { "one=many", "option 'one' of some-pass expects an integer, got 'many'" },
  { "one=[1]", "option 'one' of some-pass expects an integer, got a list" },
  { "one", "option 'one' of some-pass needs a value (one=...)" },
  { "one=1 one=2", "option 'one' of some-pass is given twice" },
  { "x=1e39", "option 'x' of some-pass is out of the range of f32" },
  { "x=\"1\"", "option 'x' of some-pass expects a number, got a string" },
  { "on=1", "option 'on' of some-pass expects true or false, got an integer" },
  { "chosen=slow", "option 'chosen' of some-pass expects one of fast, small; got 'slow'" },
  { "word=right", "option 'word' of some-pass expects one of left, bottom-right; got 'right'" },
  { "list=[1,x]", "option 'list' of some-pass expects a list of integers, element 1 is a word" },
  { "list=3", "option 'list' of some-pass expects a list of integers, got an integer" },
  { "fuor=1", "some-pass has no option 'fuor'; did you mean 'four'?" },
  { "quite_else=1", "some-pass has no option 'quite_else'" },
  { "list=[1,2", "list without ']'" },
  { "s=\"abc", "string without an end" },
  { "s=\"a\\q\"", "bad escape in a string" },
  { "s=\"a\\x00\"", "bad escape in a string" },
  { "one=", "expected a value" },
  { "=3", "expected the name of an option" },
};

static void bad_text(void) {
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    setup s = start();
    bool refused = !parse(&s, fields, bad[i].text);
    CHECK(refused && s.d.errors == 1);
    if (!s.d.list.n || strcmp(s.d.list.v[0].text, bad[i].error))
      fprintf(stderr, "'%s' gave '%s'\n", bad[i].text, s.d.list.n ? s.d.list.v[0].text : ""),
          CHECK_FAIL("text");
    mc_arena_destroy(s.a);
  }
  setup s = start();
  CHECK(!parse(&s, needed, "one=2") &&
        !strcmp(s.d.list.v[0].text, "option 'must' of some-pass must be given"));
  CHECK(parse(&s, needed, "must=2"));
  mc_arena_destroy(s.a);
}

static void attributes(void) {
  setup s = start();
  mc_fvalue three[3] = { { .kind = MC_V_INT, .i = 1, .d = 1 },
                         { .kind = MC_V_INT, .i = 2, .d = 2 },
                         { .kind = MC_V_INT, .i = 3, .d = 3 } },
            list = { .kind = MC_V_LIST, .list = three, .n = 3 };
  CHECK(!mc_field_set(mc_field_find(fields, "four"), &s.t, &list, s.a, &s.d, NULL, NULL) &&
        !strcmp(s.d.list.v[0].text, "attribute 'four' expects 4 integers, got 3"));
  /* Through double this number would round to the wrong float. */
  mc_fvalue num = { .kind = MC_V_NUM, .s = "1.00000005960464477540", .d = 1.0000000596046448 };
  CHECK(mc_field_set(mc_field_find(fields, "x"), &s.t, &num, s.a, &s.d, NULL, NULL) &&
        s.t.x == 1.00000011920928955f);
  mc_fvalue big = { .kind = MC_V_NUM, .d = 1e300 };
  CHECK(!mc_field_set(mc_field_find(fields, "x"), &s.t, &big, s.a, &s.d, NULL, NULL));
  mc_arena_destroy(s.a);
}

int main(void) {
  defaults();
  round_trip();
  bad_text();
  attributes();
  return CHECK_DONE();
}
