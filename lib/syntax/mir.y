/* The grammar of .mir (docs/reference/mir.md). Actions keep places only: nothing is looked up, so nothing here can fail but for the text's form. */
%require "3.8"
%define api.pure full
%define api.prefix {mir_yy}
%define api.token.prefix {TOK_}
%define api.location.type {mir_span}
%define parse.error custom
%define parse.lac full
%locations
%param { mir_parse *p }

%code requires {
#include "scan.h"
}
%code provides {
#ifndef YYLTYPE   /* flex knows only these names */
#define YYSTYPE MIR_YYSTYPE
#define YYLTYPE mir_span
#endif
/* The next token: flex's tokens pass through scan.c, which knows lines, nesting and recovery. */
int mir_yylex(MIR_YYSTYPE *v, mir_span *at, mir_parse *p);
}
%code {
#define YYLLOC_DEFAULT(Cur, Rhs, N) ((Cur).begin = (N) ? YYRHSLOC(Rhs, 1).begin : YYRHSLOC(Rhs, 0).end, (Cur).end = (N) ? YYRHSLOC(Rhs, N).end : YYRHSLOC(Rhs, 0).end)
#define NEW(T) MC_NEW(p->arena, T)
#define ADD(to, x) MC_PUSH(p->arena, &(to)->list, x)
static const mir_span nowhere = { 0, 0 };
static void mir_yyerror(const mir_span *at, mir_parse *p, const char *what) { mc_error(p->diag, mir_loc(p, *at), "%s", what); }
static mc_fvalue list_value(mir_parse *p, const ast_values *v, mir_span at) {
  return (mc_fvalue){ .kind = MC_V_LIST, .list = v->list.v, .n = (int)v->list.n, .loc = mir_loc(p, at) };
}
static ast_type *new_type(mir_parse *p, mir_span at, mir_span dtype, ast_quant q, mir_span scale, mir_span zero, mir_spans *dims) {
  ast_type *t = MC_NEW(p->arena, ast_type);
  *t = (ast_type){ .at = at, .dtype = dtype, .quant = q, .scale = scale, .zero = zero, .dims = dims };
  return t;
}
}

%union {
  mir_spans *spans;
  ast_type *type;
  ast_types *types;
  ast_dense *dense;
  ast_operand operand;
  ast_operands *operands;
  ast_attr attr;
  ast_attrs *attrs;
  mc_fvalue value;
  ast_values *values;
  ast_stmt *stmt;
  ast_body *body;
  ast_param param;
  ast_params *params;
  mir_span span;
  struct { ast_attrs *attrs; ast_body *region; } blocks;
}

%token MIR "'mir'" WEIGHTS "'weights'" CALIBRATION "'calibration'" GRAPH "'graph'" DATA "'data'" DENSE "'dense'" RANGE "'range'" LOC "'loc'" AXIS "'axis'"
%token WORD "a word" VALUE "a value (%name)" TENSOR "a tensor (@name)" STRING "a string" INT "an integer" NUM "a number" ARROW "'->'"
%token SYNC NO_BODY   /* made by the recovery in scan.c, never by a text */
%token END 0 "the end of the file"
%precedence NO_OPERAND
%precedence VALUE

%type <spans> names dims dims_opt strings
%type <type> type vtype
%type <types> types vtypes vtypes_opt
%type <dense> dense
%type <operand> operand
%type <operands> operands operands_opt
%type <attr> attr
%type <attrs> attrs attrs_block
%type <blocks> blocks
%type <value> value
%type <values> values
%type <stmt> stmt op
%type <body> body stmts region
%type <param> param
%type <params> params params_opt
%type <span> loc_opt

%%
file: MIR INT { int64_t v; p->started = true; if (!mir_span_int(p, @2, &v) || v != 1) { mc_error(p->diag, mir_loc(p, @2), "this version of the language is not known; mcc reads version 1"); YYABORT; } } heads items ;

