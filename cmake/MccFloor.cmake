# mcc_floor(NAME [DEPS targets...] [EXTRA generated sources...]): the library of one folder of lib/, from every .c below it.
function(mcc_floor name)
  cmake_parse_arguments(F "" "" "DEPS;EXTRA" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.c)
  add_library(mcc_${name} STATIC ${sources} ${F_EXTRA})
  target_link_libraries(mcc_${name} PUBLIC mcc_flags ${F_DEPS})
  target_include_directories(mcc_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  set_property(GLOBAL APPEND PROPERTY MCC_FLOORS mcc_${name})
endfunction()
