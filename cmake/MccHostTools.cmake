# mcc::mcc and its like from MCC_HOST_TOOLS, a folder of programs that run on this machine.
foreach(tool mcc mc-opt mc-import mc-run mc-eval mc-stat mc-bench mc-search mc-docs)
  set(file "${MCC_HOST_TOOLS}/${tool}")
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR "MCC_HOST_TOOLS: there is no ${file}; give the folder with mcc and its tools")
  endif()
  add_executable(mcc::${tool} IMPORTED GLOBAL)
  set_target_properties(mcc::${tool} PROPERTIES IMPORTED_LOCATION "${file}")
endforeach()
