/* mc-search: candidates, the journal, limits and rounds (docs/guide/search.md). */
#ifndef SEARCH_H
#define SEARCH_H
#include "common/tool.h"
#include "mc/driver/compile.h"
#include "mc/driver/importing.h"
#include "mc/support/map.h"
#include <jansson.h>

/* ---- limits ---- */
typedef enum cost { COST_LATENCY, COST_BYTES, COST_ARENA, COST_MACS, NUM_COSTS } cost;

extern const char *const cost_names[]; /* "latency", "bytes", "arena", "macs", NULL */

/* SHARE: of the original's; BELOW: accuracy, points less than the original's. */
typedef enum limit_kind { LIMIT_NONE, LIMIT_SHARE, LIMIT_ABSOLUTE, LIMIT_BELOW } limit_kind;

typedef struct limit {
  const char *text; /* of the command line; NULL: not given */
  limit_kind kind;
  double value; /* ms, bytes, MACs, accuracy 0 ... 1, or a share */
} limit;

/* ---- candidates ---- */
typedef enum precision { P_FP32, P_BF16, P_INT8, P_MIXED, NUM_PRECISIONS } precision;

extern const char *const precision_names[]; /* "fp32", "bf16", "int8", "mixed", NULL */

/* What is removed or split. */
typedef struct shape {
  const char *key, *passes;     /* "": the original */
  const char *technique, *unit; /* "prune", "macs"; "original", "" */
  double budget;                /* of the unit; 1: the original */
} shape;

typedef struct candidate {
  const char *key, *passes; /* passes of the precision */
  const shape *shape;
  precision precision;
  const char *skip, *probe;                 /* layers in fp32; the only layer in INT8; or NULL */
  bool asked, done, failed;                 /* to run; has a result; the tools reported an error */
  double accuracy, agreement, error;        /* 0 ... 1; relative L2 of the output; NAN: not known */
  double cost[NUM_COSTS], weights, seconds; /* latency: the cost model's, in ms */
  double ms, original_ms;                   /* measured; 0: not */
  const char *said;                         /* warnings, or the error; "" */
} candidate;

typedef struct candidates {
  candidate **v;
  size_t n, cap;
} candidates;

typedef struct search {
  tool t;
  const char *in, *out, *report, *json, *work;
  const char *data, *eval, *x, *y, *march, *arch, *calib_method;
  const char *sshlogin, *joblog, *runner, *time_limit;
  mc_strlist techniques, precisions;
  int64_t jobs, samples, rounds, stride;
  double seconds_each;
  int metric, latency, goal; /* words; goal -1: by the limits */
  mc_dataset_opts images;
  bool quiet;
  limit max[NUM_COSTS], min;

  mc_module *module; /* as read */
  const mc_target *target;
  bool labels, runs;                       /* labels in --eval; objects run on this machine */
  const char *cwd, *bin, *script, *expect; /* folders; the candidates' script; original's outputs */
  uint64_t model, context;                 /* hash of the network; of all else but passes */
  const char *front[NUM_PRECISIONS];       /* NULL: not wanted */
  int64_t nsamples;
  double deadline; /* of the monotonic clock; 0: none */
  bool late;       /* the time limit cut a round */

  candidates all;
  mc_map by_key, shapes; /* key -> candidate; passes -> shape */
  candidate *original;   /* fp32 */
  candidate *best;       /* NULL: nothing meets the limits */
  int journal, round;    /* file; number */
  size_t known;          /* results that the journal had */
} search;

/* ---- usage.c, rounds.c, finish.c ---- */
/* The command line. False after reporting. */
bool check_usage(search *s);
/* All rounds. False after reporting. */
bool go(search *s);
/* Choose the best; its latency is a measured one. */
bool settle(search *s);
/* Messages, the table, all files. False after reporting. */
bool finish(search *s);

/* ---- limits.c ---- */
/* Read the texts. False after reporting. */
bool limits_read(search *s);
/* The limit in ms, bytes, MACs or accuracy; needs the original's result. */
double limit_of(const search *s, cost k);
double limit_accuracy(const search *s);
/* Lines that say how each limit was read. */
void limits_print(mc_strbuf *out, const search *s);

