#include "eval.h"
#include <stdlib.h>
#include <string.h>

const char *const metric_names[] = { "top", "auc", NULL };

bool write_json(eval *e, int64_t samples, json_t *own) {
  mc_layers l = e->net ? mc_network_layers(e->net) : (mc_layers){ 0 };
  json_t *all = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "schema", "mc-eval/1",
                          "version", mc_version(), "network", e->t.args.v[0], "kind",
                          e->net ? mc_network_kind(e->net) : "jit", "arithmetic",
                          e->net ? mc_layers_text(&l) : mc_quant_names[e->quant], "data", e->data,
                          "metric", metric_names[e->metric], "samples", (json_int_t)samples);
  if (all) json_object_update(all, own);
  json_decref(own);
  char *text = all ? json_dumps(all, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : NULL;
  json_decref(all);
  if (!text) return mc_error(&e->t.diag, mc_noloc, "--json: a name is not UTF-8, which JSON needs");
  char *line = mc_arena_printf(e->t.arena, "%s\n", text);
  free(text);
  return mc_write_file(*e->json ? e->json : "-", line, strlen(line), &e->t.diag);
}
