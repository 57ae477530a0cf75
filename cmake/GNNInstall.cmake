# The installed package: library, public headers, CMake package `gnn`, pkg-config file.
#
#   find_package(gnn 1 CONFIG REQUIRED)
#   target_link_libraries(app PRIVATE gnn::gnn)
#
# A shared libgnn brings all it needs. With a static one the libraries it links are looked up on the consumer's
# machine (their headers are not needed), see gnn-config.cmake.in.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# A header that says "Not installed" in a comment is shared by libgnn's own sources only (it may use fmt, OpenMP or
# CUDA), and so is device code (.cuh).
foreach(dir IN LISTS gnn_public_dirs)
  file(GLOB headers CONFIGURE_DEPENDS ${dir}/*.h)
  foreach(header IN LISTS headers)
    file(STRINGS ${header} private ENCODING UTF-8 REGEX "// .*Not installed")
    if(NOT private)
      install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gnn/${dir})
    endif()
  endforeach()
endforeach()
install(FILES ${gnn_include_dir}/gnn/core/config.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gnn/core)
install(FILES gnn.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gnn)

install(TARGETS gnn EXPORT gnn-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gnn)
install(EXPORT gnn-targets NAMESPACE gnn:: DESTINATION ${package_dir})
configure_package_config_file(cmake/gnn-config.cmake.in gnn-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(gnn-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gnn-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/gnn-config-version.cmake
  DESTINATION ${package_dir})

# pkg-config: the prefix is found from the file's own place, so that the installed tree can be moved.
file(RELATIVE_PATH pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
set(pc_private)
if(NOT BUILD_SHARED_LIBS)
  # `pkg-config --static --libs gnn` is how a static libgnn is linked.
  set(pc_private "Requires.private: fmt zlib libcrypto\nLibs.private: ${OpenMP_CXX_FLAGS} -pthread -lstdc++ -lm")
  if(GNN_WITH_CUDA)
    set(cudart -lcudart_static)
    if(CMAKE_CUDA_RUNTIME_LIBRARY STREQUAL "Shared")
      set(cudart -lcudart)
    endif()
    string(APPEND pc_private " -L${CUDAToolkit_LIBRARY_DIR} -lcublasLt ${cudart} -ldl -lrt")
  endif()
endif()
configure_file(cmake/gnn.pc.in gnn.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gnn.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
