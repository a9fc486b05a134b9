/* mc-search: the compression that meets the limits (docs/guide/search.md). */
#include "search.h"
#include "mc/pass/pass.h"
#include "mc/support/blob.h"
#include "mc/support/suggest.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { GOAL_ACCURACY = NUM_COSTS };
static const char *const metrics[] = { "top", "auc", NULL };
static const char *const latencies[] = { "measured", "model", NULL };
static const char *const goals[] = { "latency", "bytes", "arena", "macs", "accuracy", NULL };
static const char *const technique_names[] = { "prune",         "lowrank",       "compress",
                                               "prune+lowrank", "lowrank+prune", "none", NULL };

/* ---- rounds ---- */
static bool finished(search *s) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return s->late || (s->deadline > 0 && (double)t.tv_sec >= s->deadline);
}

/* The original in fp32 comes first: the others are compared with its outputs. */
static bool run_original(search *s) {
  const shape *h = shape_get(s, "original", "", 1, "");
  candidate *o = s->original = candidate_get(s, h, P_FP32, NULL, NULL);
  bool outputs = !*s->expect || access(s->expect, R_OK) == 0;
  o->asked |= !outputs;
  if (!run_round(s, "the original")) return false;
  if (!o->failed) return true;
  return mc_error(&s->t.diag, mc_noloc, "the original does not run: %s", o->said);
}

static bool round_of(search *s, const char *what) {
  if (!run_round(s, what) || !measure_latency(s)) return false;
  tidy(s);
  return true;
}

static bool go(search *s) {
  if (!run_original(s)) return false;
  if (!s->latency && !(s->original->ms > 0) && !measure_one(s, s->original)) return false;
  plan_originals(s);
  plan_probes(s);
  if (!round_of(s, "precisions and layers")) return false;
  plan_grid(s);
  if (!round_of(s, "grid")) return false;
  for (int64_t i = 0; i < s->rounds && !finished(s); i++) {
    plan_skips(s);
    bool more = plan_refine(s);
    const char *what = mc_arena_printf(s->t.arena, "refinement %lld", (long long)i + 1);
    if (!round_of(s, what)) return false;
    if (!more) break;
  }
  return true;
}

/* The answer has a measured latency. */
static bool settle(search *s) {
  for (choose(s); s->best && !s->latency && !(s->best->ms > 0); choose(s))
    if (!measure_one(s, s->best)) return false;
  return true;
}

/* ---- the end ---- */
/* What comes nearest, where nothing meets the limits. */
static void say_nothing_meets(search *s) {
  const candidate *near = NULL;
  double least = INFINITY;
  for (size_t i = 0; i < s->all.n; i++) {
    const candidate *c = s->all.v[i];
    double over = counts(c) ? fmax(limit_accuracy(s) / c->accuracy, 0) : INFINITY;
    for (int k = 0; k < NUM_COSTS && counts(c); k++)
      over = fmax(over, cost_of(s, c, (cost)k) / limit_of(s, (cost)k));
    if (over < least) least = over, near = c;
  }
  mc_error(&s->t.diag, mc_noloc, "no candidate meets the limits; %s is not written", s->out);
  if (near)
    mc_note(&s->t.diag, mc_noloc,
            "the nearest is beyond a limit by %.3g %%: accuracy %.2f, %.4g ms, %.0f bytes, arena %.0f, "
            "%.0f MACs: %s, %s",
            100 * (least - 1), 100 * near->accuracy, latency_ms(s, near), near->cost[COST_BYTES],
            near->cost[COST_ARENA], near->cost[COST_MACS],
            *near->shape->passes ? near->shape->passes : "original",
            precision_names[near->precision]);
}

static void say_failed(search *s) {
  size_t n = 0;
  const candidate *first = NULL;
  for (size_t i = 0; i < s->all.n; i++)
    if (s->all.v[i]->failed && !n++) first = s->all.v[i];
  if (!n) return;
  mc_warning(&s->t.diag, mc_noloc, "%zu candidates failed; the first: %s", n,
             candidate_pipeline(s, first));
  mc_note(&s->t.diag, mc_noloc, "%.600s", first->said);
}

