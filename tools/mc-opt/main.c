/* mc-opt: text in, passes, text out. */
#include "opt.h"
#include "mc/driver/compile.h"
#include "mc/driver/driver.h"
#include "testpass.h"
#include <string.h>

static bool parse_pipeline(opt *o) {
  mc_source *src = MC_NEW(o->t.arena, mc_source);
  const char *text = o->run ? o->run : "";
  *src = (mc_source){ "<pipeline>", text, strlen(text) };
  const mc_registry *r = testpass_registry(mc_driver_registry(), o->t.arena);
  if (!mc_pipeline_parse(r, src, &o->pipeline, o->t.arena, &o->t.diag)) return false;
  o->mgr.print_before = mc_pipeline_names(r, &o->pipeline, o->mgr.print_before, "print-before",
                                          o->t.arena, &o->t.diag);
  o->mgr.print_after =
      mc_pipeline_names(r, &o->pipeline, o->mgr.print_after, "print-after", o->t.arena, &o->t.diag);
  return true;
}

static bool set_up(opt *o) {
  passes_watch(&o->passes, &o->mgr);
  bool ok = parse_pipeline(o);
  const mc_target *native = mc_target_find(NULL, "native", o->t.arena, &o->t.diag);
  if (native)
    o->mgr.runner =
        mc_compile_runner(native, o->t.arena); /* calibrate runs samples through compiled code */
  if (!o->target && !o->march) return ok;
  o->mgr.target = mc_target_find(o->target, o->march, o->t.arena, &o->t.diag);
  if (o->mgr.target && o->mgr.target->next)
    return mc_error(&o->t.diag, mc_noloc, "passes look at one level: name it with -march=");
  return ok && o->mgr.target;
}

static int show_pipeline(opt *o) {
  mc_strbuf s = { 0 };
  mc_pipeline_print(&s, &o->pipeline);
  mc_sb_putc(&s, '\n');
  tool_print(mc_sb_str(&s), s.n);
  mc_sb_free(&s);
  return MC_EXIT_OK;
}

int main(int argc, char **argv) {
  opt o;
  int rc = options_read(&o, argc, argv);
  if (rc >= 0) return rc;
  if (o.list) {
    warn_listing(&o);
    list_passes();
    return tool_end(&o.t, MC_EXIT_OK);
  }
  if (!o.ensemble && o.t.args.n > 1) {
    mc_error(&o.t.diag, mc_noloc,
             "%zu file arguments, but at most 1 can be used (several: -ensemble)", o.t.args.n);
    return tool_end(&o.t, MC_EXIT_USAGE);
  }
  if (!set_up(&o)) return tool_end(&o.t, MC_EXIT_USAGE);
  warn_idle(&o);
  rc = o.print_pipeline ? show_pipeline(&o) : o.ensemble ? run_ensemble(&o) : run_file(&o);
  passes_end(&o.passes);
  mc_sb_free(&o.text);
  return tool_end(&o.t, rc);
}
