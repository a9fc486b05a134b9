/* Lowering of one group: where values live (views), the iteration space, the evaluation of the
 * group's elementwise ops at a position (kx). */
#ifndef MC_KERNELS_LOWER_H
#define MC_KERNELS_LOWER_H
#include "mc/kernels/kernels.h"
#include "mc/ref/eval.h"
#include "mc/plan/decisions.h"
#include "vec.h"

/* One group being turned into the function k->fn (parameters: arena, graph inputs, graph outputs).
 */
typedef struct kgroup {
  kbuilder *k;
  const mc_plan *plan;
  mc_node *group;
  int index; /* position in the plan */
  mc_graph *region;
  const mc_decision *decision;
  int tasks; /* shares that the present function's work may be divided into (split.c); it is, once a
                loop is */
  const char *name;
  mc_group_code *code;
} kgroup;

/* Memory of a value as an iteration space sees it: element (i0, i1, ...) is at base + sum i_d *
 * stride[d] bytes; stride 0 repeats. */
typedef struct kview {
  kvalue base;
  mc_dtype dtype;
  int rank;
  int64_t stride[MC_MAX_RANK];
  bool slack; /* MC_PLAN_SLACK bytes after the last element may be read */
} kview;

static inline kview view_at_base(mc_strides s, kvalue base) {
  kview v = { .base = base, .dtype = s.dtype, .rank = s.rank, .slack = s.slack };
  for (int d = 0; d < s.rank; d++) v.stride[d] = s.stride[d];
  return v;
}

enum { EPILOGUE_MAX_VIEWS = MC_SPACE_VIEWS };

