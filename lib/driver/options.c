#include "mc/driver/options.h"
#include "mc/support/suggest.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#ifndef MCC_VERSION
#define MCC_VERSION "0.1.0"
#endif
const char *mc_version(void) { return MCC_VERSION; }

typedef struct parser {
  const mc_command *cmd;
  mc_strbuf *out;
  mc_arena *arena;
} parser;

static int usage_error(parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int usage_error(parser *p, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  mc_sb_printf(p->out, "%s: error: ", p->cmd->name);
  mc_sb_vprintf(p->out, fmt, ap);
  mc_sb_printf(p->out, "\nusage: %s %s\n('%s --help' explains)\n", p->cmd->name, p->cmd->usage,
               p->cmd->name);
  va_end(ap);
  return MC_EXIT_USAGE;
}

/* ---- help ---- */
static void help_option(mc_strbuf *out, const mc_option *o) {
  mc_strbuf head = { 0 };
  mc_sb_printf(&head, "  -%s", o->name);
  if (o->kind == MC_O_OPTIONAL)
    mc_sb_printf(&head, "[=%s]", o->arg);
  else if (o->kind == MC_O_JOINED)
    mc_sb_puts(&head, o->arg ? o->arg : "");
  else if (o->arg)
    mc_sb_printf(&head, "=%s", o->arg);
  mc_sb_printf(out, head.n < 30 ? "%-30s" : "%s\n                              ", mc_sb_str(&head));
  mc_sb_puts(out, o->help);
  for (int i = 0; o->words && o->words[i]; i++)
    mc_sb_printf(out, "%s%s", i ? ", " : ": ", o->words[i]);
  mc_sb_putc(out, '\n');
  mc_sb_free(&head);
}

void mc_options_help(mc_strbuf *out, const mc_command *c) {
  mc_sb_printf(out,
               "%s - %s\n\nusage: %s %s\n\noptions (-x and --x are the same; a value follows '=' "
               "or is the next word):\n",
               c->name, c->summary, c->name, c->usage);
  for (const mc_option *o = c->options; o->name; o++) help_option(out, o);
  mc_sb_puts(
      out,
      "  -help                       this text\n  -version                    version number\n");
  if (c->example) {
    mc_sb_puts(out, "\nexamples:\n");
    for (const char *s = c->example; *s;) {
      size_t n = strcspn(s, "\n");
      mc_sb_printf(out, "  %.*s\n", (int)n, s);
      s += n + (s[n] == '\n');
    }
  }
  if (c->epilog) mc_sb_printf(out, "\n%s\n", c->epilog);
  mc_sb_puts(out, "\nexit codes: 0 ok, 1 the input is wrong, 2 usage, 70 our bug\n");
}

/* ---- values ---- */
static int set_integer(parser *p, const mc_option *o, const char *v) {
  char *end;
  errno = 0;
  long long x = strtoll(v, &end, 0);
  if (end == v || *end || errno == ERANGE)
    return usage_error(p, "option '-%s' expects an integer, got '%s'", o->name, v);
  if ((o->lo || o->hi) && (x < o->lo || x > o->hi))
    return usage_error(p, "option '-%s' expects a number from %lld to %lld, got %lld", o->name,
                       (long long)o->lo, (long long)o->hi, x);
  if (o->kind == MC_O_INT)
    *(int *)o->to = (int)x;
  else
    *(int64_t *)o->to = x;
  return -1;
}

static int set_f64(parser *p, const mc_option *o, const char *v) {
  char *end;
  double x = strtod(v, &end);
  if (end == v || *end || !isfinite(x))
    return usage_error(p, "option '-%s' expects a finite number, got '%s'", o->name, v);
  *(double *)o->to = x;
  return -1;
}

static int find_word(parser *p, const mc_option *o, const char *v, int *at) {
  for (int i = 0; o->words[i]; i++)
    if (mc_same_word(o->words[i], v)) {
      *at = i;
      return -1;
    }
  mc_strbuf all = { 0 };
  for (int i = 0; o->words[i]; i++) mc_sb_printf(&all, "%s%s", i ? ", " : "", o->words[i]);
  const char *near = mc_suggest(v, o->words);
  int rc =
      usage_error(p, "option '-%s' expects one of %s; got '%s'%s%s%s", o->name, mc_sb_str(&all), v,
                  near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
  mc_sb_free(&all);
  return rc;
}

static int set_flag(parser *p, const mc_option *o, const char *v, bool *to) {
  *to = !v || mc_same_word(v, "true");
  if (*to || mc_same_word(v, "false")) return -1;
  return usage_error(p, "option '-%s' takes no value but true or false, got '%s'", o->name, v);
}

static int join(parser *p, const char **to, const char *v) {
  *to = *to ? mc_arena_printf(p->arena, "%s,%s", *to, v) : v;
  return -1;
}

static int set_add(parser *p, const mc_option *o, const char *v) {
  bool on;
  int rc = set_flag(p, o, v, &on);
  return rc < 0 && on ? join(p, o->to, o->text) : rc;
}

/* Text; one of a list is stored as the table spells it. */
static int set_text(parser *p, const mc_option *o, const char *v) {
  int at = 0, rc = o->words ? find_word(p, o, v, &at) : -1;
  if (rc < 0) *(const char **)o->to = o->words ? o->words[at] : v;
  return rc;
}

static int set_value(parser *p, const mc_option *o, const char *v) {
  if (p->cmd->given) MC_PUSH(p->arena, p->cmd->given, o->name);
  switch (o->kind) {
  case MC_O_FLAG: return set_flag(p, o, v, o->to);
  case MC_O_STR: return set_text(p, o, v);
  case MC_O_LIST: MC_PUSH(p->arena, (mc_strlist *)o->to, v); return -1;
  case MC_O_OPTIONAL: *(const char **)o->to = v ? v : ""; return -1;
  case MC_O_JOIN: return join(p, o->to, v);
  case MC_O_ADD: return set_add(p, o, v);
  case MC_O_I64:
  case MC_O_INT: return set_integer(p, o, v);
  case MC_O_F64: return set_f64(p, o, v);
  case MC_O_WORD: return find_word(p, o, v, o->to);
  case MC_O_JOINED: return set_text(p, o, v);
  }
  return MC_EXIT_BUG;
}

/* ---- the command line ---- */
static const mc_option *find_exact(const mc_command *c, const char *name, size_t n) {
  for (const mc_option *o = c->options; o->name; o++)
    if (strlen(o->name) == n && !memcmp(o->name, name, n)) return o;
  return NULL;
}

static const mc_option *find_joined(const mc_command *c, const char *word) {
  for (const mc_option *o = c->options; o->name; o++)
    if (o->kind == MC_O_JOINED && !strncmp(o->name, word, strlen(o->name))) return o;
  return NULL;
}

/* "-o3" where there is -O3. */
static const char *joined_word(const parser *p, const char *word) {
  for (const mc_option *o = p->cmd->options; o->name; o++) {
    size_t n = strlen(o->name);
    if (o->kind != MC_O_JOINED || !o->words || strncasecmp(o->name, word, n)) continue;
    for (int i = 0; o->words[i]; i++)
      if (mc_same_word(o->words[i], word + n))
        return mc_arena_printf(p->arena, "%s%s", o->name, o->words[i]);
  }
  return NULL;
}

static int unknown_option(parser *p, const char *name, size_t n) {
  char *word = mc_arena_strndup(p->arena, name, n);
  const char *joined = joined_word(p, word);
  if (joined) return usage_error(p, "unknown option '-%s' (did you mean '-%s'?)", word, joined);
  const char *near = mc_suggest_better(word, mc_suggest_better(word, NULL, "help"), "version");
  for (const mc_option *o = p->cmd->options; o->name; o++)
    near = mc_suggest_better(word, near, o->name);
  return near ? usage_error(p, "unknown option '-%s' (did you mean '-%s'?)", word, near)
              : usage_error(p, "unknown option '-%s'", word);
}

static int help_or_version(parser *p, const char *name) {
  if (!strcmp(name, "help") || !strcmp(name, "h")) {
    mc_options_help(p->out, p->cmd);
    return MC_EXIT_OK;
  }
  if (!strcmp(name, "version")) {
    mc_sb_printf(p->out, "%s (mcc) %s\n", p->cmd->name, mc_version());
    return MC_EXIT_OK;
  }
  return -1;
}

/* One option at argv[*i], which starts with a dash; steps over a value that is the next word. */
static int take_option(parser *p, int argc, char **argv, int *i) {
  const char *name = argv[*i] + 1;
  if (*name == '-') name++;
  size_t n = strcspn(name, "=");
  const char *value = name[n] ? name + n + 1 : NULL;
  const mc_option *o = find_exact(p->cmd, name, n);
  if (!o && !value) {
    int rc = help_or_version(p, name);
    if (rc >= 0) return rc;
  }
  if (!o && (o = find_joined(p->cmd, name)) != NULL) return set_value(p, o, name + strlen(o->name));
  if (!o) return unknown_option(p, name, n);
  if (!value && o->kind != MC_O_FLAG && o->kind != MC_O_ADD && o->kind != MC_O_OPTIONAL) {
    if (o->kind == MC_O_JOINED)
      value = "";
    else if (*i + 1 >= argc)
      return usage_error(p, "option '-%s' needs a value (%s)", o->name, o->arg ? o->arg : "VALUE");
    else
      value = argv[++*i];
  }
  return set_value(p, o, value);
}

bool mc_options_given(const mc_strlist *given, const char *name) {
  for (size_t i = 0; i < given->n; i++)
    if (!strcmp(given->v[i], name)) return true;
  return false;
}

static int check_count(parser *p, size_t n) {
  const mc_command *c = p->cmd;
  bool alone = c->alone && c->given && mc_options_given(c->given, c->alone);
  if (n < (size_t)c->min_args && !alone)
    return usage_error(p, c->min_args == 1 ? "a file is missing" : "%d files are missing",
                       c->min_args - (int)n);
  if (c->max_args >= 0 && n > (size_t)c->max_args)
    return usage_error(p, "%zu file arguments, but at most %d can be used", n, c->max_args);
  return -1;
}

int mc_options_parse(const mc_command *c, int argc, char **argv, mc_strlist *args, mc_strbuf *out,
                     mc_arena *a) {
  parser p = { c, out, a };
  bool options = true;
  for (int i = 1; i < argc; i++) {
    const char *w = argv[i];
    if (options && !strcmp(w, "--")) {
      options = false;
      continue;
    }
    if (!options || w[0] != '-' || !w[1]) {
      MC_PUSH(a, args, w);
      continue;
    }
    int rc = take_option(&p, argc, argv, &i);
    if (rc >= 0) return rc;
  }
  return check_count(&p, args->n);
}
