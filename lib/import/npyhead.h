/* The header of an .npy array, shared by .npy files and the members of .npz archives. */
#ifndef MC_IMPORT_NPYHEAD_H
#define MC_IMPORT_NPYHEAD_H
#include "mc/import/npy.h"

enum { NPY_PREFIX = 12, NPY_MAX_HEADER = 1 << 20 };

/* Whom to report to, and what to call the array ("x.npy", "calib.npz: array 'x'"). */
typedef struct npy_where {
  mc_diag *diag;
  mc_loc at;
  const char *who;
} npy_where;

/* Bytes before the data, from the first n bytes of an array (NPY_PREFIX are enough). False
 * after reporting. */
bool npy_header_size(size_t *size, const unsigned char *p, size_t n, npy_where w);

/* How the elements are stored, where not as the array has them. */
typedef struct npy_form {
  bool fortran;
  int wide; /* bytes of an unsigned type without a dtype; 0 */
} npy_form;

/* Parse the whole header of `size` bytes: dtype, rank, dim, and size (bytes of the data as stored)
 * of `out`. False after reporting. */
bool npy_header_parse(mc_npy *out, npy_form *form, const unsigned char *p, size_t size,
                      npy_where w);
/* out->data and ->size from the stored data, which may be kept (`own`: it is in the arena already).
 * False after reporting. */
bool npy_take(mc_npy *out, npy_form form, const void *stored, bool own, mc_arena *a, npy_where w);
/* Append the header of x. */
bool npy_header_write(mc_strbuf *b, const mc_npy *x, npy_where w);
#endif
