/* A file from several blocks of memory, so that large tensors need no copy. */
#ifndef MC_SUPPORT_PIECES_H
#define MC_SUPPORT_PIECES_H
#include "mc/support/blob.h"
typedef struct mc_piece { const void *data; size_t size; } mc_piece;
/* As mc_write_file. */
bool mc_write_pieces(const char *path, const mc_piece *p, size_t n, mc_diag *d);
/* As mc_write_files. */
typedef struct mc_piecefile { const char *path; const mc_piece *p; size_t n; } mc_piecefile;
bool mc_write_piece_files(const mc_piecefile *f, int n, mc_diag *d);
#endif
