/* Named pipelines: what -O and -quant mean, as text. */
#include "mc/driver/compile.h"
#include <string.h>

const char *const mc_chain_names[] = { "auto", "off", "memory", NULL };
const char *const mc_equalize_names[] = { "auto", "off", NULL };
const char *const mc_quant_names[] = { "none", "int8", "bf16", "w4a8", "w8", "w4", "fp16", NULL };

/* -O0 compiles what is there; -O1 folds constants and batch_norm; -O2 also moves layouts out of the
 * way and merges; -O3 repeats until it settles. */
static const char *const fold[] = {
  "",
  "canonicalize,constant-fold,fold-bn,dce,",
  "canonicalize,constant-fold,layout,canonicalize,fold-bn,constant-fold,canonicalize,cse,dce,",
  ("canonicalize,constant-fold,layout,canonicalize,constant-fold,fold-bn,canonicalize,"
   "constant-fold,layout,canonicalize,cse,dce,"),
};
static const char *const tidy[] = { "", "fuse-activation,dce,", "fuse-activation,cse,dce,",
                                    "fuse-activation,canonicalize,cse,dce," };

typedef struct facts {
  bool ranges, batch_norm, quantized, islands;
} facts;

static void look_at(facts *f, const mc_value *v) {
  f->ranges |= v->range.known;
  f->quantized |= mc_type_is_quant(v->type) && !mc_value_tensor(v);
}

static void look(facts *f, const mc_graph *g) {
  for (int i = 0; i < g->nin; i++) look_at(f, g->in[i]);
  MC_FOR_NODES (n, g) {
    f->batch_norm |= n->op == MC_OP_batch_norm;
    f->islands |= n->op == MC_OP_dequantize;
    for (int i = 0; i < n->nout; i++) look_at(f, n->out[i]);
    if (n->region) look(f, n->region);
  }
}

static void option(mc_strbuf *s, const char *name, const char *value) {
  if (!value) return;
  mc_sb_printf(s, "%s%s=", s->n && s->s[s->n - 1] != '{' ? " " : "", name);
  mc_sb_quoted(s, value);
}

/* "name{...}," with the layers to leave out or to take; `samples` for quantize: NULL: none. */
static const char *with_layers(const char *name, const char *samples, const mc_compile_opts *o,
                               mc_arena *a) {
  mc_strbuf s = { 0 };
  mc_sb_putc(&s, '{');
  bool alone = mc_quant_only_weights(o->quant),
       few = mc_quant_rounds(o->quant) && strcmp(name, "quantize") == 0;
  if (o->mixed && !alone) mc_sb_puts(&s, "faster=true");
  if (few) mc_sb_printf(&s, "%sbits=%d", s.n > 1 ? " " : "", o->quant == MC_QUANT_W8 ? 8 : 4);
  if (few && alone) mc_sb_puts(&s, " only_weights=true");
  if (few && o->group && o->quant != MC_QUANT_W8)
    mc_sb_printf(&s, " group=%lld", (long long)o->group);
  if (few && samples) mc_sb_puts(&s, " rounding_method=gptq");
  option(&s, few ? "data" : "correct", samples);
  option(&s, "skip", o->skip);
  option(&s, "only", o->only);
  const char *text =
      mc_arena_printf(a, s.n == 1 ? "%s%s," : "%s%s},", name, s.n == 1 ? "" : mc_sb_str(&s));
  mc_sb_free(&s);
  return text;
}

/* Channels scaled for one scale of 8 bits (o->equalize), and ranges from samples by the method
 * asked for (NULL: the default). */
static const char *from_samples(const char *path, const mc_compile_opts *o, mc_arena *a) {
  mc_strbuf s = { 0 };
  if (o->equalize == MC_EQUALIZE_AUTO) {
    mc_sb_puts(&s, "equalize{data=");
    mc_sb_quoted(&s, path);
    mc_sb_puts(&s, "},");
  }
  mc_sb_puts(&s, "calibrate{data=");
  mc_sb_quoted(&s, path);
  if (o->calib_method) mc_sb_printf(&s, " method=%s", o->calib_method);
  mc_sb_puts(&s, "},");
  const char *text = mc_arena_strdup(a, mc_sb_str(&s));
  mc_sb_free(&s);
  return text;
}