static bool show(search *s) {
  mc_strbuf out = { 0 };
  bool json_only = s->json && !*s->json, ok = true;
  print_table(&out, s);
  if (s->best) mc_sb_printf(&out, "%s\n", replay_command(s, s->best));
  if (!json_only) tool_print(mc_sb_str(&out), out.n);
  mc_sb_free(&out);
  if (s->json) {
    json_t *j = json_report(s);
    char *text = json_dumps(j, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    json_decref(j);
    if (!text) return mc_error(&s->t.diag, mc_noloc, "--json: a name is not UTF-8, which JSON needs");
    const char *line = mc_arena_printf(s->t.arena, "%s\n", text);
    free(text);
    ok = mc_write_file(*s->json ? s->json : "-", line, strlen(line), &s->t.diag);
  }
  return ok;
}

static bool end(search *s) {
  if (s->late)
    mc_warning(&s->t.diag, mc_noloc, "--time-limit=%s ended the search before all was tried; the "
                                     "same command goes on", s->time_limit);
  say_failed(s);
  if (!s->best) say_nothing_meets(s);
  return (!s->best || write_best(s)) && report_write(s) && show(s);
}

/* ---- command line ---- */
static bool check_words(search *s, const char *option, const mc_strlist *l, const char *const *words) {
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
  struct timespec t;
  if (!s->time_limit) return true;
  double unit = !*rest || !strcmp(rest, "s") ? 1 : !strcmp(rest, "m") ? 60 : !strcmp(rest, "h") ? 3600 : 0;
  if (!(v > 0) || !isfinite(v) || unit == 0)
    return mc_error(&s->t.diag, mc_noloc, "--time-limit=%s: a time such as 90s, 30m or 1h is wanted",
                    s->time_limit);
  clock_gettime(CLOCK_MONOTONIC, &t);
  s->deadline = (double)t.tv_sec + v * unit;
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
  const char *dir = !slash ? "." : mc_arena_strndup(s->t.arena, path, slash == path ? 1 : (size_t)(slash - path));
  if (access(dir, W_OK) == 0) return true;
  return mc_error(&s->t.diag, mc_noloc, "cannot write '%s': its folder is not there, or not writable",
                  path);
}

static bool check_files(search *s) {
  const char *in[] = { s->t.args.v[0], s->data, s->eval }, *out[] = { s->out, s->report, s->json };
  if (!s->data)
    return mc_error(&s->t.diag, mc_noloc, "--data=FILE.npz is missing: samples without labels, for "
                                          "the passes");
  if (!s->eval)
    return mc_error(&s->t.diag, mc_noloc, "--eval=FILE.npz is missing: samples by which candidates "
                                          "are judged, others than those of --data");
  if (!strcmp(s->out, "-")) return mc_error(&s->t.diag, mc_noloc, "-o: a file is wanted");
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++)
      if (out[i] && *out[i] && !tool_keeps(&s->t, in[k], out[i])) return false;
  return writable(s, s->out) && writable(s, s->report) &&
         writable(s, s->json && *s->json ? s->json : NULL);
}

