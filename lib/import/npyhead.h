/* The header of an .npy array, shared by .npy files and the members of .npz archives. */
#ifndef MC_IMPORT_NPYHEAD_H
#define MC_IMPORT_NPYHEAD_H
#include "mc/import/npy.h"

enum { NPY_PREFIX = 12, NPY_MAX_HEADER = 1 << 20 };

/* Whom to report to, and what to call the array ("x.npy", "calib.npz: array 'x'"). */
typedef struct npy_where { mc_diag *diag; mc_loc at; const char *who; } npy_where;

/* Bytes in front of the data, from the first n bytes of an array (NPY_PREFIX are enough). False after reporting. */
bool npy_header_size(size_t *size, const unsigned char *p, size_t n, npy_where w);
/* Parse the whole header of `size` bytes: dtype, rank, dim, and size (bytes of the data) of `out`. False after reporting. */
bool npy_header_parse(mc_npy *out, const unsigned char *p, size_t size, npy_where w);
/* Append the header of x. */
bool npy_header_write(mc_strbuf *b, const mc_npy *x, npy_where w);
#endif
