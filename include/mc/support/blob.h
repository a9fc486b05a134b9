/* Files of bytes: mapped read-only, written whole or not at all; safetensors on top. */
#ifndef MC_SUPPORT_BLOB_H
#define MC_SUPPORT_BLOB_H
#include "mc/support/arena.h"
#include "mc/support/diag.h"

typedef struct mc_blob mc_blob; /* a mapped file */
/* Map a file. NULL after reporting at `at` (no such file, a folder, too large). Released with
 * mc_blob_close. */
mc_blob *mc_blob_open(const char *path, mc_diag *d, mc_loc at);
void mc_blob_close(mc_blob *b);
/* What was read so far need not stay in this process's memory; it is mapped in again when it is
 * read again. */
void mc_blob_relax(mc_blob *b);
const unsigned char *mc_blob_data(const mc_blob *b);
size_t mc_blob_size(const mc_blob *b);
const char *mc_blob_path(const mc_blob *b);
/* Read a whole file, "-" being standard input, into the arena (NUL-terminated, *size without the
 * NUL). NULL after reporting. */
char *mc_read_file(const char *path, size_t *size, mc_arena *a, mc_diag *d, mc_loc at);
/* Write size bytes to path ("-": standard output) through a temporary in the same folder and a
 * rename. */
bool mc_write_file(const char *path, const void *data, size_t size, mc_diag *d);

/* The same for files that belong together: the names change once all contents are on disk, so that
 * a failure leaves none of them. */
typedef struct mc_outfile {
  const char *path;
  const void *data;
  size_t size;
} mc_outfile;

enum { MC_MAX_OUTFILES = 8 };

bool mc_write_files(const mc_outfile *f, int n, mc_diag *d);

/* The same for files that lie in several blocks of memory, so that large tensors need no copy. */
typedef struct mc_piece {
  const void *data;
  size_t size;
} mc_piece;

typedef struct mc_piecefile {
  const char *path;
  const mc_piece *p;
  size_t n;
} mc_piecefile;

bool mc_write_pieces(const char *path, const mc_piece *p, size_t n, mc_diag *d);
bool mc_write_piece_files(const mc_piecefile *f, int n, mc_diag *d);

/* safetensors: 8-byte little-endian header length, JSON header, data. Offsets, counts, sizes and
 * overlaps are checked. */
typedef struct mc_st_entry {
  const char *name;
  const char *dtype_name;
  int rank;
  int64_t dim[8];
  const void *data;
  size_t size;
} mc_st_entry;

typedef struct mc_st_file {
  mc_blob *blob;
  mc_st_entry *entry;
  size_t n;
  const char *meta_json;
} mc_st_file;

/* Open and check; entries sorted by name; data point into the mapping (copied to the arena when not
 * aligned to its elements). NULL after reporting. */
mc_st_file *mc_st_open(const char *path, mc_arena *a, mc_diag *d, mc_loc at);
void mc_st_close(mc_st_file *f);
const mc_st_entry *mc_st_find(const mc_st_file *f, const char *name);
/* Write entries, wide elements first, otherwise in the order given: aligned to their elements
 * without holes, which the format forbids. */
bool mc_st_write(const char *path, const mc_st_entry *e, size_t n, mc_diag *d);
/* The same together with another file (as mc_write_files). */
bool mc_st_write_with(const char *path, const mc_st_entry *e, size_t n, const mc_outfile *with,
                      mc_diag *d);
/* In-memory form of mc_st_open, for tests and fuzzers; data is borrowed. */
mc_st_file *mc_st_parse(const void *data, size_t size, mc_arena *a, mc_diag *d, mc_loc at);

/* base64 (RFC 4648, padded). Decode gives NULL and the offset of the bad byte. */
void mc_base64_encode(mc_strbuf *out, const void *p, size_t n);
unsigned char *mc_base64_decode(const char *s, size_t n, size_t *out_n, mc_arena *a, size_t *bad);
#endif
