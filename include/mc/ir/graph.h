/* The graph: modules own tensors, types and graphs; graphs own nodes in topological order; nodes
 * define values; values know their uses.
 *
 * Fields may be read anywhere; they are changed through the functions below only, which keep the
 * use lists right. Everything lives in the module's arena. */
#ifndef MC_IR_GRAPH_H
#define MC_IR_GRAPH_H
#include "mc/ir/op.h"
#include "mc/ir/types.h"
#include "mc/support/blob.h"
#include "mc/support/map.h"

typedef struct mc_module mc_module;
typedef struct mc_graph mc_graph;
typedef struct mc_node mc_node;
typedef struct mc_value mc_value;
typedef struct mc_use mc_use;

/* A named (or inline, name == NULL) block of constant data: dense, row-major, little-endian. */
typedef struct mc_tensor {
  const char *name; /* unique in the module; NULL: inline constant */
  mc_dtype dtype;
  int rank;
  int64_t dim[MC_MAX_RANK];
  const void *data;
  size_t
      size; /* bytes; mapped or in the module's arena; never written after creation is complete */
  const char *file; /* the weights file (as written in the text) that it is mapped from; NULL: made
                       by a pass, an importer or a data section */
  mc_loc loc;
} mc_tensor;

typedef struct mc_range {
  bool known;
  float lo, hi;
} mc_range; /* observed real values; written by calibrate, printed as range(lo, hi) */

struct mc_use {
  mc_node *user;
  int slot;
  mc_use *prev, *next;
};

struct mc_value {
  const mc_type *type;
  const char *name; /* "%name" without the sign; NULL: printed as a number */
  mc_node *def;
  int index;       /* result `index` of def; or, def == NULL, input `index` of graph */
  mc_graph *graph; /* set for graph inputs */
  mc_use *uses;    /* list, most recent first */
  mc_range range;
  const char *source; /* loc("..."): the name in the imported model; graph inputs only (nodes have
                         their own) */
  mc_loc loc;
};

struct mc_node {
  mc_opcode op;
  void *attrs; /* mc_attrs_<op>; use MC_ATTRS(node, conv2d) */
  int nin, nout;
  mc_value **in;
  mc_use *in_use; /* one use-list entry per operand slot */
  mc_value **out;
  mc_graph *graph;
  mc_node *prev, *next; /* position; graph == NULL: not inserted */
  mc_graph *region;     /* group */
  const char *source;   /* loc("..."): the name in the imported model, or NULL */
  mc_loc loc;           /* where it is in the text */
  unsigned id;          /* unique in the module, grows with creation */
};

struct mc_graph {
  mc_module *module;
  const char *name; /* "@name" without the sign */
  mc_value **in;
  int nin;               /* inputs; regions have none */
  mc_node *first, *last; /* last is the `return` node once the graph is complete */
  mc_node *parent;       /* the group that holds this region, or NULL */
  mc_graph *next;        /* next top-level graph of the module */
  mc_loc loc;
};

struct mc_module {
  mc_arena *arena;
  const mc_source *src;     /* the text it was parsed from, or NULL */
  const char *weights_file; /* as written; NULL: none */
  const char *calibration;  /* as written; NULL: none */
  const char *dir;          /* folder that relative names start from ("." for pipes) */
  mc_graph *graphs;
  mc_map tensors;          /* name -> mc_tensor */
  mc_map types;            /* interning */
  mc_map suffixes;         /* name -> last number given to a tensor of that name */
  MC_VEC(mc_blob *) blobs; /* mapped files, closed with the module */
  unsigned next_id;
  mc_module *copies, *next_copy; /* mc_module_copy */
};

#define MC_ATTRS(node, op_) ((mc_attrs_##op_ *)(node)->attrs)

/* ---- modules, tensors, types ---- */
mc_module *mc_module_create(void);
void mc_module_destroy(mc_module *m);
/* Deep copy: graphs, types; tensors' data are shared by the copy, which must not outlive `m`. */
mc_module *mc_module_clone(const mc_module *m);
/* The graph that is g in a deep copy of its module (copy->module, to be destroyed). */
mc_graph *mc_graph_clone(const mc_graph *g);
/* A deep copy that is destroyed together with `m`. */
mc_module *mc_module_copy(mc_module *m);
/* `other`, which no other module may own, is destroyed together with `m`. */
void mc_module_adopt(mc_module *m, mc_module *other);
/* Deep copies of the nodes of `from`, without its return, at the end of `to`, a graph of another
 * module that must not outlive from's. in: what from's inputs become. Tensors get other names where
 * theirs are taken, and belong to no file. The results' copies, in to's arena. */
mc_value **mc_graph_append(mc_graph *to, const mc_graph *from, mc_value *const *in);
/* The interned type; dims and quantization must be valid (see mc_type_check). */
const mc_type *mc_type_intern(mc_module *m, const mc_type *proto);
const mc_type *mc_type_make(mc_module *m, mc_dtype dtype, int rank,
                            const int64_t *dim); /* unquantized */
