/* Checks of the command line, before anything runs. */
#include "mc/support/suggest.h"
#include "search.h"
#include "mc/support/clock.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GOAL_ACCURACY = NUM_COSTS };

static const char *const technique_names[] = {
  "prune", "lowrank", "compress", "prune+lowrank", "lowrank+prune", "none", NULL
};

static bool check_words(search *s, const char *option, const mc_strlist *l,
                        const char *const *words) {
  bool ok = true;
  for (size_t i = 0; i < l->n; i++) {
    bool known = false;
    for (int k = 0; words[k]; k++) known |= mc_same_word(words[k], l->v[i]);
    const char *near = mc_suggest(l->v[i], words);
    if (!known)
      ok = mc_error(&s->t.diag, mc_noloc, "--%s=%s: unknown%s%s%s", option, l->v[i],
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  }
  return ok;
}

/* "90s", "30m", "1h"; a plain number are seconds. */
static bool read_time(search *s) {
  char *rest;
  double v = s->time_limit ? strtod(s->time_limit, &rest) : 0;
  if (!s->time_limit) return true;
  double unit = !*rest || !strcmp(rest, "s") ? 1
                : !strcmp(rest, "m")         ? 60
                : !strcmp(rest, "h")         ? 3600
                                             : 0;
  if (!(v > 0) || !isfinite(v) || unit == 0)
    return mc_error(&s->t.diag, mc_noloc,
                    "--time-limit=%s: a time such as 90s, 30m or 1h is wanted", s->time_limit);
  s->deadline = mc_seconds() + v * unit;
  return true;
}

static void split(search *s, mc_strlist *l) {
  mc_strlist out = { 0 };
  for (size_t i = 0; i < l->n; i++)
    for (const char *p = l->v[i]; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
      MC_PUSH(s->t.arena, &out, mc_arena_strndup(s->t.arena, p, strcspn(p, ",")));
  *l = out;
}

static bool writable(search *s, const char *path) {
  if (!path || !strcmp(path, "-")) return true;
  const char *slash = strrchr(path, '/');
  const char *dir =
      !slash ? "." : mc_arena_strndup(s->t.arena, path, slash == path ? 1 : (size_t)(slash - path));
  if (access(dir, W_OK) == 0) return true;
  return mc_error(&s->t.diag, mc_noloc,
                  "cannot write '%s': its folder is not there, or not writable", path);
}

static bool check_files(search *s) {
  const char *in[] = { s->t.args.v[0], s->data, s->eval }, *out[] = { s->out, s->report, s->json };
  if (!s->data)
    return mc_error(&s->t.diag, mc_noloc,
                    "--data=FILE.npz is missing: samples without labels, for "
                    "the passes");
  if (!s->eval)
    return mc_error(&s->t.diag, mc_noloc,
                    "--eval=FILE.npz is missing: samples by which candidates "
                    "are judged, others than those of --data");
  if (!strcmp(s->out, "-")) return mc_error(&s->t.diag, mc_noloc, "-o: a file is wanted");
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++)
      if (out[i] && *out[i] && !tool_keeps(&s->t, in[k], out[i])) return false;
  return writable(s, s->out) && writable(s, s->report) &&
         writable(s, s->json && *s->json ? s->json : NULL);
}

bool check_usage(search *s) {
  split(s, &s->techniques);
  split(s, &s->precisions);
  if (!(s->seconds_each > 0) || s->seconds_each > 600)
    return mc_error(&s->t.diag, mc_noloc, "--seconds must be above 0 and at most 600");
  if (s->runner && (s->jobs || s->sshlogin || s->joblog))
    return mc_error(&s->t.diag, mc_noloc,
                    "--runner takes the place of parallel: it excludes --jobs, "
                    "--sshlogin and --joblog");
  if (s->latency && tool_given(&s->t, "seconds"))
    mc_warning(&s->t.diag, mc_noloc, "-seconds has no effect: nothing is measured");
  if (!s->metric && s->stride)
    mc_warning(&s->t.diag, mc_noloc, "-stride has no effect: it is for -metric=auc");
  if (s->goal < 0) s->goal = s->min.text ? COST_LATENCY : GOAL_ACCURACY;
  return check_files(s) && limits_read(s) && read_time(s) &&
         check_words(s, "techniques", &s->techniques, technique_names) &&
         check_words(s, "precisions", &s->precisions, precision_names);
}
