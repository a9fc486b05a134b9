/* From a file to something that can be timed. */
#include "bench.h"
#include "mc/plan/decisions.h"
#include "mc/plan/chain.h"
#include "mc/pass/samples.h"
#include <stdlib.h>
#include <string.h>

/* ---- forms ---- */

static bool set_word(int *to, const char *const *words, const char *value) {
  for (int i = 0; words[i]; i++)
    if (strcmp(words[i], value) == 0) return *to = i, true;
  return false;
}

static bool set_count(int64_t *to, const char *value, int64_t most) {
  char *end;
  long long v = strtoll(value, &end, 10);
  if (*value == 0 || *end || v < 1 || v > most) return false;
  return *to = v, true;
}

static bool set(form *f, const char *key, const char *value) {
  int at;
  int64_t n;
  if (strcmp(key, "name") == 0) return f->name = value, *value != 0;
  if (strcmp(key, "march") == 0) return f->march = value, *value != 0;
  if (strcmp(key, "level") == 0) return f->run = value, *value != 0;
  if (strcmp(key, "calib") == 0) return f->co.calib = value, *value != 0;
  if (strcmp(key, "winograd") == 0) {
    char *end;
    f->co.winograd = strtod(value, &end);
    return *value && !*end && f->co.winograd >= 0;
  }
  if (strcmp(key, "quant") == 0) return set_word((int *)&f->co.quant, mc_quant_names, value);
  if (strcmp(key, "sparse") == 0) return set_word(&f->sparse, mc_sparse_names, value);
  if (strcmp(key, "chain") == 0) return set_word((int *)&f->co.chain, mc_chain_names, value);
  if (strcmp(key, "batch") == 0) return set_count(&f->batch, value, 1 << 20);
  if (strcmp(key, "threads") == 0)
    return set_count(&n, value, MCRT_MAX_THREADS) && (f->co.threads = (int)n, true);
  if (strcmp(key, "O") != 0 || !set_word(&at, mc_level_names, value)) return false;
  return f->level = mc_level_names[at], true;
}

bool form_apply(form *f, tool *t, const char *text) {
  char *copy = mc_arena_strdup(t->arena, text), *rest = copy;
  f->name = mc_arena_strdup(t->arena, text);
  while (rest && *rest) {
    char *key = rest, *comma = strchr(rest, ','), *equals;
    if (comma) *comma = 0;
    rest = comma ? comma + 1 : NULL;
    equals = strchr(key, '=');
    if (equals) *equals = 0;
    if (!equals || !set(f, key, equals + 1))
      return mc_error(&t->diag, mc_noloc,
                      "--variant=%s: '%s%s%s' is none of quant=, march=, level=, O=, batch=, "
                      "threads=, calib=, winograd=, chain=, sparse=, name= with a value",
                      text, key, equals ? "=" : "", equals ? equals + 1 : "");
  }
  return true;
}

/* ---- layers ---- */

static const mc_node *head(const mc_node *group) {
  return group->region ? mc_region_head(group->region) : NULL;
}

static const char *layer_name(const mc_node *g, int i, mc_arena *a) {
  const mc_node *h = head(g);
  if (h && h->source) return h->source;
  if (g->nout && g->out[0]->name) return mc_arena_printf(a, "%%%s", g->out[0]->name);
  return mc_arena_printf(a, "#%d", i);
}

static const char *type_text(const mc_type *t, mc_arena *a) {
  mc_strbuf s = { 0 };
  mc_sb_puts(&s, mc_dtype_names[t->dtype]);
  for (int i = 0; i < t->rank; i++) mc_sb_printf(&s, "%s%lld", i ? "x" : " ", (long long)t->dim[i]);
  const char *text = mc_arena_strdup(a, mc_sb_str(&s));
  mc_sb_free(&s);
  return text;
}

/* The engine of the product, else the fastest for such operands. */
static mc_rate rate_of(const mc_node *g, const mc_decision *d, const mc_target *t) {
  mc_rate r = d && d->nproduct ? d->product[0].e->rate : MC_NUM_RATES;
  if (r != MC_NUM_RATES && mc_target_rate(t, r) > 0) return r;
  const mc_node *h = head(g);
  bool f = !h || !h->nin || h->in[0]->type->dtype == MC_f32;
  return mc_model_rate(f ? MC_ARITH_f32 : MC_ARITH_int8, t);
}

/* The first link stands for all of them: the others' time is in its own. */
static void join_chain(subject *s, const mc_chain *c, mc_arena *a) {
  layer *all = &s->layer[c->first];
  all->name = mc_arena_printf(a, "%s ... %s", all->name, s->layer[c->first + c->n - 1].name);
  all->kernel = mc_arena_printf(a, "chain of %d", c->n);
  all->result = s->layer[c->first + c->n - 1].result;
  all->cost.out_bytes = s->layer[c->first + c->n - 1].cost.out_bytes;
  for (int i = 1; i < c->n; i++) {
    layer *l = &all[i];
    all->cost.macs += l->cost.macs;
    all->cost.weight_bytes += l->cost.weight_bytes;
    all->model.cycles += l->model.cycles;
    all->how = mc_arena_printf(a, "%s; %s", all->how, l->how);
    if (!(all->rate > 0)) all->rate = l->rate, all->engine = l->engine;
    l->joined = true;
  }
}

