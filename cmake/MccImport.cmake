# C code for the ONNX file format, from lib/import/onnx.proto: MCC_IMPORT_SOURCES.
find_program(PROTOC_C protoc-c REQUIRED)
set(MCC_IMPORT_SOURCES ${CMAKE_CURRENT_BINARY_DIR}/onnx.pb-c.c ${CMAKE_CURRENT_BINARY_DIR}/onnx.pb-c.h)
add_custom_command(
  OUTPUT ${MCC_IMPORT_SOURCES}
  COMMAND ${PROTOC_C} --proto_path=${CMAKE_CURRENT_SOURCE_DIR}/import --c_out=${CMAKE_CURRENT_BINARY_DIR} onnx.proto
  DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/import/onnx.proto
  COMMENT "protoc-c onnx.proto")
# Code that a tool writes is not held to the project's warnings.
set_source_files_properties(${CMAKE_CURRENT_BINARY_DIR}/onnx.pb-c.c PROPERTIES COMPILE_OPTIONS -w)
