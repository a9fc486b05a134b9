/* Kernel families (families.def), and the one that a group names. */
#ifndef MC_IR_FAMILY_H
#define MC_IR_FAMILY_H
#include "mc/ir/graph.h"

typedef enum mc_family {
  MC_FAMILY_none, /* not chosen yet */

#define MC_FAMILY(id, scratch, columns, traits, doc) MC_FAMILY_##id,
#include "mc/ir/families.def"
  MC_NUM_FAMILIES
} mc_family;

/* How the kernel computes a group (forms.def), where its family has several ways. */
typedef enum mc_kernel_form {
  MC_KERNEL_FORM_plain, /* its family has one way alone; as an attribute: not chosen yet */

#define MC_KERNEL_FORM(id, family, doc) MC_KERNEL_FORM_##id,
#include "mc/ir/forms.def"
  MC_NUM_KERNEL_FORMS
} mc_kernel_form;

/* The traits column of families.def. */
enum {
  MC_FAM_PARTS = 1,
  MC_FAM_LINES = 2,
  MC_FAM_WINOGRAD = 4,
  MC_FAM_READY = 8,
  MC_FAM_NOCODE = 16
};

typedef struct mc_family_info {
  const char *text; /* "gemm"; "" for none */
  int columns;
  unsigned traits;
  const char *doc;
} mc_family_info;

extern const mc_family_info mc_families[MC_NUM_FAMILIES];

typedef struct mc_kernel_form_info {
  const char *text; /* "product"; "" for plain */
  mc_family family;
  const char *doc;
} mc_kernel_form_info;

extern const mc_kernel_form_info mc_kernel_forms[MC_NUM_KERNEL_FORMS];

static inline bool mc_family_has(mc_family f, unsigned trait) {
  return (mc_families[f].traits & trait) != 0;
}

/* The family of a group node. */
static inline mc_family mc_group_family(const mc_node *group) {
  return (mc_family)MC_ATTRS(group, group)->kernel;
}

static inline const char *mc_group_family_text(const mc_node *group) {
  return mc_families[mc_group_family(group)].text;
}

/* The form that the text asks for; plain: none. */
static inline mc_kernel_form mc_group_form(const mc_node *group) {
  return (mc_kernel_form)MC_ATTRS(group, group)->form;
}

static inline void mc_group_set_family(mc_node *group, mc_family f) {
  MC_ATTRS(group, group)->kernel = (mc_field_QUOTED)f;
}

static inline bool mc_group_is(const mc_node *group, mc_family f) {
  return mc_group_family(group) == f;
}

static inline bool mc_group_has(const mc_node *group, unsigned trait) {
  return mc_family_has(mc_group_family(group), trait);
}
#endif