static bool check_usage(search *s) {
  split(s, &s->techniques);
  split(s, &s->precisions);
  if (!(s->seconds_each > 0) || s->seconds_each > 600)
    return mc_error(&s->t.diag, mc_noloc, "--seconds must be above 0 and at most 600");
  if (s->runner && (s->jobs || s->sshlogin || s->joblog))
    return mc_error(&s->t.diag, mc_noloc, "--runner takes the place of parallel: it excludes --jobs, "
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

static int run(search *s) {
  if (!check_usage(s)) return MC_EXIT_USAGE;
  mc_map_init(&s->by_key, s->t.arena);
  mc_map_init(&s->shapes, s->t.arena);
  bool ok = setup(s) && journal_open(s) && script_write(s) && go(s) && settle(s) && end(s);
  if (s->module) {
    tool_drop_remarks(&s->t);
    tool_flush(&s->t);
    mc_module_destroy(s->module);
  }
  return ok ? MC_EXIT_OK : MC_EXIT_INPUT;
}

static const char *calib_words(int method) { return method >= 0 ? mc_names_calib[method] : NULL; }

int main(int argc, char **argv) {
  search s = { .out = "best.mir", .march = "native", .rounds = 5, .seconds_each = 1, .goal = -1 };
  int method = -1;
  const mc_option options[] = {
    { "data", MC_O_STR, &s.data, .arg = "DATA", .help = "samples without labels, for the passes and for INT8's ranges" },
    { "eval", MC_O_STR, &s.eval, .arg = "DATA", .help = "other samples, by which candidates are judged: with labels by accuracy, else by agreement with the original" },
    { "max-latency", MC_O_STR, &s.max[COST_LATENCY].text, .arg = "LIMIT", .help = "of a run: a share of the original's (0.5, 50%) or a time (0.8ms, 120us)" },
    { "max-bytes", MC_O_STR, &s.max[COST_BYTES].text, .arg = "LIMIT", .help = "of code and constants: a share, or 64KB, 1MB, 64KiB, 20000" },
    { "max-arena", MC_O_STR, &s.max[COST_ARENA].text, .arg = "LIMIT", .help = "of working memory: a share, or bytes" },
    { "max-macs", MC_O_STR, &s.max[COST_MACS].text, .arg = "LIMIT", .help = "multiply-accumulates: a share, or 5M, 900k" },
    { "min-accuracy", MC_O_STR, &s.min.text, .arg = "LIMIT", .help = "a share of the original's (0.99), points (82.5pt), or points below the original's (-0.5pt)" },
    { "goal", MC_O_WORD, &s.goal, .arg = "WHAT", .help = "what is best within the limits; default: latency with --min-accuracy, else accuracy", .words = goals },
    { "o", MC_O_STR, &s.out, .arg = "FILE.mir", .help = "the chosen network; default: best.mir" },
    { "report", MC_O_STR, &s.report, .arg = "FILE.html", .help = "a page with the Pareto front, layers, histograms and graphs" },
    { "json", MC_O_OPTIONAL, &s.json, .arg = "FILE", .help = "the result as JSON (docs/tools.md), to the file or instead of text to standard output" },
    { "march", MC_O_STR, &s.march, .arg = "LEVEL", .help = "level to compile for; default: native" },
    { "target", MC_O_STR, &s.arch, .arg = "ARCH", .help = "x86_64 or aarch64; default: that of -march" },
    { "work", MC_O_STR, &s.work, .arg = "FOLDER", .help = "journal and objects; a search with the same folder goes on; default: the output's name with .search" },
    { "jobs", MC_O_I64, &s.jobs, .arg = "N", .help = "candidates at a time, by GNU parallel; default: the CPUs there are; 1: without parallel", .lo = 1, .hi = 4096 },
    { "sshlogin", MC_O_STR, &s.sshlogin, .arg = "HOSTS", .help = "of parallel: other machines, which see the same folders" },
    { "joblog", MC_O_STR, &s.joblog, .arg = "FILE", .help = "of parallel: a log of the jobs" },
    { "runner", MC_O_STR, &s.runner, .arg = "COMMAND", .help = "instead of parallel: gets command lines on standard input and gives what they print" },
    { "rounds", MC_O_I64, &s.rounds, .arg = "N", .help = "rounds of refinement at most; default: 5", .lo = 0, .hi = 100 },
    { "time-limit", MC_O_STR, &s.time_limit, .arg = "TIME", .help = "begin no candidate that would end later: 90s, 30m, 1h" },
    { "techniques", MC_O_LIST, &s.techniques, .arg = "LIST", .help = "of prune, lowrank, compress, prune+lowrank, lowrank+prune, ',' between, or none: precisions alone; default: all" },
    { "precisions", MC_O_LIST, &s.precisions, .arg = "LIST", .help = "of fp32, bf16, int8, mixed, ',' between; default: all; fp32 is always there" },
    { "calib-method", MC_O_WORD, &method, .arg = "METHOD", .help = "how INT8's ranges come from samples", .words = mc_names_calib },
    { "latency", MC_O_WORD, &s.latency, .arg = "HOW", .help = "measured on this machine, or the cost model's", .words = latencies },
    { "seconds", MC_O_F64, &s.seconds_each, .arg = "S", .help = "how long to measure each object; default: 1" },
    { "limit", MC_O_I64, &s.samples, .arg = "N", .help = "only the first N samples of --eval", .lo = 1, .hi = INT64_MAX / 2 },
    { "x", MC_O_STR, &s.x, .arg = "NAME", .help = "array of the samples in --eval" },
    { "y", MC_O_STR, &s.y, .arg = "NAME", .help = "array of the labels in --eval" },
    { "metric", MC_O_WORD, &s.metric, .arg = "METRIC", .help = "as in mc-eval", .words = metrics },
    { "stride", MC_O_I64, &s.stride, .arg = "N", .help = "as in mc-eval, for auc", .lo = 1, .hi = INT32_MAX },
    MC_IMAGE_OPTIONS(s.images, ""),
    { 0 } };
  const mc_command cmd = { .name = "mc-search", .usage = "[options] NET.mir --data=FILE.npz --eval=FILE.npz",
                           .summary = "find the pruning, low rank and precision that meet limits", .options = options,
                           .min_args = 1, .max_args = 1,
                           .example = "mc-search net.mir --data=calib.npz --eval=val.npz --max-latency=0.5 -march=native -o best.mir --report=search.html\n"
                                      "mc-search net.mir --data=calib.npz --eval=val.npz --min-accuracy=0.99 -o best.mir" };
  int rc = tool_start(&s.t, &cmd, argc, argv);
  if (rc >= 0) return rc;
  s.calib_method = calib_words(method);
  rc = run(&s);
  return tool_end(&s.t, rc);
}