static void describe(subject *s, const mc_plan *p, mc_arena *a) {
  s->nlayer = p->ngroup;
  s->layer = MC_NEWN(a, layer, p->ngroup + 1);
  int64_t weights = mc_graph_cost(p->graph).weight_bytes;
  for (int i = 0; i < p->ngroup; i++) {
    const mc_node *g = p->group[i];
    layer *l = &s->layer[i];
    *l = (layer){ .name = layer_name(g, i, a),
                  .kernel = mc_group_family_text(g),
                  .family = mc_group_family(g),
                  .result = g->nout ? type_text(g->out[0]->type, a) : "",
                  .how = mc_plan_describe(p, i, a) };
    l->cost = mc_node_cost(g);
    l->model = mc_decide_price(g, p->target, weights);
    if (!l->cost.macs) continue;
    mc_rate r = rate_of(g, mc_plan_decide(p, i, false, a), p->target);
    l->rate = mc_target_rate(p->target, r);
    l->engine = mc_rate_name(r);
  }
  for (int i = 0; i < p->nchain; i++) join_chain(s, &p->chain[i], a);
}

/* ---- inputs ---- */

static void make_arrays(subject *s, uint64_t seed, mc_arena *a) {
  const mc_jit *j = s->jit;
  const void **in = MC_NEWN(a, const void *, mc_jit_nin(j));
  s->out = MC_NEWN(a, void *, mc_jit_nout(j));
  for (int i = 0; i < mc_jit_nin(j); i++) {
    void *data = mc_arena_alloc(a, (size_t)mc_type_bytes(mc_jit_in_type(j, i)));
    mc_random_array(mc_jit_in_type(j, i), -1, 1, seed, i, data);
    in[i] = data;
  }
  s->in = in;
  for (int i = 0; i < mc_jit_nout(j); i++)
    s->out[i] = mc_arena_alloc(a, (size_t)mc_type_bytes(mc_jit_out_type(j, i)));
  s->arena = mc_arena_alloc(a, (size_t)mc_jit_arena_bytes(j) +
                                   64); /* blocks of 64 bytes and more are aligned to 64 */
}

/* ---- files ---- */

static bool compile(subject *s, tool *t, const form *f, bool layers) {
  s->module = mc_driver_load_as(s->file, mc_driver_is_onnx(s->file) ? f->imp : NULL, &t->diag);
  if (!s->module) return false;
  mc_compile_opts co = f->co;
  mc_compile_set_level(&co, f->level);
  co.target = s->target =
      mc_target_find_for(NULL, f->march, mc_quant_arith(co.quant), t->arena, &t->diag);
  if (co.target && f->sparse)
    co.target = s->target = mc_target_sparse(co.target, (mc_sparse_how)f->sparse, t->arena);
  if (co.target && mc_quant_only_weights(co.quant))
    co.target = s->target = mc_target_small_weights(co.target, t->arena);
  if (co.target && co.target->next && layers)
    return mc_error(&t->diag, mc_noloc,
                    "%s: layers are those of one level: name it with -march=", s->file);
  if (!co.target || (f->batch && !mc_driver_set_batch(s->module->graphs, f->batch, &t->diag)))
    return false;
  mc_plan *p = mc_compile_plan(s->module, &co, &s->report, t->arena, &t->diag);
  if (!p) return false;
  s->jit = mc_jit_create(
      p,
      &(mc_codegen_opts){
          .target = co.target, .prefix = "net", .opt_level = co.opt_level, .watch = layers },
      &t->diag);
  if (s->jit && layers) describe(s, p, t->arena);
  return s->jit != NULL;
}

static bool ends_with(const char *s, const char *end) {
  size_t n = strlen(s), k = strlen(end);
  return n >= k && strcmp(s + n - k, end) == 0;
}

bool subject_open(subject *s, tool *t, const char *file, const form *f, uint64_t seed,
                  bool layers) {
  *s = (subject){ .threads = f->co.threads,
                  .file = file,
                  .label = f->name ? mc_arena_printf(t->arena, "%s [%s]", file, f->name) : file };
  if (!ends_with(file, ".o"))
    compile(s, t, f, layers);
  else if (layers)
    mc_error(&t->diag, mc_noloc,
             "%s: an object does not tell its layers apart; give the network (.mir, .onnx)", file);
  else if (f->name)
    mc_error(&t->diag, mc_noloc,
             "%s: --variant says how a network is compiled, and this is an object", file);
  else
    s->jit = mc_jit_load(file, &t->diag);
  bool alone = s->jit && s->threads > 1 && mc_jit_threads(s->jit) == 1;
  if (alone)
    mc_error(&t->diag, mc_noloc,
             "%s: the object has no parallel entry; compile with mcc -threads=%d", file,
             s->threads);
  bool ok = s->jit && !alone && (!f->run || mc_jit_set_level(s->jit, f->run, &t->diag));
  tool_drop_remarks(t);
  tool_flush(t); /* places are in the module's text */
  if (!ok) return false;
  if (mc_jit_nlevels(s->jit) > 1 && mc_jit_level(s->jit) >= 0 && !f->name)
    s->label = mc_arena_printf(t->arena, "%s [level %s]", s->label,
                               mc_jit_level_name(s->jit, mc_jit_level(s->jit)));
  make_arrays(s, seed, t->arena);
  return true;
}

void subject_close(subject *s) {
  if (s->jit) mc_jit_destroy(s->jit);
  if (s->module) mc_module_destroy(s->module);
}
