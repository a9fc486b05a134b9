# cmake --install of libmcrt alone: the library, mcrt.h, find_package(mcrt) with mcrt::mcrt.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/mcrt)
target_include_directories(mcrt INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS mcrt EXPORT mcrt ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ../include/mcrt.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT mcrt NAMESPACE mcrt:: FILE mcrtTargets.cmake DESTINATION ${package})
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/mcrtConfig.cmake
"# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
include(CMakeFindDependencyMacro)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_dependency(Threads)
include(\"\${CMAKE_CURRENT_LIST_DIR}/mcrtTargets.cmake\")
")
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/mcrtConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/mcrtConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/mcrtConfigVersion.cmake DESTINATION ${package})
