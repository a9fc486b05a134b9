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
  kb *k;
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
  V base;
  mc_dtype dtype;
  int rank;
  int64_t stride[MC_MAX_RANK];
  bool slack; /* MC_PLAN_SLACK bytes after the last element may be read */
} kview;

static inline kview kl_at_base(mc_strides s, V base) {
  kview v = { .base = base, .dtype = s.dtype, .rank = s.rank, .slack = s.slack };
  for (int d = 0; d < s.rank; d++) v.stride[d] = s.stride[d];
  return v;
}

enum { KX_MAX_VIEWS = MC_SPACE_VIEWS };

bool kl_error(const kgroup *g, const mc_node *n, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
mc_node *kl_first(const kgroup *g); /* what the group is about (mc_region_head) */
/* The buffer of an outer value or a group result; region values that are returned map to the
 * group's results. NULL: constant or inside. */
const mc_buffer *kl_buffer(const kgroup *g, const mc_value *v);
bool kl_inside(const kgroup *g, const mc_value *v); /* defined in the region */
/* View in the value's own axes: constants, outer values, group results. */
kview kl_view(const kgroup *g, const mc_value *v);
/* The view of what a transpose gives, of its operand's view; back: of its operand, of its result's.
 */
kview kl_transposed(kview v, const mc_node *transpose, bool back);
/* View of an operand of a product, through a transpose before it in the group. */
kview kl_operand(const kgroup *g, const mc_value *v);
V kl_scratch(const kgroup *g); /* the group's own arena bytes; undef when the plan gave none */
/* A view of v broadcast (numpy rules) to an iteration space of `rank` axes. */
kview kl_broadcast(kview v, const mc_type *t, int rank, const int64_t *dim);
V kl_at(kb *k, const kview *v, int rank, V const *iv,
        const int64_t *c); /* address; iv[d] NULL: 0; c NULL: 0 */
/* Fill the halo (and what is not the value's) of every result of the group with its zero point.
 * Called after the last store. */
void kl_fill_borders(const kgroup *g);
int64_t kl_elem(const kview *v);  /* bytes of an element */
T kl_mem_type(kb *k, mc_dtype t); /* in memory */

/* Register form: f32, for 16-bit floats too; f64 (i64 in memory); i64; narrower integers: i32. */
static inline bool kl_real(mc_dtype t) { return t == MC_f32 || t == MC_bf16; }

V kl_widen(kb *k, V mem, mc_dtype t);
V kl_narrow(kb *k, V reg, mc_dtype t);
/* Load / store `lanes` elements (of which `valid` exist) along the axis with stride `stride` bytes,
 * in register form; _mem: as they are in memory. */
V kl_load_mem(kb *k, V p, mc_dtype t, int64_t stride, int lanes, int valid, bool slack);
V kl_load(kb *k, V p, mc_dtype t, int64_t stride, int lanes, int valid, bool slack);
void kl_store(kb *k, V reg, V p, mc_dtype t, int64_t stride, int valid);
/* A number of the value's stored type nearest to real 0 (its zero point, or 0). */
int32_t kl_zero_point(const mc_type *t);

/* ---- work for several threads (split.c, docs/internals/threads.md) ---- */
/* Its shares are its images, which run one after the other: the outermost loop is divided, which
 * must be that over images. */
bool kl_by_images(const kgroup *g);
/* The plan wants columns or channels to be divided. */
bool kl_by_columns(const kgroup *g);
/* Has the present function divided a loop so far? */
bool kl_divided(const kgroup *g);
/* This function's share of n units: [lo, hi), constants 0 and n where nothing is divided. */
void kl_share(const kgroup *g, int64_t n, V *lo, V *hi);
/* A loop over [0, n) by step; split: over this function's share of its trips. Divided loops may
 * make no trip. */
void kl_range(const kgroup *g, kb_loop *l, int64_t n, int64_t step, bool split);
/* A loop over [0, n) by blocks of `step`, of which the last moves back to be full: in its share, so
 * that no two tasks write the same; returns where the block begins. The shares have as many rows
 * each, whatever the step, so that all groups cut tensors at the same place. kl_blocks_divide:
 * whether that loop can be divided. */
V kl_blocks(const kgroup *g, kb_loop *l, int64_t n, int64_t step, bool split);
bool kl_blocks_divide(const kgroup *g, int64_t n, int64_t step);
/* Its trips [from, to) alone, of n trips that are divided. */
void kl_range_part(const kgroup *g, kb_loop *l, int64_t from, int64_t to, int64_t n, int64_t step,
                   bool split);
/* The loop of a nest that is divided: the outermost of n that can be shared, unless another shares
 * much more evenly: what groups divide alike stays with its core; the innermost one where the plan
 * wants columns. -1: none can (every count is 1), or nothing is divided. */
int kl_divide(const kgroup *g, int n, const int64_t *trips);
/* The same for a nest whose innermost axis is walked by `lanes` elements at a time; *once is opened
 * as a loop of one trip, or none, where no loop is divided: one task does it all. */
int kl_divide_nest(const kgroup *g, kb_loop *once, int rank, const int64_t *dim, int lanes);
/* What was emitted so far must be finished by all shares before what follows begins: ends the
 * function and begins the next; values of the first cannot be used in it. Does nothing for one
 * thread. False where nothing was done. */
bool kl_step(kgroup *g);

/* ---- iteration spaces ---- */
/* Merge neighbouring axes of [0, keep) where every view allows it (keep: axes after it stay).
 * Returns the new rank; dim and all views change. */
int ks_collapse(int rank, int64_t *dim, kview **views, int nviews, int keep);

/* ---- evaluation of a region's elementwise ops ---- */
typedef struct kx_operand {
  const void *key;
  kview view;
  V cur;
} kx_operand; /* key: the value; or the node, for its table of per-channel parameters */

typedef struct kx_bound {
  const mc_value *value;
  V v, clamped;
} kx_bound; /* clamped: of a quantized value, the fp32 that was rounded to q - zero point; may be
               NULL */

typedef struct kx {
  kgroup *g;
  kb *k;
  int rank;
  int64_t dim[MC_MAX_RANK];
  mc_node *head; /* the node whose result the family binds itself; NULL: all are elementwise */
  bool front;    /* the ops before the head instead of those after it: kx_front */
  kx_operand op[KX_MAX_VIEWS];
  int nop;
  kview out[KX_MAX_VIEWS];
  int nout;
  kx_bound *bound;
  int nbound;
  const mc_node *tail, *table; /* the only result is bytes that tail computes, or table from them,
                                  and they may be narrowed by saturation (kx_raw); else NULL */
  bool raw;
  V clamped; /* between an op and its result: leave the clamp out; what quantizing clamped */
  V head_bits;
  int32_t
      head_base; /* the head's integers with head_base added, for kv_biased_to_f32; 0: nothing */
  int64_t head_most; /* no |integer| of the head is larger; 0: not known */
  int lanes, valid;
  V iv[MC_MAX_RANK];
  int64_t c[MC_MAX_RANK]; /* the position: axis d at iv[d] + c[d]; the last axis continues for
                             `lanes` */
} kx;

/* Prepare for iteration space dim (the shape of the head's or result's value): views of all outer
 * operands, parameter tables. False after reporting. */
bool kx_init(kx *x, kgroup *g, mc_node *head, int rank, const int64_t *dim);
/* The same for the elementwise ops before the head, which make its first operand; no
 * results. */
bool kx_init_front(kx *x, kgroup *g, mc_node *head, int rank, const int64_t *dim);
/* Compute that operand at the position. */
V kx_front(kx *x);
/* All views of x in one list, for ks_collapse. */
int kx_views(kx *x, kview **list);
void kx_collapse(kx *x, kview **extra, int nextra, int keep);
void kx_collapse_from(kx *x, int first, kview **extra, int nextra,
                      int keep); /* axes before `first` stay */
/* Start a position: forget loaded values. */
void kx_at(kx *x, int lanes, int valid);
void kx_bind(kx *x, const mc_value *v, V reg);
/* Before the first position: the head's integers lie between lo and hi (0 among them). Chooses
 * head_base, which the family adds to them. */
void kx_bound_head(kx *x, int64_t lo, int64_t hi);
/* The head's integers, with head_base added. */
void kx_bind_head(kx *x, V bits);
/* Compute every node after the head and store the results. */
void kx_finish(kx *x);
/* Where x->tail is there: compute every node up to it, without the clamp and zero point that
 * narrowing brings; then store n such vectors of 16, of which `valid` elements exist, at the
 * position. Together they are kx_finish for n neighbouring positions along the last axis; n <=
 * kv_narrow_most. */
V kx_raw(kx *x);
void kx_store_raw(kx *x, V *raw, int n, int valid);
/* Its halves, for vectors that do not follow one another: to bytes; then those from lane
 * `from` on, to the position. */
V kx_narrow(kx *x, V *raw, int n);
void kx_store_bytes(kx *x, V bytes, int from, int valid);
V kx_value(kx *x, const mc_value *v); /* an operand at the position, register form */
V kx_param(kx *x, const mc_node *n,
           int which); /* per-channel table `which` of node n at the position */
/* elem.c: one elementwise op; NULL after reporting. */
V kx_elem(kx *x, const mc_node *n);
V kx_clamped(kx *x,
             const mc_value *v); /* kx_bound.clamped of a value that the region computed, or NULL */
/* elem.c: the numbers that node n quantizes lie within +-2^30 for all operands, and are numbers. */
bool kx_bounded(const mc_node *n);
/* elem.c: the tail's results fit into 16 bits with room for a zero point, before they are clamped.
 */
bool kx_stays_small(const kx *x);
/* elem.c: tables that node n needs (one per `which`); false after reporting that the op or its
 * types have no lowering. */
bool kx_prepare(kx *x, const mc_node *n);
bool kx_add_table(kx *x, const mc_node *n, int which, const void *data, int64_t count, mc_dtype t,
                  int axis);

/* Walk n elements: `lanes` (a power of two) at a time, then what is left: at once under a mask, or
 * as 8, 4, 2, 1 lanes. fn sees elements [at + c, at + c + lanes), at NULL: 0, of which `valid`
 * exist. */
typedef void k_vector_fn(void *ctx, V at, int64_t c, int lanes, int valid);
void k_vectors(kb *k, int64_t n, int lanes, k_vector_fn *fn, void *ctx);
/* The same; split: this function's share of the vectors. */
void kl_vectors(const kgroup *g, bool split, int64_t n, int lanes, k_vector_fn *fn, void *ctx);
/* Copy elements of `shape` between two views over its axes (move.c). */
void kl_copy(kgroup *g, const mc_type *shape, kview src, kview dst);
/* The group must hold nothing but its first node. */
bool kl_single(const kgroup *g);

/* ---- families (families.def) ---- */
typedef bool k_emit_fn(kgroup *g);
#define MC_FAMILY(id, scratch, columns, traits, doc) k_emit_fn k_emit_##id;
#include "mc/ir/families.def"
/* map over all positions of x (views collapsed): used by map, and by families that end in one. */
void kx_run(kx *x);
#endif
