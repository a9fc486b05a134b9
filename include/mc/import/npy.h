/* numpy's .npy and .npz (zip, stored or deflated) files. Headers, sizes and counts are checked
 * against the file. */
#ifndef MC_IMPORT_NPY_H
#define MC_IMPORT_NPY_H
#include "mc/ir/types.h"
#include "mc/support/diag.h"

/* C order, little-endian; dim may be 0. `bits`: the file's elements were u16, which may be the bits
 * of a 16-bit float; the array has their values as i32. */
typedef struct mc_npy {
  const char *name;
  mc_dtype dtype;
  int rank;
  int64_t dim[MC_MAX_RANK];
  const void *data;
  size_t size;
  bool bits;
} mc_npy;

/* One array; data in the arena. False after reporting. Fortran order is turned into C order; u16
 * becomes i32, u32 and u64 become i64 (values from 2^63 on are an error), two-byte voids (what
 * ml_dtypes writes) are bf16. Big-endian elements are refused by name. */
bool mc_npy_read(const char *path, mc_npy *out, mc_arena *a, mc_diag *d, mc_loc at);
bool mc_npy_write(const char *path, const mc_npy *x, mc_diag *d);
typedef struct mc_npz mc_npz;
/* An archive; arrays are inflated when asked for. NULL after reporting. */
mc_npz *mc_npz_open(const char *path, mc_diag *d, mc_loc at);
/* The same from memory, which is borrowed until mc_npz_close. */
mc_npz *mc_npz_open_memory(const void *data, size_t size, mc_diag *d, mc_loc at);
void mc_npz_close(mc_npz *z);
int mc_npz_count(const mc_npz *z);
const char *mc_npz_name(const mc_npz *z, int i); /* without ".npy" */
/* Array by name, whole, in the arena; NULL name: the first. False after reporting. */
bool mc_npz_read(mc_npz *z, const char *name, mc_npy *out, mc_arena *a, mc_diag *d, mc_loc at);
/* An array that is read piece by piece, so that its size costs no memory. */
typedef struct mc_npz_rows mc_npz_rows;
/* *rows: NULL for arrays below `least` bytes and for those that need work on the whole (Fortran
 * order, unsigned integers of 2 bytes and more), which mc_npz_read takes; else `out` has no data.
 * Name as there. In the arena; the archive must outlive it. False after reporting. */
bool mc_npz_open_rows(mc_npz *z, const char *name, size_t least, mc_npy *out, mc_npz_rows **rows,
                      mc_arena *a, mc_diag *d, mc_loc at);
/* Bytes [from, from + n) of the data, valid until the next call; fast where they are asked for in
 * order. NULL after reporting: cut off or damaged. */
const void *mc_npz_rows_at(mc_npz_rows *r, size_t from, size_t n);
/* NULL is allowed. */
void mc_npz_rows_close(mc_npz_rows *r);
bool mc_npz_write(const char *path, const mc_npy *x, int n, mc_diag *d);
/* From memory, for fuzzing. */
bool mc_npy_parse(const void *data, size_t size, mc_npy *out, mc_arena *a, mc_diag *d, mc_loc at);
#endif
