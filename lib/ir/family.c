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
