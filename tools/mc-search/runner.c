/* Running candidates: GNU parallel, a program of the user's, or the shell, line by line. */
#include "common/progress.h"
#include "mc/support/blob.h"
#include "search.h"
#include "mc/support/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- processes ---- */
typedef struct child {
  pid_t pid;
  const char *in, *out, *err;
  int pipe;
} child;

/* In the child: `in` and `out` are files (NULL: as they are), pipe: where its output goes instead.
 */
static void become(const child *c, const char *const *argv, int to) {
  prctl(PR_SET_PDEATHSIG, SIGTERM); /* nobody is left to take the results */
  int in = open(c->in ? c->in : "/dev/null", O_RDONLY);
  int out = to >= 0 ? to : c->out ? open(c->out, O_WRONLY | O_CREAT | O_TRUNC, 0666) : 1;
  int err = c->err ? open(c->err, O_WRONLY | O_CREAT | O_APPEND, 0666) : 2;
  if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
    _exit(127);
  execvp(argv[0], (char *const *)(uintptr_t)argv);
  _exit(127);
}

static bool start(search *s, child *c, const char *const *argv, bool piped) {
  int p[2] = { -1, -1 };
  if (piped && pipe2(p, O_CLOEXEC))
    return mc_error(&s->t.diag, mc_noloc, "pipe: %s", strerror(errno));
  fflush(NULL);
  c->pid = fork();
  if (c->pid == 0) become(c, argv, p[1]);
  if (p[1] >= 0) close(p[1]);
  c->pipe = p[0];
  return c->pid > 0 ||
         mc_error(&s->t.diag, mc_noloc, "cannot start %s: %s", argv[0], strerror(errno));
}

static int wait_for(child *c) {
  int status = 0;
  while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run_program(search *s, const char *const *argv, const char *out, const char *err) {
  child c = { .out = out, .err = err };
  if (err) unlink(err);
  return start(s, &c, argv, false) ? wait_for(&c) : -1;
}

/* ---- the runner ---- */
static bool in_path(const char *name, mc_arena *a) {
  const char *p = getenv("PATH");
  while (p && *p) {
    size_t n = strcspn(p, ":");
    if (access(mc_arena_printf(a, "%.*s/%s", (int)n, p, name), X_OK) == 0) return true;
    p += n + (p[n] == ':');
  }
  return false;
}

static int64_t cpus(void) {
  cpu_set_t all;
  return sched_getaffinity(0, sizeof all, &all) ? 1 : CPU_COUNT(&all);
}

typedef MC_VEC(const char *) words;

static words runner(search *s) {
  words w = { 0 };
  mc_arena *a = s->t.arena;
  if (s->runner) {
    MC_PUSH(a, &w, "sh");
    MC_PUSH(a, &w, "-c");
    MC_PUSH(a, &w, s->runner);
  } else if (s->jobs != 1 || s->sshlogin || s->joblog) {
    MC_PUSH(a, &w, "parallel");
    MC_PUSH(a, &w, "--will-cite");
    MC_PUSH(a, &w, mc_arena_printf(a, "--jobs=%lld", (long long)(s->jobs ? s->jobs : cpus())));
    if (s->sshlogin) MC_PUSH(a, &w, mc_arena_printf(a, "--sshlogin=%s", s->sshlogin));
    if (s->joblog) {
      MC_PUSH(a, &w, mc_arena_printf(a, "--joblog=%s%s", s->round ? "+" : "", s->joblog));
    }
  } else {
    MC_PUSH(a, &w, "sh");
  }
  MC_PUSH(a, &w, NULL);
  return w;
}

/* Without parallel: one after the other. */
static bool choose_runner(search *s) {
  if (s->runner || s->jobs == 1 || in_path("parallel", s->t.arena)) return true;
  if (s->jobs > 1 || s->sshlogin || s->joblog)
    return mc_error(&s->t.diag, mc_noloc,
                    "GNU parallel is not installed (Debian package parallel); --jobs=1 runs "
                    "candidates one after the other");
  mc_warning(&s->t.diag, mc_noloc,
             "GNU parallel is not installed (Debian package parallel): "
             "candidates run one after the other");
  s->jobs = 1;
  return true;
}

/* ---- rounds ---- */
typedef struct batch {
  const shape *shape;
  candidates list;
} batch;

typedef struct batches {
  batch *v;
  size_t n, cap;
} batches;

/* Candidates by shape; those of the original, which need no work on the shape, two by two. */
static batches group(search *s) {
  batches b = { 0 };
  for (size_t i = 0; i < s->all.n; i++) {
    candidate *c = s->all.v[i];
    if (!c->asked) continue;
    size_t k = 0;
    while (k < b.n && (b.v[k].shape != c->shape || (!*c->shape->passes && b.v[k].list.n > 1))) k++;
    if (k == b.n) MC_PUSH(s->t.arena, &b, ((batch){ .shape = c->shape }));
    MC_PUSH(s->t.arena, &b.v[k].list, c);
  }
  return b;
}

static bool take(search *s, const char *line) {
  candidate *c = candidate_read(s, line);
  return !c || journal_result(s, c);
}

/* Whole lines of what was read so far; the rest moves to the front. */
static bool take_lines(search *s, mc_strbuf *got, size_t *n) {
  char *p = got->s, *end;
  bool ok = true;
  for (; ok && (end = memchr(p, '\n', got->n - (size_t)(p - got->s))) != NULL; p = end + 1) {
    *end = 0;
    ok = take(s, p);
    ++*n;
  }
  got->n -= (size_t)(p - got->s);
  memmove(got->s, p, got->n);
  return ok;
}

/* Waits for output, until the time limit if there is one. False: the limit is over. */
static bool wait_output(const search *s, int fd) {
  struct pollfd p = { .fd = fd, .events = POLLIN };
  for (;;) {
    bool limited = s->deadline > 0 && !s->late && s->original->done;
    double left = limited ? s->deadline - mc_seconds() : INFINITY;
    if (left <= 0) return false;
    if (poll(&p, 1, left < 1000 ? (int)(left * 1000) + 1 : 1000000) > 0) return true;
  }
}

/* Results as they come. At the time limit the runner is told to begin nothing more. False where the
 * journal cannot be written: the rest is stopped. */
static bool collect(search *s, child *c, const char *what, size_t total) {
  mc_strbuf got = { 0 };
  char block[4096];
  size_t n = 0;
  bool ok = true;
  progress p = progress_start(what);
  while (ok) {
    if (!wait_output(s, c->pipe)) {
      s->late = true;
      kill(c->pid, SIGTERM);
    }
    ssize_t k = read(c->pipe, block, sizeof block);
    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) break;
    mc_sb_write(&got, block, (size_t)k);
    ok = take_lines(s, &got, &n);
    progress_step(&p, (int64_t)n, (int64_t)total);
  }
  progress_end(&p);
  mc_sb_free(&got);
  if (!ok) kill(c->pid, SIGTERM);
  close(c->pipe);
  return ok;
}

