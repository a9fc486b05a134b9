/* How a row of a depthwise convolution of bytes is cut into registers
 * (lib/kernels/conv/depthwise_interleaved.c), and how much work that is: one plan for the kernel
 * and for the cost model. */
#ifndef MC_ANALYSIS_DWCUT_H
#define MC_ANALYSIS_DWCUT_H
#include "mc/target/target.h"

enum { MC_DW_PHASES = 8, MC_DW_PIECES = 8 };

/* Registers of one kind. */
typedef struct mc_dw_piece {
  int bytes;      /* of a register: 16, 32 or 64 */
  int slot;       /* 0: channels of one pixel; 4, 8, 16: bytes that each of several pixels takes */
  int64_t first;  /* channel */
  int64_t blocks; /* so many blocks of `bytes` channels one after the other */
} mc_dw_piece;

typedef struct mc_dw_row {
  int64_t c, mult, ow, sx; /* result channels, of each input channel so many; pixels; stride */
  bool dense;              /* pixels of operand and result lie together */
  bool packed;             /* results are requantized and nothing else */
} mc_dw_row;

typedef struct mc_dw_cut {
  int phases; /* above 0: a row is one line of bytes, and every phases-th register has the same
                 channels */
  int npiece; /* 1 with a line */
  mc_dw_piece piece[MC_DW_PIECES];
} mc_dw_cut;

/* Bytes of the widest register that such a kernel uses. */
int mc_dw_most(const mc_target *t);
/* False: more pieces than there is room for. */
bool mc_dw_cut_row(const mc_dw_row *row, const mc_target *t, mc_dw_cut *cut);
/* Registers of a row, by their time: one that several pixels are brought together in counts for
 * more than one, and one that is narrower than the widest as one. */
double mc_dw_registers(const mc_dw_row *row, const mc_target *t);
#endif
