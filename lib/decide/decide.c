/* mc_decide: a family's form, and what that form leaves open. */
#include "mc/decide/decide.h"

/* Products of all phases; the group's estimate is their sum, and what is said is the first one's.
 */
static bool products(mc_decision *d, const mc_node *head, mc_arena *arena, mc_diag *diag) {
  d->form = MC_FORM_product;
  d->nproduct = head->op == MC_OP_conv_transpose2d ? mc_transposed_phases(head, NULL) : 1;
  d->product = MC_NEWN(arena, mc_gemm, d->nproduct);
  for (int i = 0; i < d->nproduct; i++) {
    mc_gemm *p = &d->product[i];
    if (!mc_gemm_decide(p, &d->ask, i, arena, diag)) return false;
    if (i == 0) {
      d->estimate = p->estimate;
      d->note = p->note;
      continue;
    }
    d->estimate.cycles += p->estimate.cycles;
    for (int k = 0; k < MC_NUM_PARTS; k++) d->estimate.part[k] += p->estimate.part[k];
  }
  return true;
}

static bool gemm(mc_decision *d, const mc_node *head, mc_arena *arena, mc_diag *diag) {
  const mc_attrs_group *at = MC_ATTRS(d->ask.group, group);
  bool asked = at->blocking.n || (at->engine && *at->engine), /* for a product */
      pixels = head->op == MC_OP_conv2d && !asked;
  if (pixels && mc_decide_first_conv(d, head, arena)) {
    d->form = MC_FORM_first_conv;
    return true;
  }
  if (pixels && mc_decide_first_conv_pairs(d, head, arena)) {
    d->form = MC_FORM_first_conv_pairs;
    return true;
  }
  return products(d, head, arena, diag);
}

static bool depthwise(mc_decision *d, const mc_node *head, mc_arena *arena, mc_diag *diag) {
  mc_dtype t = head->in[0]->type->dtype;
  if (head->op != MC_OP_conv2d || head->in[1]->type->dim[3] != 1)
    return mc_error(diag, head->loc, "'%s' does not head a 'depthwise' group",
                    mc_ops[head->op].text);
  if (t != MC_f32 && t != MC_bf16 && t != MC_u8 && t != MC_i8)
    return mc_error(diag, head->loc, "'conv2d' on %s has no lowering", mc_dtype_names[t]);
  d->form = MC_FORM_depthwise_interleaved;
  if (mc_decide_depthwise_interleaved(d, head, arena)) return true;
  d->form = MC_FORM_depthwise;
  mc_decide_depthwise(d, head, arena);
  return true;
}

static bool winograd(mc_decision *d, const mc_node *head, mc_arena *arena, mc_diag *diag) {
  static const char *const from[] = { [MC_WINOGRAD_ready] = "ready weights",
                                      [MC_WINOGRAD_block] = "weights made for each pass",
                                      [MC_WINOGRAD_once] = "weights made once" };
  const char *why = mc_winograd_refused(head, d->ask.target);
  if (why) return mc_error(diag, head->loc, "the group cannot be computed by 'winograd': %s", why);
  d->form = MC_FORM_winograd;
  mc_winograd *c = &d->winograd;
  *c = mc_winograd_cut(head, d->ask.target, d->ask.workers,
                       mc_family_has(mc_ask_family(&d->ask), MC_FAM_READY));
  d->note = mc_arena_printf(arena,
                            "F(4x4, 3x3), passes of %lld x %lld tiles, blocks of %d tiles x %d "
                            "channels, %lld channels, %s",
                            (long long)c->rp, (long long)c->cp, c->mr[0][0], (int)c->width,
                            (long long)c->c, from[c->weights]);
  return true;
}

/* Attributes of products are on products alone. */
static bool sensible(const mc_decision *d, mc_diag *diag) {
  const mc_attrs_group *at = MC_ATTRS(d->ask.group, group);
  const char *what = at->engine && *at->engine ? "engine" : at->blocking.n ? "blocking" : NULL;
  if (!what || d->form == MC_FORM_product) return true;
  return mc_error(diag, d->ask.group->loc,
                  "'%s' is for products on an engine, and '%s' computes this group otherwise", what,
                  mc_group_family_text(d->ask.group));
}

mc_decision *mc_decide(const mc_ask *a, mc_arena *arena, mc_diag *diag) {
  mc_decision *d = MC_NEW(arena, mc_decision);
  const mc_node *head = mc_region_head(a->group->region);
  *d = (mc_decision){ .ask = *a };
  if (mc_family_has(mc_ask_family(a), MC_FAM_NOCODE)) return d;
  bool ok = true;
  if (!head) {
    mc_error(diag, a->group->loc, "the group is empty");
    return NULL;
  }
  switch (mc_ask_family(a)) {
  case MC_FAMILY_gemm: ok = gemm(d, head, arena, diag); break;
  case MC_FAMILY_depthwise: ok = depthwise(d, head, arena, diag); break;
  case MC_FAMILY_winograd:
  case MC_FAMILY_winograd_ready: ok = winograd(d, head, arena, diag); break;
  default: break; /* one way alone */
  }
  if (!ok || !sensible(d, diag)) return NULL;
  if (d->estimate.cycles == 0)
    d->estimate = mc_model_group_as(a->group, mc_ask_family(a), a->target, a->weights);
  return d;
}
