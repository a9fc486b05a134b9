# mcc_add_model(TARGET MODEL [PUBLIC|PRIVATE] [NAME NAME] [QUANT none|bf16|int8|w4a8] [CALIB FILE]
#               [MARCH LEVEL] [TARGET_ARCH ARCH] [DEPENDS FILES...] [SHAPE NAME=DIMS...]
#               [INPUT_LAYOUT nhwc] [INPUT_TYPE u8] [PREPROCESS TEXT] [OPTIONS ...])
#
# Compiles MODEL (.mir or .onnx) with mcc when the project is built, links the object into TARGET and
# puts the folder of its header into TARGET's include path:
#
#   add_executable(app main.c)
#   mcc_add_model(app net.mir QUANT int8 CALIB calib.npz)      # main.c: #include "net.h", net_run(...)
#
# PUBLIC: who links TARGET, a library, sees the header too. PRIVATE, the default: TARGET alone does.
# NAME names object, header and symbols (default: the file's name without its ending). It tells models
# of one folder apart: two precisions of a network are two calls with two names. Two targets may take
# the same model; it is compiled once.
# MARCH: as -march= of mcc, and the same default. TARGET_ARCH: by default what the project is built
# for (CMAKE_SYSTEM_PROCESSOR). CALIB: a file, or a folder of samples. DEPENDS: files that the model
# or OPTIONS need beyond those that a .mir names. OPTIONS go to mcc as they are.
# SHAPE, INPUT_LAYOUT, INPUT_TYPE, PREPROCESS: how an .onnx is read, as mc-import's options.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

