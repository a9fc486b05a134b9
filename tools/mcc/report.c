/* What mcc tells about a compilation: times, counters, groups, the summary line. */
#include "mcc.h"
#include "mc/plan/decisions.h"
#include <string.h>

void report_time(mcc *o) {
  passes_times(&o->passes, &o->rep.passes);
  mc_sb_printf(&o->passes.dump, "  %9.3f ms  all passes\n  %9.3f ms  plan\n  %9.3f ms  code\n",
               o->rep.pass_seconds * 1e3, o->rep.plan_seconds * 1e3, o->rep.code_seconds * 1e3);
}

void report_groups(mcc *o, const mc_plan *p) {
  const char *level =
      o->co.target->next ? mc_arena_printf(o->t.arena, "%s: ", p->target->name) : "";
  for (int i = 0; i < p->ngroup; i++) {
    const mc_node *g = p->group[i];
    mc_remark(&o->t.diag, g->loc, "%sgroup %d%s%s: %s", level, i, g->source ? " " : "",
              g->source ? g->source : "", mc_plan_describe(p, i, o->t.arena));
  }
}

void report_packed(mcc *o, const mc_plan *p) {
  int64_t from = 0, to = 0, a, b;
  int layers = 0;
  for (; p; p = p->next)
    for (int i = 0; i < p->ngroup; i++) {
      if (!mc_plan_packed(p, i, &a, &b)) continue;
      from += a, to += b, layers++;
    }
  if (o->co.manager.stats)
    mc_sb_printf(&o->passes.dump,
                 "%8d %-18s layers whose weights are kept small\n"
                 "%8lld %-18s bytes of weights that the object saves\n",
                 layers, "compress-weights", (long long)(from - to), "compress-weights");
  const char *what = o->compress_weights
                         ? "-compress-weights"
                         : mc_arena_printf(o->t.arena, "-quant=%s", mc_quant_names[o->co.quant]);
  if (layers)
    mc_remark(
        &o->t.diag, mc_noloc,
        "%s: weights of %d layers take %lld bytes in the place of %lld; each run unpacks them",
        what, layers, (long long)to, (long long)from);
  else
    mc_warning(&o->t.diag, mc_noloc,
               "%s saves nothing: no layer has 1 KiB of weights of few bits or values, or enough "
               "that are 0 and are not left out anyway (-remarks says why for each; -quant=w4a8, "
               "w8, w4 and fp16 make few bits, the pass cluster few values, sparsify zeros)",
               what);
}

void report_summary(mcc *o, size_t bytes) {
  const mc_compile_report *r = &o->rep;
  mc_strbuf s = { 0 };
  mc_sb_printf(&s, "%s: %d layers INT8, ", o->in, r->layers_int8);
  if (r->layers_bf16) mc_sb_printf(&s, "%d bf16, ", r->layers_bf16);
  mc_sb_printf(&s, "%d fp32; %lld MACs (%.1f %% INT8); weights %lld bytes, arena %lld bytes",
               r->layers_f32, (long long)r->macs,
               r->macs ? 100.0 * (double)r->macs_int8 / (double)r->macs : 0.0,
               (long long)r->weight_bytes, (long long)r->arena_bytes);
  if (bytes)
    mc_sb_printf(&s, ", %s %zu bytes", o->emit == EMIT_OBJ ? "object" : emit_names[o->emit], bytes);
  mc_sb_printf(&s, " [%s]\n", mc_target_text(o->co.target, o->t.arena));
  o->summary = mc_arena_strdup(o->t.arena, mc_sb_str(&s));
  mc_sb_free(&s);
}

/* The file that was written, read again. */
void report_object(mcc *o) {
  mc_object x;
  const char *sizes = "";
  if (strcmp(o->out, "-") == 0 || !mc_object_read(&x, o->out, o->t.arena, &o->t.diag)) return;
  for (int k = 0; k < x.nlevel; k++)
    sizes = mc_arena_printf(o->t.arena, "%s%s%s %lld%s", sizes, k ? ", " : " (", x.level[k].name,
                            (long long)x.level[k].code_bytes, k + 1 == x.nlevel ? ")" : "");
  mc_remark(&o->t.diag, mc_noloc, "object: %lld bytes of code%s, %lld of constants, %lld of file",
            (long long)x.code_bytes, sizes, (long long)x.constant_bytes, (long long)x.file_bytes);
}