bool group_error(const kgroup *g, const mc_node *n, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
mc_node *group_first(const kgroup *g); /* what the group is about (mc_region_head) */
/* The buffer of an outer value or a group result; region values that are returned map to the
 * group's results. NULL: constant or inside. */
const mc_buffer *group_buffer(const kgroup *g, const mc_value *v);
bool group_inside(const kgroup *g, const mc_value *v); /* defined in the region */
/* View in the value's own axes: constants, outer values, group results. */
kview view_of(const kgroup *g, const mc_value *v);
/* The view of what a transpose gives, of its operand's view; back: of its operand, of its result's.
 */
kview view_transposed(kview v, const mc_node *transpose, bool back);
/* View of an operand of a product, through a transpose before it in the group. */
kview view_of_operand(const kgroup *g, const mc_value *v);
kvalue group_scratch(
    const kgroup *g); /* the group's own arena bytes; undef when the plan gave none */
/* A view of v broadcast (numpy rules) to an iteration space of `rank` axes. */
kview view_broadcast(kview v, const mc_type *t, int rank, const int64_t *dim);
kvalue view_address(kbuilder *k, const kview *v, int rank, kvalue const *iv,
                    const int64_t *c); /* address; iv[d] NULL: 0; c NULL: 0 */
/* Fill the halo (and what is not the value's) of every result of the group with its zero point.
 * Called after the last store. */
void fill_borders(const kgroup *g);
int64_t view_elem_bytes(const kview *v);    /* bytes of an element */
ktype memory_type(kbuilder *k, mc_dtype t); /* in memory */

/* Register form: f32, for 16-bit floats too; f64 (i64 in memory); i64; narrower integers: i32. */
static inline bool in_f32(mc_dtype t) { return t == MC_f32 || t == MC_bf16; }

kvalue memory_widen(kbuilder *k, kvalue mem, mc_dtype t);
kvalue memory_narrow(kbuilder *k, kvalue reg, mc_dtype t);
/* Load / store `lanes` elements (of which `valid` exist) along the axis with stride `stride` bytes,
 * in register form; _mem: as they are in memory. */
kvalue memory_load_raw(kbuilder *k, kvalue p, mc_dtype t, int64_t stride, int lanes, int valid,
                       bool slack);
kvalue memory_load(kbuilder *k, kvalue p, mc_dtype t, int64_t stride, int lanes, int valid,
                   bool slack);
void memory_store(kbuilder *k, kvalue reg, kvalue p, mc_dtype t, int64_t stride, int valid);
/* A number of the value's stored type nearest to real 0 (its zero point, or 0). */
int32_t zero_point_of(const mc_type *t);

/* ---- work for several threads (split.c, docs/internals/threads.md) ---- */
/* Its shares are its images, which run one after the other: the outermost loop is divided, which
 * must be that over images. */
bool split_by_images(const kgroup *g);
/* The plan wants columns or channels to be divided. */
bool split_by_columns(const kgroup *g);
/* Has the present function divided a loop so far? */
bool split_done(const kgroup *g);
/* This function's share of n units: [lo, hi), constants 0 and n where nothing is divided. */
void split_share(const kgroup *g, int64_t n, kvalue *lo, kvalue *hi);
/* A loop over [0, n) by step; split: over this function's share of its trips. Divided loops may
 * make no trip. */
void split_range(const kgroup *g, kloop *l, int64_t n, int64_t step, bool split);
/* A loop over [0, n) by blocks of `step`, of which the last moves back to be full: in its share, so
 * that no two tasks write the same; returns where the block begins. The shares have as many rows
 * each, whatever the step, so that all groups cut tensors at the same place. split_blocks_divide:
 * whether that loop can be divided. */
kvalue split_blocks(const kgroup *g, kloop *l, int64_t n, int64_t step, bool split);
bool split_blocks_divide(const kgroup *g, int64_t n, int64_t step);
/* Its trips [from, to) alone, of n trips that are divided. */
void split_range_part(const kgroup *g, kloop *l, int64_t from, int64_t to, int64_t n, int64_t step,
                      bool split);
/* The loop of a nest that is divided: the outermost of n that can be shared, unless another shares
 * much more evenly: what groups divide alike stays with its core; the innermost one where the plan
 * wants columns. -1: none can (every count is 1), or nothing is divided. */
int split_choose(const kgroup *g, int n, const int64_t *trips);
/* The same for a nest whose innermost axis is walked by `lanes` elements at a time; *once is opened
 * as a loop of one trip, or none, where no loop is divided: one task does it all. */
int split_nest(const kgroup *g, kloop *once, int rank, const int64_t *dim, int lanes);
/* What was emitted so far must be finished by all shares before what follows begins: ends the
 * function and begins the next; values of the first cannot be used in it. Does nothing for one
 * thread. False where nothing was done. */
bool split_stage(kgroup *g);

/* ---- iteration spaces ---- */
/* Merge neighbouring axes of [0, keep) where every view allows it (keep: axes after it stay).
 * Returns the new rank; dim and all views change. */
int views_collapse(int rank, int64_t *dim, kview **views, int nviews, int keep);

/* ---- evaluation of a region's elementwise ops ---- */
typedef struct kepilogue_operand {
  const void *key;
  kview view;
  kvalue cur;
} kepilogue_operand; /* key: the value; or the node, for its table of per-channel parameters */

typedef struct kepilogue_bound {
  const mc_value *value;
  kvalue v, clamped;
} kepilogue_bound; /* clamped: of a quantized value, the fp32 that was rounded to q - zero point;
               may be NULL */

typedef struct kepilogue {
  kgroup *g;
  kbuilder *k;
  int rank;
  int64_t dim[MC_MAX_RANK];
  mc_node *head; /* the node whose result the family binds itself; NULL: all are elementwise */
  bool front;    /* the ops before the head instead of those after it: epilogue_front */
  kepilogue_operand op[EPILOGUE_MAX_VIEWS];
  int nop;
  kview out[EPILOGUE_MAX_VIEWS];
  int nout;
  kepilogue_bound *bound;
  int nbound;
  const mc_node *tail,
      *table; /* the only result is bytes that tail computes, or table from them,
                 and they may be narrowed by saturation (epilogue_raw); else NULL */
  bool adds;  /* numbers are converted by additions: vec_adds, or the family says so */
  bool raw;
  kvalue clamped; /* between an op and its result: leave the clamp out; what quantizing clamped */
  kvalue head_bits;
  int32_t
      head_base; /* the head's integers with head_base added, for vec_biased_to_f32; 0: nothing */
  int64_t head_most; /* no |integer| of the head is larger; 0: not known */
  int lanes, valid;
  kvalue iv[MC_MAX_RANK];
  int64_t c[MC_MAX_RANK]; /* the position: axis d at iv[d] + c[d]; the last axis continues for
                             `lanes` */
} kepilogue;

/* Prepare for iteration space dim (the shape of the head's or result's value): views of all outer
 * operands, parameter tables. False after reporting. */
bool epilogue_init(kepilogue *x, kgroup *g, mc_node *head, int rank, const int64_t *dim);
/* The same for the elementwise ops before the head, which make its first operand; no
 * results. */
bool epilogue_init_front(kepilogue *x, kgroup *g, mc_node *head, int rank, const int64_t *dim);
/* Compute that operand at the position. */
kvalue epilogue_front(kepilogue *x);
/* All views of x in one list, for views_collapse. */
int epilogue_views(kepilogue *x, kview **list);
void epilogue_collapse(kepilogue *x, kview **extra, int nextra, int keep);
void epilogue_collapse_from(kepilogue *x, int first, kview **extra, int nextra,
                            int keep); /* axes before `first` stay */
/* Start a position: forget loaded values. */
void epilogue_at(kepilogue *x, int lanes, int valid);
void epilogue_bind(kepilogue *x, const mc_value *v, kvalue reg);
/* Before the first position: the head's integers lie between lo and hi (0 among them). Chooses
 * head_base, which the family adds to them. */
void epilogue_bound_head(kepilogue *x, int64_t lo, int64_t hi);
/* Bytes from the head alone, by a few instructions a vector: no op after it reads another
 * operand. */
bool epilogue_is_short(const kepilogue *x);
/* The head's integers, with head_base added. */
void epilogue_bind_head(kepilogue *x, kvalue bits);
/* Compute every node after the head and store the results. */
void epilogue_finish(kepilogue *x);
/* Where x->tail is there: compute every node up to it, without the clamp and zero point that
 * narrowing brings; then store n such vectors of 16, of which `valid` elements exist, at the
 * position. Together they are epilogue_finish for n neighbouring positions along the last axis; n
 * <= vec_narrow_most. */
kvalue epilogue_raw(kepilogue *x);
void epilogue_store_raw(kepilogue *x, kvalue *raw, int n, int valid);
/* Its halves, for vectors that do not follow one another: to bytes; then those from lane
 * `from` on, to the position. */
kvalue epilogue_narrow(kepilogue *x, kvalue *raw, int n);
void epilogue_store_bytes(kepilogue *x, kvalue bytes, int from, int valid);
kvalue epilogue_value(kepilogue *x,
                      const mc_value *v); /* an operand at the position, register form */
kvalue epilogue_param(kepilogue *x, const mc_node *n,
                      int which); /* per-channel table `which` of node n at the position */
/* elem.c: one elementwise op; NULL after reporting. */
kvalue elem_emit(kepilogue *x, const mc_node *n);
kvalue epilogue_clamped(
    kepilogue *x,
    const mc_value *v); /* kepilogue_bound.clamped of a value that the region computed, or NULL */
/* elem.c: the numbers that node n quantizes lie within +-2^30 for all operands, and are numbers. */
bool elem_bounded(const mc_node *n);
/* elem.c: the tail's results fit into 16 bits with room for a zero point, before they are clamped.
 */
bool elem_stays_small(const kepilogue *x);
/* elem.c: tables that node n needs (one per `which`); false after reporting that the op or its
 * types have no lowering. */
bool elem_prepare(kepilogue *x, const mc_node *n);
bool epilogue_add_table(kepilogue *x, const mc_node *n, int which, const void *data, int64_t count,
                        mc_dtype t, int axis);

/* Walk n elements: `lanes` (a power of two) at a time, then what is left: at once under a mask, or
 * as 8, 4, 2, 1 lanes. fn sees elements [at + c, at + c + lanes), at NULL: 0, of which `valid`
 * exist. */
typedef void kvector_fn(void *ctx, kvalue at, int64_t c, int lanes, int valid);
void walk_vectors(kbuilder *k, int64_t n, int lanes, kvector_fn *fn, void *ctx);
/* The same; split: this function's share of the vectors. */
void split_vectors(const kgroup *g, bool split, int64_t n, int lanes, kvector_fn *fn, void *ctx);
/* Copy elements of `shape` between two views over its axes (move.c). */
void copy_views(kgroup *g, const mc_type *shape, kview src, kview dst);
/* The group must hold nothing but its first node. */
bool group_single(const kgroup *g);

/* exit.c: the function `name` that tells whether all rows are sure among the first n operands of
 * the group's early_exit. */
kvalue exit_known(kgroup *g, int n, const char *name);

/* ---- families (families.def) ---- */
typedef bool kfamily_emit(kgroup *g);
#define MC_FAMILY(id, scratch, columns, traits, doc) kfamily_emit family_emit_##id;
#include "mc/ir/families.def"
/* map over all positions of x (views collapsed): used by map, and by families that end in one. */
void epilogue_map(kepilogue *x);
#endif
