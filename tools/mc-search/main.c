/* mc-search: the compression that meets the limits (docs/guide/search.md). */
#include "mc/pass/pass.h"
#include "search.h"

static const char *const metrics[] = { "top", "auc", NULL };
static const char *const latencies[] = { "measured", "model", NULL };
static const char *const goals[] = { "latency", "bytes", "arena", "macs", "accuracy", NULL };

static int run(search *s) {
  if (!check_usage(s)) return MC_EXIT_USAGE;
  mc_map_init(&s->by_key, s->t.arena);
  mc_map_init(&s->shapes, s->t.arena);
  bool ok = setup(s) && journal_open(s);
  if (ok) plan_original(s);
  ok = ok && script_write(s) && go(s) && settle(s) && finish(s);
  journal_close(s);
  if (s->module) {
    tool_drop_remarks(&s->t);
    tool_flush(&s->t);
    mc_module_destroy(s->module);
  }
  return ok ? MC_EXIT_OK : MC_EXIT_INPUT;
}

int main(int argc, char **argv) {
  search s = {
    .out = "best.mir", .march = "native", .rounds = 5, .seconds_each = 1, .goal = -1, .journal = -1
  };
  const mc_option options[] = {
    { "data", MC_O_STR, &s.data, .arg = "DATA",
      .help = "samples without labels, for the passes and for INT8's ranges" },
    { "eval", MC_O_STR, &s.eval, .arg = "DATA",
      .help = "other samples, by which candidates are judged: with labels by accuracy, else by "
              "agreement with the original" },
    { "max-latency", MC_O_STR, &s.max[COST_LATENCY].text, .arg = "LIMIT",
      .help = "of a run: a share of the original's (0.5, 50%) or a time (0.8ms, 120us)" },
    { "max-bytes", MC_O_STR, &s.max[COST_BYTES].text, .arg = "LIMIT",
      .help = "of code and constants: a share, or 64KB, 1MB, 64KiB, 20000" },
    { "max-arena", MC_O_STR, &s.max[COST_ARENA].text, .arg = "LIMIT",
      .help = "of working memory: a share, or bytes" },
    { "max-macs", MC_O_STR, &s.max[COST_MACS].text, .arg = "LIMIT",
      .help = "multiply-accumulates: a share, or 5M, 900k" },
    { "min-accuracy", MC_O_STR, &s.min.text, .arg = "LIMIT",
      .help = "a share of the original's (0.99), points (82.5pt), or points below the original's "
              "(-0.5pt)" },
    { "goal", MC_O_WORD, &s.goal, .arg = "WHAT",
      .help = "what is best within the limits; default: latency with --min-accuracy, else accuracy",
      .words = goals },
    { "o", MC_O_STR, &s.out, .arg = "FILE.mir", .help = "the chosen network; default: best.mir" },
    { "report", MC_O_STR, &s.report, .arg = "FILE.html",
      .help = "a page with the Pareto front, layers, histograms and graphs" },
    { "json", MC_O_OPTIONAL, &s.json, .arg = "FILE",
      .help = "the result as JSON (docs/reference/tools.md), to the file or instead of text to "
              "standard output" },
    { "march", MC_O_STR, &s.march, .arg = "LEVEL",
      .help = "level to compile for; default: native" },
    { "target", MC_O_STR, &s.arch, .arg = "ARCH",
      .help = "x86_64 or aarch64; default: that of -march" },
    { "work", MC_O_STR, &s.work, .arg = "FOLDER",
      .help = "journal and objects; a search with the same folder goes on; default: the output's "
              "name with .search" },
    { "jobs", MC_O_I64, &s.jobs, .arg = "N",
      .help =
          "candidates at a time, by GNU parallel; default: the CPUs there are; 1: without parallel",
      .lo = 1, .hi = 4096 },
    { "sshlogin", MC_O_STR, &s.sshlogin, .arg = "HOSTS",
      .help = "of parallel: other machines, which see the same folders" },
    { "joblog", MC_O_STR, &s.joblog, .arg = "FILE", .help = "of parallel: a log of the jobs" },
    { "runner", MC_O_STR, &s.runner, .arg = "COMMAND",
      .help =
          "instead of parallel: gets command lines on standard input and gives what they print" },
    { "rounds", MC_O_I64, &s.rounds, .arg = "N", .help = "rounds of refinement at most; default: 5",
      .lo = 0, .hi = 100 },
    { "time-limit", MC_O_STR, &s.time_limit, .arg = "TIME",
      .help = "begin no candidate later: 90s, 30m, 1h" },
    { "techniques", MC_O_LIST, &s.techniques, .arg = "LIST",
      .help = "of prune, lowrank, compress, prune+lowrank, lowrank+prune, ',' between, or none: "
              "precisions alone; default: all" },
    { "precisions", MC_O_LIST, &s.precisions, .arg = "LIST",
      .help = "of fp32, bf16, int8, mixed, ',' between; default: all; fp32 is always there" },
    { "calib-method", MC_O_STR, &s.calib_method, .arg = "METHOD",
      .help = "how INT8's ranges come from samples", .words = mc_names_calib },
    { "latency", MC_O_WORD, &s.latency, .arg = "HOW",
      .help = "measured on this machine, or the cost model's", .words = latencies },
    { "seconds", MC_O_F64, &s.seconds_each, .arg = "S",
      .help = "how long to measure each object; default: 1" },
    { "limit", MC_O_I64, &s.samples, .arg = "N", .help = "only the first N samples of --eval",
      .lo = 1, .hi = INT64_MAX / 2 },
    { "x", MC_O_STR, &s.x, .arg = "NAME", .help = "array of the samples in --eval" },
    { "y", MC_O_STR, &s.y, .arg = "NAME", .help = "array of the labels in --eval" },
    { "metric", MC_O_WORD, &s.metric, .arg = "METRIC", .help = "as in mc-eval", .words = metrics },
    { "stride", MC_O_I64, &s.stride, .arg = "N", .help = "as in mc-eval, for auc", .lo = 1,
      .hi = INT32_MAX },
    MC_IMAGE_OPTIONS(s.images, ""),
    { 0 }
  };
  const mc_command cmd = {
    .name = "mc-search",
    .usage = "[options] NET.mir --data=FILE.npz --eval=FILE.npz",
    .summary = "find the pruning, low rank and precision that meet limits",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .example = "mc-search net.mir --data=calib.npz --eval=val.npz --max-latency=0.5 -march=native "
               "-o best.mir --report=search.html\n"
               "mc-search net.mir --data=calib.npz --eval=val.npz --min-accuracy=0.99 -o best.mir"
  };
  int rc = tool_start(&s.t, &cmd, argc, argv);
  if (rc >= 0) return rc;
  rc = run(&s);
  return tool_end(&s.t, rc);
}