heads: %empty | heads head ;
head: WEIGHTS STRING { if (p->file->weights.end) mc_error(p->diag, mir_loc(p, @$), "a second 'weights' line"); p->file->weights = @2; }
    | CALIBRATION STRING { if (p->file->calibration.end) mc_error(p->diag, mir_loc(p, @$), "a second 'calibration' line"); p->file->calibration = @2; }
    ;

items: %empty | items item ;
item: graph
    | DATA '{' entries '}'
    | error { mir_recover(p, MIR_SYNC_TOP); } SYNC { yyerrok; }
    ;

graph: GRAPH TENSOR '(' params_opt ')' ARROW types body {
         ast_graph *g = NEW(ast_graph);
         *g = (ast_graph){ .at = { @1.begin, @7.end }, .name = @2, .params = $4, .results = $7, .body = $8 };
         MC_PUSH(p->arena, &p->file->graphs, g);
       }
     | GRAPH broken SYNC { yyerrok; } body
     | GRAPH broken NO_BODY { yyerrok; }
     ;
broken: error { mir_recover(p, MIR_SYNC_BODY); } ;
params_opt: %empty { $$ = NEW(ast_params); } | params ;
params: param { $$ = NEW(ast_params); ADD($$, $1); } | params ',' param { $$ = $1; ADD($$, $3); } ;
param: VALUE ':' vtype loc_opt { $$ = (ast_param){ .at = @$, .name = @1, .type = $3, .source = $4 }; } ;

body: '{' '}' { $$ = NEW(ast_body); $$->at = @$; } | '{' stmts '}' { $$ = $2; $$->at = @$; } ;
stmts: stmt { $$ = NEW(ast_body); ADD($$, $1); } | stmts stmt { $$ = $1; ADD($$, $2); } ;
stmt: names '=' op { $$ = $3; $$->at = @$; $$->results = $1; }
    | op { $$ = $1; $$->at = @$; $$->results = NEW(mir_spans); }
    | error { mir_recover(p, MIR_SYNC_STATEMENT); } SYNC { yyerrok; $$ = NEW(ast_stmt); }
    ;
names: VALUE { $$ = NEW(mir_spans); ADD($$, @1); } | names ',' VALUE { $$ = $1; ADD($$, @3); } ;
op: WORD operands_opt blocks vtypes_opt loc_opt {
      $$ = NEW(ast_stmt);
      *$$ = (ast_stmt){ .op = @1, .operands = $2, .attrs = $3.attrs, .region = $3.region, .types = $4, .source = $5 };
    }
  ;
blocks: %empty { $$.attrs = NEW(ast_attrs); $$.region = NULL; }
      | attrs_block { $$.attrs = $1; $$.region = NULL; }
      | region { $$.attrs = NEW(ast_attrs); $$.region = $1; }
      | attrs_block region { $$.attrs = $1; $$.region = $2; }
      ;

/* Lines mean nothing to the grammar, so a value right after the op's name is its operand, never the next statement's result. */
operands_opt: %empty %prec NO_OPERAND { $$ = NEW(ast_operands); } | operands ;
operands: operand { $$ = NEW(ast_operands); ADD($$, $1); } | operands ',' operand { $$ = $1; ADD($$, $3); } ;
operand: VALUE { $$ = (ast_operand){ @1, NULL }; } | TENSOR { $$ = (ast_operand){ @1, NULL }; } | dense { $$ = (ast_operand){ @1, $1 }; } ;

dense: DENSE '<' { mir_dense_begin(p); } dense_value '>' { $$ = p->dense; $$->at = @$; } ;
dense_value: dense_number | dense_open dense_items ']' { mir_dense_close(p, @$); } | dense_open ']' { mir_dense_close(p, @$); } ;
dense_number: INT { mir_dense_number(p, @1); } | NUM { mir_dense_number(p, @1); } ;
dense_open: '[' { mir_dense_open(p, @1); } ;
dense_items: dense_value | dense_items ',' dense_value ;

