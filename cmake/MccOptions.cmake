# What is built. mcc may be a part of another project (add_subdirectory, FetchContent): then it adds
# its programs and libraries, mcc_add_model() and nothing else, unless it is asked to.
set(MCC_TOP_LEVEL OFF)
if(CMAKE_SOURCE_DIR STREQUAL PROJECT_SOURCE_DIR)
  set(MCC_TOP_LEVEL ON)
endif()
option(MCC_BUILD_TESTS "build mcc's tests" ${MCC_TOP_LEVEL})
option(MCC_INSTALL "install mcc with cmake --install" ${MCC_TOP_LEVEL})
set(MCC_HOST_TOOLS "" CACHE PATH
  "folder with mcc and its tools, programs of this machine; the compiler is not built then")
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
  if(MCC_TOP_LEVEL)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
    message(STATUS "mcc: CMAKE_BUILD_TYPE is not given: Release")
  endif()
endif()
# As a part of a project for another machine, the compiler must still run on this one.
if(CMAKE_CROSSCOMPILING AND NOT MCC_TOP_LEVEL AND NOT MCC_HOST_TOOLS)
  find_program(MCC_HOST_MCC mcc NO_CMAKE_FIND_ROOT_PATH)
  if(NOT MCC_HOST_MCC)
    message(FATAL_ERROR "mcc: this project is for ${CMAKE_SYSTEM_PROCESSOR}, but the compiler runs on "
      "this machine: build and install mcc here first, then give its folder of programs with "
      "-DMCC_HOST_TOOLS=PREFIX/bin")
  endif()
  get_filename_component(MCC_HOST_TOOLS "${MCC_HOST_MCC}" DIRECTORY)
endif()
# LLVM's library has so many symbols that GNU ld takes 2 s for each of about 30 programs, and gold 0.2.
option(MCC_GOLD "link with gold where the compiler finds it" ON)
if(MCC_GOLD)
  include(CheckLinkerFlag)
  check_linker_flag(C -fuse-ld=gold MCC_HAS_GOLD)
  if(MCC_HAS_GOLD)
    add_link_options(-fuse-ld=gold)
  endif()
endif()
