#include "mc/ir/family.h"

enum { /* the words of the traits column */
       PARTS = MC_FAM_PARTS,
       LINES = MC_FAM_LINES,
       WINOGRAD = MC_FAM_WINOGRAD,
       READY = MC_FAM_READY,
       NOCODE = MC_FAM_NOCODE
};

const mc_family_info mc_families[MC_NUM_FAMILIES] = {
  [MC_FAMILY_none] = { "", 0, 0, "" },
#define MC_FAMILY(id, scratch, columns, traits, doc)                                               \
  [MC_FAMILY_##id] = { #id, columns, traits, doc },
#include "mc/ir/families.def"
};

const char *const mc_names_family[] = { "",
#define MC_FAMILY(id, scratch, columns, traits, doc) #id,
#include "mc/ir/families.def"
                                        NULL };

const mc_kernel_form_info mc_kernel_forms[MC_NUM_KERNEL_FORMS] = {
  [MC_KERNEL_FORM_plain] = { "", MC_FAMILY_none, "" },
#define MC_KERNEL_FORM(id, family, doc) [MC_KERNEL_FORM_##id] = { #id, MC_FAMILY_##family, doc },
#include "mc/ir/forms.def"
};

const char *const mc_names_form[] = { "",
#define MC_KERNEL_FORM(id, family, doc) #id,
#include "mc/ir/forms.def"
                                      NULL };