attrs_block: '{' '}' { $$ = NEW(ast_attrs); } | '{' attrs '}' { $$ = $2; } ;
attrs: attr { $$ = NEW(ast_attrs); ADD($$, $1); } | attrs ',' attr { $$ = $1; ADD($$, $3); } ;
attr: WORD '=' value { $$ = (ast_attr){ @1, $3 }; } | keyword '=' value { $$ = (ast_attr){ @1, $3 }; } ;
keyword: MIR | WEIGHTS | CALIBRATION | GRAPH | DATA | DENSE | RANGE | LOC | AXIS ;
value: INT { $$ = mir_int_value(p, @1); }
     | NUM { $$ = mir_num_value(p, @1); }
     | WORD { $$ = mir_text_value(p, MC_V_WORD, @1); }
     | keyword { $$ = mir_text_value(p, MC_V_WORD, @1); }
     | STRING { $$ = mir_text_value(p, MC_V_STR, @1); }
     | TENSOR { $$ = mir_text_value(p, MC_V_SYM, @1); }
     | '[' ']' { $$ = list_value(p, NEW(ast_values), @$); }
     | '[' values ']' { $$ = list_value(p, $2, @$); }
     ;
values: value { $$ = NEW(ast_values); ADD($$, $1); } | values ',' value { $$ = $1; ADD($$, $3); } ;

region: '{' stmts '}' { $$ = $2; $$->at = @$; } ;

vtypes_opt: %empty { $$ = NEW(ast_types); } | ':' vtypes { $$ = $2; } ;
vtypes: vtype { $$ = NEW(ast_types); ADD($$, $1); } | vtypes ',' vtype { $$ = $1; ADD($$, $3); } ;
vtype: type
     | type RANGE '(' number ',' number ')' { $$ = $1; $$->has_range = true; $$->range = (mir_span){ @2.begin, @7.end }; $$->lo = @4; $$->hi = @6; }
     ;
types: type { $$ = NEW(ast_types); ADD($$, $1); } | types ',' type { $$ = $1; ADD($$, $3); } ;
type: WORD '[' dims_opt ']' { $$ = new_type(p, @$, @1, AST_PLAIN, nowhere, nowhere, $3); }
    | WORD '<' number ':' INT '>' '[' dims_opt ']' { $$ = new_type(p, @$, @1, AST_PER_TENSOR, @3, @5, $8); }
    | WORD '<' TENSOR AXIS '=' INT '>' '[' dims_opt ']' { $$ = new_type(p, @$, @1, AST_PER_AXIS, @3, @6, $9); }
    ;
dims_opt: %empty { $$ = NEW(mir_spans); } | dims ;
dims: INT { $$ = NEW(mir_spans); ADD($$, @1); } | dims ',' INT { $$ = $1; ADD($$, @3); } ;
number: INT | NUM ;
loc_opt: %empty { $$ = nowhere; } | LOC '(' STRING ')' { $$ = @3; } ;

entries: %empty | entries entry ;
entry: TENSOR ':' type '=' strings {
         ast_data *d = NEW(ast_data);
         *d = (ast_data){ .at = { @1.begin, @3.end }, .name = @1, .type = $3, .strings = $5 };
         MC_PUSH(p->arena, &p->file->data, d);
       } ;
strings: STRING { $$ = NEW(mir_spans); ADD($$, @1); } | strings STRING { $$ = $1; ADD($$, @2); } ;
%%
static int yyreport_syntax_error(const yypcontext_t *ctx, mir_parse *p) {
  yysymbol_kind_t kinds[YYNTOKENS];
  const char *words[YYNTOKENS];
  int n = yypcontext_expected_tokens(ctx, kinds, YYNTOKENS), k = 0;
  for (int i = 0; i < n; i++)
    if (kinds[i] != YYSYMBOL_SYNC && kinds[i] != YYSYMBOL_NO_BODY) words[k++] = yysymbol_name(kinds[i]);
  mir_unexpected(p, *yypcontext_location(ctx), yypcontext_token(ctx) == YYSYMBOL_YYEOF, words, k);
  return 0;
}
