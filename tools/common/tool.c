#include "common/tool.h"
#include "mc/support/blob.h"
#include "mc/support/filekind.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int print_error; /* errno of the first failure of tool_print; 0: none */

bool tool_prints_to_terminal(void) { return isatty(STDOUT_FILENO); }

/* Names come from files: on a terminal, control characters and bytes that are no text are shown as
 * \xHH. */
static bool print_shown(const char *text, size_t n) {
  mc_strbuf s = { 0 };
  mc_sb_shown(&s, text, n);
  bool ok = fwrite(mc_sb_str(&s), 1, s.n, stdout) == s.n && !fflush(stdout);
  mc_sb_free(&s);
  return ok;
}

bool tool_print(const char *text, size_t n) {
  if (tool_prints_to_terminal() ? print_shown(text, n)
                                : fwrite(text, 1, n, stdout) == n && !fflush(stdout))
    return true;
  if (!print_error) print_error = errno ? errno : EIO;
  clearerr(stdout);
  return false;
}

bool tool_write(tool *t, const char *path, const char *text, size_t n) {
  if (!strcmp(path, "-") && tool_prints_to_terminal()) return tool_print(text, n);
  return mc_write_file(path, text, n, &t->diag);
}

static bool is_terminal(const char *path) {
  struct stat st;
  if (!strcmp(path, "-")) return tool_prints_to_terminal();
  if (stat(path, &st) || !S_ISCHR(st.st_mode)) return false;
  int fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK);
  bool yes = fd >= 0 && isatty(fd);
  if (fd >= 0) close(fd);
  return yes;
}

bool tool_spares_terminal(tool *t, const char *path, const char *what) {
  if (!is_terminal(path)) return true;
  return mc_error(&t->diag, mc_noloc,
                  "%s would go to the terminal, which shows text only; name a file with -o", what);
}

void tool_print_err(const char *text, size_t n) {
  fflush(stdout);
  fwrite(text, 1, n, stderr);
}

/* A closed standard file becomes one that fails as a closed one does: reading for output and the
 * other way round. Messages of a tool whose standard error is closed go nowhere. */
static void open_standard_files(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
        open("/dev/null", fd == 1 ? O_RDONLY : O_WRONLY) < 0)
      return;
}

int tool_start(tool *t, const mc_command *c, int argc, char **argv) {
  open_standard_files();
  *t = (tool){ .arena = mc_arena_create() };
  mc_diag_init(&t->diag, t->arena);
  mc_strbuf out = { 0 };
  mc_command watched = *c;
  watched.given = &t->given;
  int rc = mc_options_parse(&watched, argc, argv, &t->args, &out, t->arena);
  if (rc == MC_EXIT_OK)
    tool_print(mc_sb_str(&out), out.n);
  else if (rc > 0)
    tool_print_err(mc_sb_str(&out), out.n);
  mc_sb_free(&out);
  return rc < 0 ? rc : tool_end(t, rc);
}

bool tool_given(const tool *t, const char *option) { return mc_options_given(&t->given, option); }

void tool_no_effect(tool *t, const char *const *options, const char *why) {
  for (; *options; options++)
    if (tool_given(t, *options))
      mc_warning(&t->diag, mc_noloc, "-%s has no effect: %s", *options, why);
}

bool tool_keeps(tool *t, const char *in, const char *out) {
  struct stat a, b;
  if (!out || !strcmp(in, "-") || !strcmp(out, "-") || stat(in, &a) || stat(out, &b)) return true;
  if (!S_ISREG(b.st_mode) || a.st_dev != b.st_dev || a.st_ino != b.st_ino) return true;
  return mc_error(&t->diag, mc_noloc, "'%s' is an input and would be overwritten by the output",
                  out);
}

void tool_flush(tool *t) {
  mc_strbuf s = { 0 };
  for (size_t i = 0; i < t->diag.list.n; i++) mc_diag_render(&s, &t->diag.list.v[i]);
  tool_print_err(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
  t->diag.list.n = 0;
}

void tool_drop_remarks(tool *t) {
  size_t k = 0;
  bool keep = true;
  for (size_t i = 0; i < t->diag.list.n; i++) {
    mc_diagnostic *d = &t->diag.list.v[i];
    if (d->sev != MC_NOTE) keep = d->sev != MC_REMARK;
    if (keep) t->diag.list.v[k++] = *d;
  }
  t->diag.list.n = k;
}

int tool_end(tool *t, int rc) {
  if (print_error)
    mc_error(&t->diag, mc_noloc, "cannot write standard output: %s", strerror(print_error));
  tool_flush(t);
  int code = rc == MC_EXIT_OK && t->diag.errors ? MC_EXIT_INPUT : rc;
  mc_arena_destroy(t->arena);
  return code;
}

const char *tool_temp_folder(void) {
  const char *folder = getenv("TMPDIR");
  return folder && *folder ? folder : NULL;
}