/* The layers' own passes; `samples`, with which weights and biases are rounded, may be NULL. */
static const char *to_ints(const char *samples, const mc_compile_opts *o, mc_arena *a) {
  return mc_arena_printf(a, "%sfold-qdq,", with_layers("quantize", samples, o, a));
}

static bool no_ranges(const mc_graph *g, mc_diag *d) {
  mc_error(d, g->loc, "INT8 needs the ranges of values, and nothing tells them");
  mc_note(d, g->loc,
          "give samples with -calib=FILE.npz (one array per graph input, samples along the first "
          "axis), or a line `calibration \"FILE.npz\"` in the .mir file, "
          "or run the pass calibrate before; or compile with -quant=none");
  return false;
}

static void no_samples(const mc_compile_opts *o, const mc_graph *g, mc_diag *d) {
  if (o->quant == MC_QUANT_W4A8 || o->quant == MC_QUANT_W4)
    mc_warning(
        d, g->loc,
        "no samples: each weight goes to the nearest of 16 steps, which costs accuracy; give "
        "-calib=FILE.npz");
  if (o->calib_method)
    mc_warning(d, g->loc, "-calib-method=%s has no effect: there are no samples (-calib=FILE)",
               o->calib_method);
}

/* -quant= for a network that holds integers already. */
static void quantized_already(const mc_graph *g, const mc_compile_opts *o, mc_diag *d) {
  const char *idle = o->calib          ? "calib"
                     : o->calib_method ? "calib-method"
                     : o->mixed        ? "mixed"
                     : o->skip         ? "skip"
                     : o->only         ? "only"
                                       : NULL;
  const char *too = idle ? mc_arena_printf(d->arena, "; -%s has no effect", idle) : "";
  mc_warning(d, g->loc,
             "the network is quantized already: -quant=%s adds nothing, its own scales stay%s",
             mc_quant_names[o->quant], too);
}

/* What a front consists of, in this order; fold and tidy (level_of) are around and after
 * `ranges`. */
typedef struct stages {
  const char *before; /* folding: what other tools quantized, samples checked */
  const char *ranges; /* measured */
  const char *ints;   /* layer by layer: o->skip, o->only */
} stages;

const char *mc_compile_samples(const mc_module *m, const mc_compile_opts *o, mc_arena *a) {
  if (o->calib || !m->calibration) return o->calib;
  return m->calibration[0] == '/' ? m->calibration
                                  : mc_arena_printf(a, "%s/%s", m->dir, m->calibration);
}

static const char *check_samples(const char *path, mc_arena *a) {
  mc_strbuf s = { 0 };
  mc_sb_puts(&s, "check-samples{data=");
  mc_sb_quoted(&s, path);
  const char *text = mc_arena_printf(a, "%s},", mc_sb_str(&s));
  mc_sb_free(&s);
  return text;
}

/* Weights alone: no ranges. */
static void weight_passes(stages *p, const char *path, const mc_graph *g, const mc_compile_opts *o,
                          mc_arena *a, mc_diag *d) {
  if (o->quant == MC_QUANT_FP16) {
    p->ints = with_layers("weights-to-fp16", NULL, o, a);
    return;
  }
  p->ints = with_layers("quantize", path, o, a);
  if (path)
    p->before = mc_arena_printf(a, "%s%s", p->before, check_samples(path, a));
  else
    no_samples(o, g, d);
}

