/* Parts of the page of --report; each appends. */
#ifndef MC_SEARCH_REPORT_H
#define MC_SEARCH_REPORT_H
#include "common/page.h"
#include "search.h"

/* Accuracy against latency: all candidates, the front, the limits. */
void report_front(mc_strbuf *out, search *s);
/* What INT8 costs layer by layer. */
void report_layers(mc_strbuf *out, search *s);
/* How layers of m, batch norms folded, react to narrower inputs. False after reporting. */
bool report_widths(mc_strbuf *out, search *s, mc_module *m, const mc_runner *runner);
/* Activations of the chosen shape in fp32, with the ranges that INT8 gets. False after reporting.
 */
bool report_histograms(mc_strbuf *out, search *s);
/* The original and the chosen network, op by op. False after reporting. */
bool report_graphs(mc_strbuf *out, search *s);
/* How a node is called: its layer, its result, or its op. */
const char *report_name(const mc_node *n, mc_arena *a);
/* Runs graphs as compiled code on this machine. NULL after reporting. */
const mc_runner *report_runner(search *s);
/* What code below the passes is given about m's first graph. */
mc_pass_context report_context(search *s, mc_module *m, const mc_runner *runner);
/* Run passes on m. False after reporting. */
bool report_passes(search *s, mc_module *m, const char *text, const mc_runner *runner);
#endif
