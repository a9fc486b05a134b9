/* The samples of an evaluation against what the network's batch norms learned. */
#include "mc/driver/driver.h"
#include "mc/driver/network.h"
#include <string.h>

bool mc_driver_check_samples(mc_module *m, const char *data, int samples, mc_diag *d) {
  mc_arena *a = mc_arena_create();
  mc_strbuf text = { 0 };
  mc_sb_puts(&text, "check-samples{data=");
  mc_sb_quoted(&text, data);
  mc_sb_printf(&text, " samples=%d norms=true}", samples);
  mc_source src = { "<samples>", mc_sb_str(&text), text.n };
  mc_pipeline p;
  mc_manager_report rep = { 0 };
  mc_manager_opts o = { .bisect_limit = -1 };
  o.samples_at.what = mc_arena_strdup(d->arena, data);
  bool ok = mc_pipeline_parse(mc_driver_registry(), &src, &p, a, d) &&
            mc_manager_run(m, &p, &o, &rep, a, d);
  mc_sb_free(&text);
  mc_arena_destroy(a);
  return ok;
}