/* The passes that make integers, with their source of ranges. */
static bool quant_passes(stages *p, const mc_module *m, const mc_compile_opts *o, mc_arena *a,
                         mc_diag *d) {
  facts f = { 0 };
  const mc_graph *g = m->graphs;
  *p = (stages){ "", "", "" };
  look(&f, g);
  if (f.islands) p->before = "from-qdq,";
  if (f.quantized) {
    if (mc_quant_ints(o->quant) || mc_quant_only_weights(o->quant)) quantized_already(g, o, d);
    p->ints = "fold-qdq,";
    return true;
  }
  if (mc_quant_only_weights(o->quant)) weight_passes(p, mc_compile_samples(m, o, a), g, o, a, d);
  if (!mc_quant_ints(o->quant)) return true;
  if (o->mixed && o->target->next)
    return mc_error(d, g->loc,
                    "-mixed chooses for one level: all levels of an object must compute the same; "
                    "name a level with -march=");
  const char *path = mc_compile_samples(m, o, a);
  p->ints = to_ints(path, o, a);
  if (path) {
    p->ranges = from_samples(path, o, a);
    p->before = mc_arena_printf(a, "%s%s", p->before, check_samples(path, a));
    return true;
  }
  if (!f.ranges && !f.batch_norm) return no_ranges(g, d);
  no_samples(o, g, d);
  if (f.ranges) return true;
  p->before = f.islands ? "from-qdq,ranges-from-bn," : "ranges-from-bn,";
  mc_warning(d, g->loc,
             "no samples and no ranges: guessing them from batch_norm statistics, which costs "
             "accuracy; give -calib=FILE.npz");
  return true;
}

static int level_of(const mc_compile_opts *o) {
  return o->opt_level < 0 ? 0 : o->opt_level > 3 ? 3 : o->opt_level;
}

/* The front in two: up to the ranges, and from the first pass that asks which layers are meant.
 * *ints: whether there are passes that make integers. */
static bool halves(const char **first, const char **second, const mc_module *m,
                   const mc_compile_opts *o, bool *ints, mc_arena *a, mc_diag *d) {
  int level = level_of(o);
  stages p;
  if (!quant_passes(&p, m, o, a, d)) return false;
  *ints = *p.ints;
  const char *last = o->quant == MC_QUANT_BF16 ? with_layers("to-bf16", NULL, o, a) : "";
  *first = mc_arena_printf(a, "%s%s%s", p.before, fold[level], p.ranges);
  *second = mc_arena_printf(a, "%s%s%s", p.ints, tidy[level], last);
  return true;
}

/* Without the ',' at the end. */
static const char *ended(const char *text, mc_arena *a) {
  size_t n = strlen(text);
  return n ? mc_arena_strndup(a, text, n - 1) : text;
}

bool mc_compile_halves(const char **first, const char **second, const mc_module *m,
                       const mc_compile_opts *o, mc_arena *a, mc_diag *d) {
  bool ints;
  if (!halves(first, second, m, o, &ints, a, d)) return false;
  *first = ended(*first, a);
  *second = ended(*second, a);
  return true;
}

static const char *front(const mc_module *m, const mc_compile_opts *o, bool *ints, mc_arena *a,
                         mc_diag *d) {
  const char *first, *second;
  if (!halves(&first, &second, m, o, ints, a, d)) return NULL;
  return mc_arena_printf(a, "%s%s", first, second);
}

const char *mc_compile_front(const mc_module *m, const mc_compile_opts *o, mc_arena *a,
                             mc_diag *d) {
  bool ints;
  const char *text = front(m, o, &ints, a, d);
  return text ? ended(text, a) : NULL;
}

const char *mc_compile_pipeline(const mc_module *m, const mc_compile_opts *o, mc_arena *a,
                                mc_diag *d) {
  int level = level_of(o);
  bool ints;
  const char *first = front(m, o, &ints, a, d);
  if (!first) return NULL;
  if (o->chain == MC_CHAIN_MEMORY && o->threads > 1)
    return mc_error(d, m->graphs->loc,
                    "-chain=memory is for one thread: strips are not divided; leave out "
                    "-threads=%d, or take -chain=auto",
                    o->threads),
           NULL;
  /* AArch64's SDOT takes signed activations, x86-64's VPDPBUSD unsigned ones */
  const char *form = o->target->arch == MC_ARCH_aarch64 ? "storage{form=i8}," : "storage{form=u8},";
  const char *winograd = "";
  if (level >= 2 && !o->small && o->winograd > 0 && ints)
    winograd =
        o->winograd == 15 ? ",winograd" : mc_arena_printf(a, ",winograd{growth=%g}", o->winograd);
  const char *chains = o->chain == MC_CHAIN_MEMORY ? ",form-chains{goal=memory}"
                       : level >= 2 && !o->small && o->chain == MC_CHAIN_AUTO && o->threads <= 1
                           ? ",form-chains"
                           : "";
  return mc_arena_printf(a, "%s%sform-groups%s%s", first, form, winograd, chains);
}
