/* Parts of the page of --report; each appends. */
#ifndef MC_SEARCH_REPORT_H
#define MC_SEARCH_REPORT_H
#include "common/page.h"
#include "search.h"

/* Accuracy against latency: all candidates, the front, the limits. */
void report_front(mc_strbuf *out, search *s);
/* What INT8 costs layer by layer. */
void report_layers(mc_strbuf *out, search *s);
/* Activations of the chosen shape in fp32, with the ranges that INT8 gets. False after reporting. */
bool report_histograms(mc_strbuf *out, search *s);
/* The original and the chosen network, op by op. False after reporting. */
bool report_graphs(mc_strbuf *out, search *s);
/* How a node is called: its layer, its result, or its op. */
const char *report_name(const mc_node *n, mc_arena *a);
#endif
