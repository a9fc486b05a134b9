# cmake --install: tools, libraries, headers, and a package for find_package(mcc).
include(CMakePackageConfigHelpers)
get_property(MCC_FLOOR_NAMES GLOBAL PROPERTY MCC_FLOORS)
get_property(MCC_TOOLS GLOBAL PROPERTY MCC_TOOLS)
install(TARGETS ${MCC_FLOOR_NAMES} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/mcc)
install(TARGETS mcrt ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/mc DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES include/mcrt.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# libmcrt as source, too: a project for another machine builds it for that (mccConfig.cmake.in).
install(FILES rt/CMakeLists.txt rt/install.cmake rt/pool.c rt/topology.c rt/topology.h
  DESTINATION ${CMAKE_INSTALL_DATADIR}/mcc/rt)
install(FILES include/mcrt.h DESTINATION ${CMAKE_INSTALL_DATADIR}/mcc/include)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
list(REVERSE MCC_FLOOR_NAMES)
set(MCC_SYSTEM_LIBS ${JANSSON_LINK_LIBRARIES} ${ZIP_LINK_LIBRARIES} ${JPEG_LINK_LIBRARIES} ${PNG_LINK_LIBRARIES}
  ${PROTOBUFC_LINK_LIBRARIES} ${OPENBLAS_LINK_LIBRARIES}
  ${LAPACKE_LINK_LIBRARIES})
get_target_property(llvm LLVM IMPORTED_LOCATION_RELEASE)
if(NOT llvm)
  get_target_property(llvm LLVM IMPORTED_LOCATION_RELWITHDEBINFO)
endif()
list(APPEND MCC_SYSTEM_LIBS ${llvm} m)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/mcc)
configure_package_config_file(cmake/mccConfig.cmake.in ${PROJECT_BINARY_DIR}/mccConfig.cmake INSTALL_DESTINATION ${package}
  PATH_VARS CMAKE_INSTALL_BINDIR CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_DATADIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/mccConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/mccConfig.cmake ${PROJECT_BINARY_DIR}/mccConfigVersion.cmake cmake/MccAddModel.cmake DESTINATION ${package})
if(MCC_TOP_LEVEL)
  configure_file(cmake/MccUninstall.cmake ${PROJECT_BINARY_DIR}/uninstall.cmake COPYONLY)
  add_custom_target(uninstall COMMAND ${CMAKE_COMMAND} -P ${PROJECT_BINARY_DIR}/uninstall.cmake
    COMMENT "removing what cmake --install put in place" USES_TERMINAL)
endif()
