/* -json: the compilation as data (docs/reference/tools.md, "JSON"). Keys stay; new ones may come.
 */
#include "common/trials.h"
#include "mcc.h"
#include "mc/analysis/model.h"
#include "mc/plan/decisions.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *string_or_null(const char *s) { return s ? json_string(s) : json_null(); }

static json_t *integer(int64_t v) { return json_integer((json_int_t)v); }

/* ---- what was said ---- */
static json_t *diagnostic(const mc_diagnostic *d) {
  unsigned line = 0, col = 0;
  if (d->loc.src && d->loc.src->text) mc_loc_linecol(d->loc, &line, &col);
  json_t *j = json_object();
  json_object_set_new(j, "severity", json_string(mc_severity_name(d->sev)));
  json_object_set_new(j, "file", string_or_null(d->loc.src ? d->loc.src->name : NULL));
  json_object_set_new(j, "line", line ? integer(line) : json_null());
  json_object_set_new(j, "column", col ? integer(col) : json_null());
  json_object_set_new(j, "message", json_string(d->text));
  return j;
}

/* Warnings and the notes on them; remarks with -remarks. */
static json_t *diagnostics(const mcc *o) {
  json_t *list = json_array();
  bool keep = false;
  for (size_t i = 0; i < o->t.diag.list.n; i++) {
    const mc_diagnostic *d = &o->t.diag.list.v[i];
    if (d->sev != MC_NOTE) keep = d->sev != MC_REMARK || o->remarks;
    if (keep) json_array_append_new(list, diagnostic(d));
  }
  return list;
}

/* ---- levels ---- */
/* The cost model's time of a run, in microseconds. */
static double estimate_us(const mc_plan *p) {
  double cycles = 0;
  for (int i = 0; i < p->ngroup; i++) cycles += mc_plan_estimate(p, i).cycles;
  return mc_model_us(p->target, cycles);
}

static json_t *level(const mcc *o, const mc_plan *p, const mc_object *x, int k) {
  json_t *j = json_object(), *isa = json_array();
  for (int i = 0; i < MC_NUM_ISA; i++)
    if (p->target->isa >> i & 1) json_array_append_new(isa, json_string(mc_isa_name(i)));
  json_object_set_new(j, "name", json_string(p->target->name));
  json_object_set_new(j, "isa", isa);
  json_object_set_new(j, "groups", integer(p->ngroup));
  json_object_set_new(j, "arena_bytes", integer(p->arena_bytes));
  bool one = x && !o->co.target->next;
  json_object_set_new(j, "code_bytes",
                      one                  ? integer(x->code_bytes)
                      : x && k < x->nlevel ? integer(x->level[k].code_bytes)
                                           : json_null());
  json_object_set_new(j, "estimate_us", json_real(estimate_us(p)));
  return j;
}

static json_t *levels(const mcc *o, const mc_plan *p, const mc_object *x) {
  json_t *list = json_array();
  for (int k = 0; p; p = p->next, k++) json_array_append_new(list, level(o, p, x, k));
  return list;
}

static json_t *sizes(const mcc *o, const mc_object *x) {
  const mc_compile_report *r = &o->rep;
  json_t *j = json_object();
  json_object_set_new(j, "weights", integer(r->weight_bytes));
  json_object_set_new(j, "arena", integer(r->arena_bytes));
  json_object_set_new(j, "object", x ? integer(x->file_bytes) : json_null());
  json_object_set_new(j, "code", x ? integer(x->code_bytes) : json_null());
  json_object_set_new(j, "constants", x ? integer(x->constant_bytes) : json_null());
  return j;
}

static json_t *budget(const mcc *o) {
  const mc_partial *p = &o->partial;
  json_t *kept = json_array();
  for (int i = 0; i < p->kept; i++) json_array_append_new(kept, json_string(p->name[i]));
  return json_pack("{s:s, s:i, s:o, s:o, s:I, s:o, s:o, s:o, s:i}", "budget", o->budget, "layers",
                   p->layers, "kept", kept, "skip", string_or_null(p->skip), "samples",
                   (json_int_t)p->samples, "fp32_right", right_json(p->right), "all",
                   trial_json(&p->all), "chosen", trial_json(&p->chosen), "trials", p->trials);
}

static json_t *seconds(const mc_compile_report *r) {
  return json_pack("{s:f, s:f, s:f}", "passes", r->pass_seconds, "plan", r->plan_seconds, "code",
                   r->code_seconds);
}

static json_t *options(const mcc *o) {
  return json_pack("{s:s, s:s, s:I, s:b, s:b}", "O", o->level, "quant", mc_quant_names[o->co.quant],
                   "threads", (json_int_t)(o->co.threads ? o->co.threads : 1), "debug", o->co.debug,
                   "mixed", o->co.mixed);
}

static json_t *report(mcc *o, const mc_plan *p) {
  const mc_compile_report *r = &o->rep;
  mc_object x;
  bool file = o->emit == EMIT_OBJ && has_header(o),
       object = file && mc_object_read(&x, o->out, o->t.arena, &o->t.diag);
  json_t *j = json_object();
  json_object_set_new(j, "schema", json_string("mcc/1"));
  json_object_set_new(j, "version", json_string(mc_version()));
  json_object_set_new(j, "input", json_string(o->in));
  json_object_set_new(j, "graph", json_string(p->graph->name));
  json_object_set_new(j, "emit", json_string(emit_names[o->emit]));
  json_object_set_new(j, "output", json_string(o->out));
  json_object_set_new(j, "header", string_or_null(file ? with_ending(o, o->out, ".h") : NULL));
  json_object_set_new(j, "symbol", string_or_null(o->emit == EMIT_MIR ? NULL : o->co.prefix));
  json_object_set_new(j, "arch", json_string(mc_arch_name(p->target->arch)));
  json_object_set_new(j, "options", options(o));
  json_object_set_new(j, "pipeline", json_string(r->pipeline));
  json_object_set_new(j, "layers",
                      json_pack("{s:i, s:i, s:i}", "int8", r->layers_int8, "bf16", r->layers_bf16,
                                "fp32", r->layers_f32));
  json_object_set_new(
      j, "macs",
      json_pack("{s:I, s:I}", "total", (json_int_t)r->macs, "int8", (json_int_t)r->macs_int8));
  json_object_set_new(j, "bytes", sizes(o, object ? &x : NULL));
  json_object_set_new(j, "levels", levels(o, p, object ? &x : NULL));
  if (o->budget_text) json_object_set_new(j, "budget", budget(o));
  if (o->exact) json_object_set_new(j, "check", string_or_null(o->exact_text));
  if (o->co.manager.time_passes) json_object_set_new(j, "seconds", seconds(r));
  json_object_set_new(j, "messages", diagnostics(o));
  return j;
}

bool json_report(mcc *o, const mc_plan *p) {
  json_t *j = report(o, p);
  char *text = json_dumps(j, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
  json_decref(j);
  if (!text) return mc_error(&o->t.diag, mc_noloc, "-json: a name is not UTF-8, which JSON needs");
  char *line = mc_arena_printf(o->t.arena, "%s\n", text);
  free(text);
  return mc_write_file(*o->json ? o->json : "-", line, strlen(line), &o->t.diag);
}
