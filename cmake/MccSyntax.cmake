# The scanner and the parser of .mir: MCC_SYNTAX_SOURCES.
set(MCC_SYNTAX_DIR ${CMAKE_CURRENT_SOURCE_DIR}/syntax)
bison_target(mir_parser ${MCC_SYNTAX_DIR}/mir.y ${CMAKE_CURRENT_BINARY_DIR}/mir.tab.c COMPILE_FLAGS "-Wall -Werror")
flex_target(mir_scanner ${MCC_SYNTAX_DIR}/mir.l ${CMAKE_CURRENT_BINARY_DIR}/mir.lex.c DEFINES_FILE ${CMAKE_CURRENT_BINARY_DIR}/mir.lex.h)
add_flex_bison_dependency(mir_scanner mir_parser)
set(MCC_SYNTAX_SOURCES ${BISON_mir_parser_OUTPUTS} ${FLEX_mir_scanner_OUTPUTS})
# Generated code is not held to the house's warnings.
set_source_files_properties(${MCC_SYNTAX_SOURCES} PROPERTIES COMPILE_OPTIONS
  "-Wno-conversion;-Wno-sign-conversion;-Wno-shadow;-Wno-unused-function;-Wno-unused-parameter;-Wno-unused-but-set-variable;-Wno-sign-compare;-Wno-pedantic")
