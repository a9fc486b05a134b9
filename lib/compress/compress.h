/* Shared by the compression passes. */
#ifndef MC_COMPRESS_COMPRESS_H
#define MC_COMPRESS_COMPRESS_H
#include "mc/analysis/channels.h"
#include "mc/pass/pass.h"

/* Physically remove the classes with keep[class] == false: constants are cut, attributes that count channels follow, shapes are inferred again. False after reporting. */
bool mc_channels_remove(mc_graph *g, const mc_channels *ch, const bool *keep, mc_diag *d);
/* Kept channels of v's last axis (all of them when v is not analysed). */
int64_t mc_channels_kept(const mc_channels *ch, const mc_value *v, const bool *keep);
/* MACs of the graph when only `keep` stays; keep == NULL: all. */
double mc_channels_macs(const mc_graph *g, const mc_channels *ch, const bool *keep);
#endif