# The architecture that the project is compiled for, as mcc calls it. Cross compilation says so by
# CMAKE_SYSTEM_PROCESSOR; else the C compiler knows better than the machine it runs on.
function(mcc_target_arch out)
  set(processor "${CMAKE_SYSTEM_PROCESSOR}")
  if(NOT CMAKE_CROSSCOMPILING AND CMAKE_LIBRARY_ARCHITECTURE MATCHES "^(x86_64|aarch64)-")
    set(processor "${CMAKE_MATCH_1}")
  endif()
  string(TOLOWER "${processor}" processor)
  if(processor MATCHES "^(x86_64|amd64|x64)$")
    set(arch x86_64)
  elseif(processor MATCHES "^(aarch64|arm64|armv[89].*)$")
    set(arch aarch64)
  else()
    message(FATAL_ERROR "mcc_add_model: mcc compiles for x86_64 and aarch64, and this project is for "
      "'${processor}' (CMAKE_SYSTEM_PROCESSOR); TARGET_ARCH says otherwise where that is wrong")
  endif()
  if(DEFINED CMAKE_SIZEOF_VOID_P AND NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
    message(FATAL_ERROR "mcc_add_model: mcc makes 64-bit objects, and this project's pointers have "
      "${CMAKE_SIZEOF_VOID_P} bytes")
  endif()
  if(CMAKE_SYSTEM_NAME MATCHES "^(Darwin|iOS|Windows)$")
    message(FATAL_ERROR "mcc_add_model: mcc makes ELF objects, which ${CMAKE_SYSTEM_NAME} cannot link")
  endif()
  set(${out} ${arch} PARENT_SCOPE)
endfunction()

# The files that the object depends on: the model, those that it names, the samples.
function(_mcc_model_inputs out model calib)
  set(inputs "${model}")
  get_filename_component(folder "${model}" DIRECTORY)
  if(model MATCHES "\\.mir$" AND EXISTS "${model}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${model}")
    file(STRINGS "${model}" lines REGEX "^(weights|calibration) \"[^\"]+\"")
    foreach(line ${lines})
      string(REGEX REPLACE "^[a-z]+ \"([^\"]+)\".*" "\\1" file "${line}")
      get_filename_component(file "${file}" ABSOLUTE BASE_DIR "${folder}")
      list(APPEND inputs "${file}")
    endforeach()
  elseif(model MATCHES "\\.onnx$")
    file(GLOB beside "${model}.data" "${model}_data")   # weights outside of the file
    list(APPEND inputs ${beside})
  endif()
  if(calib AND IS_DIRECTORY "${calib}")
    file(GLOB_RECURSE samples CONFIGURE_DEPENDS "${calib}/*")
    list(APPEND inputs ${samples})
  elseif(calib)
    list(APPEND inputs "${calib}")
  endif()
  set(${out} "${inputs}" PARENT_SCOPE)
endfunction()

function(_mcc_check_options name options)
  if(NOT "${name}" MATCHES "^[A-Za-z0-9_.+-]+$")
    message(FATAL_ERROR "mcc_add_model: NAME '${name}' must be a file's name: letters, digits, _ . + -")
  endif()
  foreach(option ${options})
    if("${option}" MATCHES "^--?(o|emit)(=.*)?$")
      message(FATAL_ERROR "mcc_add_model: OPTIONS ${option}: the output is made by mcc_add_model; "
        "NAME names it")
    endif()
  endforeach()
endfunction()

# The rule that makes NAME.o and NAME.h in this folder, once; `rule` is the target that stands for it.
function(_mcc_model_rule rule out name arguments inputs comment)
  string(MAKE_C_IDENTIFIER "${name}" key)
  string(SHA256 hash "${CMAKE_CURRENT_BINARY_DIR}/${key}")
  string(SUBSTRING "${hash}" 0 8 hash)
  set(target "mcc-${name}-${hash}")
  set(${rule} ${target} PARENT_SCOPE)
  get_property(before DIRECTORY PROPERTY "_mcc_model_${key}")
  if(before)
    if(NOT "${before}" STREQUAL "${name};${arguments}")
      message(FATAL_ERROR "mcc_add_model: two different models or precisions are named '${name}' in "
        "${CMAKE_CURRENT_SOURCE_DIR}; NAME gives one of them another name")
    endif()
    return()
  endif()
  set_property(DIRECTORY PROPERTY "_mcc_model_${key}" "${name};${arguments}")
  file(MAKE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/mcc")
  add_custom_command(OUTPUT "${out}.o" "${out}.h"
    COMMAND mcc::mcc ${arguments} -o "${out}.o"
    DEPENDS ${inputs} mcc::mcc COMMENT "${comment}" VERBATIM)
  add_custom_target(${target} DEPENDS "${out}.o" "${out}.h")
endfunction()

function(mcc_add_model target model)
  cmake_parse_arguments(M "PUBLIC;PRIVATE" "QUANT;CALIB;MARCH;TARGET_ARCH;NAME;INPUT_LAYOUT;INPUT_TYPE;PREPROCESS"
    "OPTIONS;DEPENDS;SHAPE" ${ARGN})
  if(M_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "mcc_add_model: unknown arguments: ${M_UNPARSED_ARGUMENTS}")
  elseif(M_KEYWORDS_MISSING_VALUES)
    message(FATAL_ERROR "mcc_add_model: no value is given for ${M_KEYWORDS_MISSING_VALUES}")
  elseif(M_PUBLIC AND M_PRIVATE)
    message(FATAL_ERROR "mcc_add_model: PUBLIC or PRIVATE, not both")
  elseif(NOT TARGET ${target})
    message(FATAL_ERROR "mcc_add_model: '${target}' is no target; call add_executable or add_library first")
  endif()
  get_target_property(type ${target} TYPE)
  if(NOT type MATCHES "^(EXECUTABLE|(STATIC|SHARED|MODULE)_LIBRARY)$")
    message(FATAL_ERROR "mcc_add_model: '${target}' is of type ${type}, which links no object; "
      "take a STATIC library")
  endif()
  if(NOT M_QUANT)
    set(M_QUANT none)
  endif()
  if(NOT M_NAME)
    get_filename_component(M_NAME "${model}" NAME_WLE)
  endif()
  _mcc_check_options("${M_NAME}" "${M_OPTIONS}")
  if(NOT M_TARGET_ARCH)
    mcc_target_arch(M_TARGET_ARCH)
  endif()
  set(arguments -O3 "-quant=${M_QUANT}" "-target=${M_TARGET_ARCH}")
  get_filename_component(model "${model}" ABSOLUTE)
  set(calib "")
  if(M_CALIB)
    get_filename_component(calib "${M_CALIB}" ABSOLUTE)
    list(APPEND arguments "-calib=${calib}")
  endif()
  if(M_MARCH)
    list(APPEND arguments "-march=${M_MARCH}")
  endif()
  foreach(shape ${M_SHAPE})
    list(APPEND arguments "-shape=${shape}")
  endforeach()
  foreach(word INPUT_LAYOUT INPUT_TYPE PREPROCESS)
    if(M_${word})
      string(TOLOWER "-${word}=" option)
      string(REPLACE "_" "-" option "${option}")
      list(APPEND arguments "${option}${M_${word}}")
    endif()
  endforeach()
  if(M_NAME MATCHES "\\.")   # mcc itself would cut the symbols' name there
    string(MAKE_C_IDENTIFIER "${M_NAME}" symbol)
    list(APPEND arguments "-name=${symbol}")
  endif()
  list(APPEND arguments ${M_OPTIONS} "${model}")
  _mcc_model_inputs(inputs "${model}" "${calib}")
  foreach(file ${M_DEPENDS})
    get_filename_component(file "${file}" ABSOLUTE)
    list(APPEND inputs "${file}")
  endforeach()
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/mcc")
  set(out "${folder}/${M_NAME}")
  _mcc_model_rule(rule "${out}" "${M_NAME}" "${arguments}" "${inputs}"
    "mcc ${M_NAME}.o (${M_QUANT}, ${M_TARGET_ARCH})")
  add_dependencies(${target} ${rule})
  set_source_files_properties("${out}.o" "${out}.h" TARGET_DIRECTORY ${target}
    PROPERTIES GENERATED TRUE)
  set_source_files_properties("${out}.o" TARGET_DIRECTORY ${target} PROPERTIES EXTERNAL_OBJECT TRUE)
  set_source_files_properties("${out}.h" TARGET_DIRECTORY ${target} PROPERTIES HEADER_FILE_ONLY TRUE)
  target_sources(${target} PRIVATE "${out}.o" "${out}.h")
  if(M_PUBLIC)
    target_include_directories(${target} PUBLIC "$<BUILD_INTERFACE:${folder}>")
  else()
    target_include_directories(${target} PRIVATE "${folder}")
  endif()
endfunction()
