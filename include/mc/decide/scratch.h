/* Arena bytes that a group needs for itself while it runs, and how kernels divide them. */
#ifndef MC_DECIDE_SCRATCH_H
#define MC_DECIDE_SCRATCH_H
#include "mc/analysis/winograd.h"
#include "mc/decide/ask.h"

/* Of all tasks together; 0: none. Asked when layouts are final and no value has a place yet. */
int64_t mc_decide_scratch(const mc_ask *a);

/* ---- softmax, layer_norm: numbers in fp32 between two passes ---- */
enum { MC_ROWS_MOST = 8 }; /* rows of a block */

/* Does the group end in the head's own f32 result, so that they can be there? */
bool mc_rows_in_place(const mc_node *group);
int64_t mc_rows_bytes(int64_t n); /* a row of n elements */
/* The axis that is normalized, counted from 0; rank: of the operand without axes of 1 after it. */
int mc_softmax_axis(const mc_node *softmax, int *rank);
int64_t mc_softmax_task_bytes(const mc_node *softmax);
int mc_norm_axis(const mc_node *layer_norm); /* the first of those that are normalized */
/* Are there elementwise ops before it in its group? */
bool mc_norm_has_front(const mc_node *layer_norm);
int64_t mc_norm_task_bytes(const mc_node *layer_norm); /* where there are */
/* A dense copy of rows that are not one piece of memory. */
int64_t mc_norm_dense_bytes(const mc_type *t);
/* Must the rows be copied so? */
bool mc_norm_copies(const mc_ask *a, const mc_node *layer_norm);

/* ---- resize ---- */
bool mc_resize_mixes(const mc_node *resize);        /* bilinear */
int64_t mc_resize_row_bytes(const mc_node *resize); /* a row of fp32; each task has two */

/* ---- Winograd ---- */
int64_t mc_winograd_task_bytes(const mc_winograd *w);
#endif