const mc_type *mc_type_make_q(mc_module *m, mc_dtype dtype, int rank, const int64_t *dim,
                              float scale, int32_t zero);
const mc_type *mc_type_with_dims(mc_module *m, const mc_type *t, int rank,
                                 const int64_t *dim); /* element type of t, other shape */
const mc_type *mc_type_with_elem(
    mc_module *m, const mc_type *shape,
    const mc_type *elem); /* shape of one, dtype and quantization of the other */
/* NULL when fine, else what is wrong ("dimension 2 is 0"): dims >= 1 (0 is refused), product and
 * bytes below 2^62, quantization legal. */
const char *mc_type_check(const mc_type *t);
/* New tensor with zeroed, writable data in the module's arena (fill it at once). `name` is made
 * unique by a suffix ".1", ".2"...; NULL: inline. */
mc_tensor *mc_tensor_create(mc_module *m, const char *name, mc_dtype dtype, int rank,
                            const int64_t *dim, void **data);
/* Tensor on data owned elsewhere (a mapping in m->blobs). The name must be new; NULL after nothing
 * is reported when it is taken. */
mc_tensor *mc_tensor_map(mc_module *m, const char *name, mc_dtype dtype, int rank,
                         const int64_t *dim, const void *data, size_t size, const char *file);
/* The same data in another module, under a name that is free there. */
mc_tensor *mc_tensor_copy(mc_module *m, const mc_tensor *t);
mc_tensor *mc_module_tensor(const mc_module *m, const char *name);
int64_t mc_tensor_elems(const mc_tensor *t);

/* ---- graphs ---- */
mc_graph *mc_graph_create(mc_module *m, const char *name, mc_loc loc); /* appended to m->graphs */
mc_value *mc_graph_add_input(mc_graph *g, const char *name, const mc_type *t, mc_loc loc);
mc_graph *mc_module_graph(const mc_module *m,
                          const char *name); /* NULL name: the first (main) graph */
mc_graph *mc_region_create(mc_node *parent); /* the empty region of an inserted group node */
int mc_graph_nout(const mc_graph *g);        /* operands of its return */
mc_value *mc_graph_out(const mc_graph *g, int i);
mc_node *mc_region_head(
    const mc_graph *region); /* what a group is about: its product, softmax or layer_norm, else its
                                first op; NULL: constants alone */
/* Iteration that survives removal of `n`: MC_FOR_NODES(n, g) { ... } ; regions are not entered. */
#define MC_FOR_NODES(n, g)                                                                         \
  for (mc_node *n = (g)->first, *n##_next; n && (n##_next = n->next, 1); n = n##_next)
#define MC_FOR_NODES_REV(n, g)                                                                     \
  for (mc_node *n = (g)->last, *n##_next; n && (n##_next = n->prev, 1); n = n##_next)
#define MC_FOR_USES(u, v)                                                                          \
  for (mc_use *u = (v)->uses, *u##_next; u && (u##_next = u->next, 1); u = u##_next)

/* ---- nodes ---- */
/* A node that is in no graph yet: default attributes, `nout` results without types. Operands may be
 * NULL until it is inserted and verified. */
mc_node *mc_node_create(mc_module *m, mc_opcode op, mc_value *const *in, int nin, int nout,
                        mc_loc loc);
/* Insert before `before`; NULL: at the end of g (before nothing: after the return when it is
 * there, so pass g->last to stay before it). */
void mc_node_insert(mc_graph *g, mc_node *before, mc_node *n);
void mc_node_move(mc_graph *g, mc_node *before, mc_node *n);
/* Take out and drop the uses of its operands; its results must be unused. */
void mc_node_remove(mc_node *n);
void mc_node_set_in(mc_node *n, int slot, mc_value *v);
void mc_node_set_nin(mc_node *n, mc_value *const *in,
                     int nin); /* replace all operands; more than before only once n is inserted */
/* All uses of `from` become uses of `to`; `to` inherits name, source name and range where it has
 * none. */
void mc_value_replace(mc_value *from, mc_value *to);
int mc_value_nuses(const mc_value *v);
mc_node *mc_value_single_user(const mc_value *v); /* NULL unless exactly one use */
mc_module *mc_node_module(const mc_node *n);
/* The constant that a value is: the tensor of a weight/const, else NULL. */
mc_tensor *mc_value_tensor(const mc_value *v);
/* The node of graph g that is n or (for regions) holds n; NULL when n is elsewhere. */
mc_node *mc_node_in(const mc_graph *g, mc_node *n);
/* Put the nodes of g into an order that respects uses, keeping the present order where possible.
 * False: a cycle. */
bool mc_graph_sort(mc_graph *g);
#endif
