/* mc_decide: a family's form, and what that form leaves open. */
#include "mc/decide/decide.h"

/* Products of all phases; the group's estimate is their sum, and what is said is the first one's.
 */
static bool products(mc_decision *d, const mc_node *head, mc_arena *arena, mc_diag *diag) {
  d->form = MC_KERNEL_FORM_product;
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
  if (d->nproduct > 1) d->estimate.bound = mc_estimate_longest(&d->estimate);
  return true;
}

/* May the group be computed in this form, as far as its attributes say? */
static bool may(const mc_decision *d, mc_kernel_form form) {
  mc_kernel_form asked = mc_group_form(d->ask.group);
  return asked == MC_KERNEL_FORM_plain || asked == form;
}

static bool gemm(mc_decision *d, const mc_node *head, mc_arena *arena, mc_diag *diag) {
  const mc_attrs_group *at = MC_ATTRS(d->ask.group, group);
  bool engine = at->blocking.n || (at->engine && *at->engine), /* asked for: a product's */
      pixels = head->op == MC_OP_conv2d && (d->forced || !engine);
  d->form = MC_KERNEL_FORM_first_conv;
  if (pixels && may(d, d->form) && mc_decide_first_conv(d, head, arena)) return true;
  d->form = MC_KERNEL_FORM_first_conv_pairs;
  if (pixels && may(d, d->form) && mc_decide_first_conv_pairs(d, head, arena)) return true;
  return products(d, head, arena, diag);
}

static bool depthwise(mc_decision *d, const mc_node *head, mc_arena *arena, mc_diag *diag) {
  mc_dtype t = head->in[0]->type->dtype;
  if (head->op != MC_OP_conv2d || head->in[1]->type->dim[3] != 1)
    return mc_error(diag, head->loc, "'%s' does not head a 'depthwise' group",
                    mc_ops[head->op].text);
  if (t != MC_f32 && t != MC_bf16 && t != MC_u8 && t != MC_i8)
    return mc_error(diag, head->loc, "'conv2d' on %s has no lowering", mc_dtype_names[t]);
  d->form = MC_KERNEL_FORM_depthwise_interleaved;
  if (may(d, d->form) && mc_decide_depthwise_interleaved(d, head, arena)) return true;
  d->form = MC_KERNEL_FORM_depthwise;
  mc_decide_depthwise(d, head, arena);
  return true;
}

static bool winograd(mc_decision *d, const mc_node *head, mc_arena *arena, mc_diag *diag) {
  static const char *const from[] = { [MC_WINOGRAD_ready] = "ready weights",
                                      [MC_WINOGRAD_block] = "weights made for each pass",
                                      [MC_WINOGRAD_once] = "weights made once" };
  const char *why = mc_winograd_refused(head, d->ask.target);
  if (why) return mc_error(diag, head->loc, "the group cannot be computed by 'winograd': %s", why);
  bool ready = mc_family_has(mc_ask_family(&d->ask), MC_FAM_READY);
  d->form = ready ? MC_KERNEL_FORM_winograd_ready : MC_KERNEL_FORM_winograd;
  mc_winograd *c = &d->winograd;
  *c = mc_winograd_cut(head, d->ask.target, d->ask.workers, ready);
  d->note = mc_arena_printf(arena,
                            "F(4x4, 3x3), passes of %lld x %lld tiles, blocks of %d tiles x %d "
                            "channels, %lld channels, %s",
                            (long long)c->rp, (long long)c->cp, c->mr[0][0], (int)c->width,
                            (long long)c->c, from[c->weights]);
  return true;
}

/* The forms of a family, in the arena. */
static const char *forms_of(mc_family f, mc_arena *arena) {
  const char *names = "";
  for (int i = 0; i < MC_NUM_KERNEL_FORMS; i++)
    if (i != MC_KERNEL_FORM_plain && mc_kernel_forms[i].family == f)
      names = mc_arena_printf(arena, "%s%s%s", names, *names ? ", " : "", mc_kernel_forms[i].text);
  return names;
}

/* What the attributes ask for is what was decided; those of products are on products alone. */
static bool obeyed(const mc_decision *d, mc_arena *arena, mc_diag *diag) {
  const mc_node *g = d->ask.group;
  const mc_attrs_group *at = MC_ATTRS(g, group);
  const char *what = at->engine && *at->engine ? "engine"
                     : at->blocking.n          ? "blocking"
                     : at->loop && *at->loop   ? "loop"
                                               : NULL;
  mc_family f = mc_ask_family(&d->ask);
  mc_kernel_form asked = mc_group_form(g);
  const char *name = mc_kernel_forms[asked].text, *forms = forms_of(f, arena);
  if (asked != MC_KERNEL_FORM_plain && mc_kernel_forms[asked].family != f && !d->ask.as)
    return mc_error(diag, g->loc, "'form': %s is no form of '%s', which has %s", name,
                    mc_families[f].text, *forms ? forms : "one alone");
  if (asked != MC_KERNEL_FORM_plain && asked != d->form && !d->ask.as)
    return mc_error(diag, g->loc,
                    "'form': %s cannot compute this group on '%s': its shape, types or ops are "
                    "others, or the level lacks the instructions",
                    name, d->ask.target->name);
  if (!what || d->form == MC_KERNEL_FORM_product) return true;
  return mc_error(diag, g->loc,
                  "'%s' is for products on an engine, and '%s' computes this group otherwise", what,
                  mc_group_family_text(g));
}

mc_decision *mc_decide(const mc_ask *a, mc_arena *arena, mc_diag *diag) {
  mc_decision *d = MC_NEW(arena, mc_decision);
  const mc_node *head = mc_region_head(a->group->region);
  *d = (mc_decision){ .ask = *a, .forced = mc_group_form(a->group) != MC_KERNEL_FORM_plain };
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
  if (!ok || !obeyed(d, arena, diag)) return NULL;
  if (d->estimate.cycles == 0)
    d->estimate = mc_model_group_as(a->group, mc_ask_family(a), a->target, a->weights);
  return d;
}