static void without_result(search *s, const batches *b, const char *err, int rc) {
  size_t n = 0;
  for (size_t i = 0; i < b->n; i++)
    for (size_t k = 0; k < b->v[i].list.n; k++) {
      candidate *c = b->v[i].list.v[k];
      if (!c->asked) continue;
      c->asked = false;
      if (s->late) continue;
      c->done = c->failed = true; /* not in the journal: it is tried again next time */
      c->said = "no result came back";
      n++;
    }
  if (n)
    mc_warning(&s->t.diag, mc_noloc,
               "%zu candidates gave no result (the runner ended with %d); see %s", n, rc, err);
}

static bool run_lines(search *s, const char *what, const batches *b) {
  mc_strbuf lines = { 0 };
  size_t total = 0;
  for (size_t i = 0; i < b->n; i++) {
    script_line(&lines, s, b->v[i].shape, b->v[i].list.v, b->v[i].list.n);
    total += b->v[i].list.n;
  }
  const char *in = mc_arena_printf(s->t.arena, "%s/round-%d.lines", s->work, s->round),
             *err = mc_arena_printf(s->t.arena, "%s/runner.log", s->work);
  bool ok = mc_write_file(in, mc_sb_str(&lines), lines.n, &s->t.diag);
  mc_sb_free(&lines);
  child c = { .in = in, .err = err };
  if (!ok || !start(s, &c, runner(s).v, true)) return false;
  ok = collect(s, &c, what, total);
  int rc = wait_for(&c);
  if (ok) without_result(s, b, err, rc);
  s->round++;
  return ok;
}

/* The shell runs lines one after the other; nobody can tell it to begin no more. */
static bool one_by_one(search *s, const char *what, const batches *b) {
  bool ok = true;
  for (size_t i = 0; ok && i < b->n; i++) {
    batches one = { .v = &b->v[i], .n = 1 };
    if (s->original->done && mc_seconds() >= s->deadline)
      s->late = true;
    else
      ok = run_lines(s, what, &one);
  }
  return ok;
}

bool run_round(search *s, const char *what) {
  if (!s->round && !choose_runner(s)) return false;
  batches b = group(s);
  if (!b.n || s->late) return true;
  bool alone = s->jobs == 1 && !s->runner && !s->sshlogin && !s->joblog;
  if (alone && s->deadline > 0) return one_by_one(s, what, &b);
  return run_lines(s, what, &b);
}

bool run_again(search *s, candidate *c) {
  candidates one = { .v = &c, .n = 1 };
  batch b = { .shape = c->shape, .list = one };
  batches list = { .v = &b, .n = 1 };
  double accuracy = c->accuracy;
  c->asked = true;
  if (!run_lines(s, "again", &list)) return false;
  if (!c->failed && c->accuracy == accuracy) return true;
  return mc_error(&s->t.diag, mc_noloc,
                  "%s: the journal has another result for this candidate than "
                  "it gives now (%s)",
                  c->key, c->said);
}