/* ---- setup.c ---- */
/* The network, samples, target, tools, passes of the precisions, the work folder. */
bool setup(search *s);
/* Text as one word of the shell. */
void shell_quote(mc_strbuf *out, const char *text);
/* The same, as it is where the shell needs no quotes. */
void shell_word(mc_strbuf *out, const char *text);

/* ---- script.c ---- */
/* Write WORK/candidate.sh. */
bool script_write(search *s);
/* A command line for some candidates of one shape. */
void script_line(mc_strbuf *out, const search *s, const shape *h, candidate *const *c, size_t n);

/* ---- journal.c ---- */
/* Open, lock, read; candidates that come later find their results by key. */
bool journal_open(search *s);
/* Also of a journal that was not opened. */
void journal_close(search *s);
bool journal_result(search *s, const candidate *c);
bool journal_latency(search *s, const candidate *c);
/* Take over what the journal has for c. */
void journal_find(search *s, candidate *c);

/* ---- candidate.c ---- */
const shape *shape_get(search *s, const char *technique, const char *unit, double budget,
                       const char *passes);
/* The candidate of a shape and passes, made where it is new (and then asked for, unless the journal
 * has it). */
candidate *candidate_get(search *s, const shape *h, precision p, const char *skip,
                         const char *probe);
/* The whole text: what mc-opt replays. In the arena. */
const char *candidate_pipeline(search *s, const candidate *c);
/* Fill in from a line that the script printed. NULL after a warning: not such a line. */
candidate *candidate_read(search *s, const char *line);
/* Share of all MACs, ...: for sums over the network's passes. */
bool pass_exists(const char *name);
bool pass_has(const char *name, const char *option);

/* ---- runner.c ---- */
/* Run everything that is asked for, one round. False after reporting. */
bool run_round(search *s, const char *what);
/* Run a program: argv[0] a path. Its standard output and error go to the files (NULL: to ours). 0,
 * its exit code, or -1 after reporting. */
int run_program(search *s, const char *const *argv, const char *out, const char *err);
/* Again, for its object: a candidate whose object is no longer there. */
bool run_again(search *s, candidate *c);

/* ---- latency.c ---- */
/* Measure what could be on the front or the answer and is not measured yet, one at a time. */
bool measure_latency(search *s);
bool measure_one(search *s, candidate *c);
/* Remove objects and shapes that are far from the front: a network may be large. They are made
 * again where they are needed after all. */
void tidy(search *s);
/* Latency in ms, measured or the corrected estimate; share of the original's. */
double latency_ms(const search *s, const candidate *c);
double original_ms(const search *s);
const char *object_path(const search *s, const candidate *c);

/* ---- pareto.c ---- */
double cost_of(const search *s, const candidate *c, cost k);
/* Whether its numbers count: it has a result and is no probe. */
bool counts(const candidate *c);
bool meets(const search *s, const candidate *c);
/* Whether a is better than b, both meeting the limits. */
bool better(const search *s, const candidate *a, const candidate *b);
/* Candidates that no other one beats in accuracy and every cost that matters, fastest first.
 * `slack`: latency may be so much lower than it looks, 0 ... 1. In the arena. */
candidates pareto(search *s, double slack);
/* Sets s->best. */
void choose(search *s);

/* ---- plan.c: what to try ---- */
/* s->original; then it in every precision. */
void plan_original(search *s);
void plan_originals(search *s);
void plan_probes(search *s);
void plan_grid(search *s);
/* New candidates near the limits; false: nothing is left to try. */
bool plan_refine(search *s);
/* skip.c: INT8 with the most sensitive layers in fp32. */
void plan_skips(search *s);
/* Probes that have a result, the most sensitive first. In the arena. */
candidates probes_sorted(search *s);
/* A new shape in every precision that is wanted. */
bool plan_shape(search *s, const char *technique, const char *unit, double budget);

/* ---- output.c ---- */
void print_table(mc_strbuf *out, search *s);
json_t *json_report(search *s);
bool write_best(search *s);
/* "mc-opt ... -o best.mir" */
const char *replay_command(search *s, const candidate *c);

/* ---- report.c ---- */
bool report_write(search *s);
#endif
