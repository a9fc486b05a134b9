/* Many networks, each compiled in fp32, INT8 and bf16 for several levels and held against the
 * reference evaluator.
 *
 *   nets [options] NET.mir|NET.onnx ...   samples are in NET.npz, expected results may be in
 * NET.want.npz (RUN.RESULT); a folder stands for all networks in it
 *     --levels=LEVEL,...               levels to run (default: native); those that this machine
 * lacks are an error
 *     --build=LEVEL,...                levels to compile for only: one for each network, in one of
 * the arithmetics
 *     --quant=none,int8,bf16           arithmetic (default: all)
 *     --each=N                         N of the levels for each network and arithmetic, in turns
 * (default: all)
 *     --emit=DIR                       nothing runs: objects, inputs and results for
 * test/kernels/sweep_run.c on another machine
 *     --emulate                        AVX-VNNI and AMX by test/emulate where the machine lacks
 * them
 *
 * Other options (optimization, threads, chains, Winograd, calibration method) follow from a
 * network's name. Every network has a process of its own: a crash is a finding like others. Prints
 * one line for each finding, and at the end what was done; exits with 1 when there were findings.
 */
#include "nets.h"
#include "host.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STAGE = 256, SECONDS = 120 };

typedef struct shared {
  char stage[STAGE];
  int checks, findings;
} shared;

typedef struct totals {
  int nets, checks, findings;
} totals;

static uint64_t hash(const char *path) {
  const char *slash = strrchr(path, '/');
  uint64_t h = 5381;
  for (const char *p = slash ? slash + 1 : path; *p && *p != '.'; p++)
    h = h * 33 + (unsigned char)*p;
  return noise_next(&h) >> 8;
}

static void check(const settings *s, const char *path, shared *sh) {
  net n = { .set = s,
            .a = mc_arena_create(),
            .path = path,
            .seed = hash(path),
            .stage = sh->stage,
            .stage_size = STAGE };
  const char *dot = strrchr(path, '.');
  n.samples = mc_arena_printf(n.a, "%.*s.npz", (int)(dot ? dot - path : (long)strlen(path)), path);
  mc_diag_init(&n.d, n.a);
  nets_check(&n);
  sh->checks = n.checks;
  sh->findings = n.findings;
  mc_arena_destroy(n.a);
}

static void one(const settings *s, const char *path, shared *sh, totals *t) {
  *sh = (shared){ .stage = "start" };
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    setrlimit(RLIMIT_CPU,
              &(struct rlimit){ SECONDS, SECONDS }); /* of processor time: then SIGKILL */
    check(s, path, sh);
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) exit(2);
  if (WIFSIGNALED(status) || WEXITSTATUS(status)) {
    printf("%s: %s: ended by signal %d (%s)\n", path, sh->stage, WTERMSIG(status),
           strsignal(WTERMSIG(status)));
    sh->findings++;
  }
  t->nets++;
  t->checks += sh->checks;
  t->findings += sh->findings;
}

/* ---- arguments ---- */
static bool option(const char *arg, const char *name, const char **value) {
  size_t n = strlen(name);
  if (strncmp(arg, name, n) != 0) return false;
  *value = arg + n;
  return true;
}

static int find_levels(const mc_target **to, const char *list, mc_arena *a, mc_diag *d) {
  int n = 0;
  for (char *w = strtok(mc_arena_strdup(a, list), ","); w; w = strtok(NULL, ",")) {
    if (n == NETS_MAX_LEVELS || !(to[n] = mc_target_find(NULL, w, a, d)))
      return fprintf(stderr, "nets: level '%s' is unknown, or one too many\n", w), -1;
    n++;
  }
  return n;
}

static bool find_how(settings *s, const char *list, mc_arena *a) {
  for (int k = 0; k < 3; k++) s->how[k] = false;
  for (char *w = strtok(mc_arena_strdup(a, list), ","); w; w = strtok(NULL, ",")) {
    int k = 0;
    while (k < 3 && strcmp(w, mc_quant_names[k]) != 0) k++;
    if (k == 3) return fprintf(stderr, "nets: --quant=%s: none, int8 or bf16\n", w), false;
    s->how[k] = true;
  }
  return true;
}

static int is_net(const struct dirent *e) {
  const char *dot = strrchr(e->d_name, '.');
  return dot && (strcmp(dot, ".mir") == 0 || strcmp(dot, ".onnx") == 0);
}

static void all(const settings *s, const char *path, shared *sh, totals *t, mc_arena *a) {
  struct dirent **e;
  int n = scandir(path, &e, is_net, versionsort);
  if (n < 0) one(s, path, sh, t);
  for (int i = 0; i < n; i++) {
    one(s, mc_arena_printf(a, "%s/%s", path, e[i]->d_name), sh, t);
    free(e[i]);
  }
  if (n >= 0) free(e);
}

static int usage(void) {
  fprintf(stderr, "usage: nets [--levels=LEVEL,...] [--build=LEVEL,...] [--quant=none,int8,bf16] "
                  "[--each=N] [--emit=DIR] [--emulate] NET.mir|FOLDER ...\n");
  return 2;
}

int main(int argc, char **argv) {
  settings s = { .how = { true, true, true } };
  const char *levels = "native", *build = "", *v;
  mc_arena *a = mc_arena_create();
  mc_diag d;
  int first = 1;
  mc_diag_init(&d, a);
  for (; first < argc && strncmp(argv[first], "--", 2) == 0; first++) {
    const char *arg = argv[first];
    if (option(arg, "--levels=", &levels) || option(arg, "--build=", &build) ||
        option(arg, "--emit=", &s.emit))
      continue;
    if (option(arg, "--each=", &v))
      s.each = atoi(v);
    else if (option(arg, "--quant=", &v)) {
      if (!find_how(&s, v, a)) return 2;
    } else if (strcmp(arg, "--emulate") == 0)
      emulate_host();
    else
      return usage();
  }
  s.nrun = find_levels(s.run, levels, a, &d);
  s.nbuild = find_levels(s.build, build, a, &d);
  if (first >= argc || s.nrun < 0 || s.nbuild < 0 || s.nrun + s.nbuild == 0) return usage();
  for (int i = 0; i < s.nrun; i++)
    if (!s.emit && (s.run[i]->arch != mc_host_arch() || (s.run[i]->isa & ~mc_host_isa())))
      return fprintf(stderr, "nets: this machine cannot run %s\n", s.run[i]->name), 2;
  shared *sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (sh == MAP_FAILED) return 2;
  totals t = { 0 };
  for (int i = first; i < argc; i++) all(&s, argv[i], sh, &t, a);
  struct rusage u;
  getrusage(RUSAGE_CHILDREN, &u);
  double cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
               1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
  fprintf(stderr, "nets: %.0f ms of processor time for each network\n",
          t.nets ? 1e3 * cpu / t.nets : 0.0);
  printf("%d networks, %d checks, %d findings\n", t.nets, t.checks, t.findings);
  mc_arena_destroy(a);
  return t.findings != 0;
}
