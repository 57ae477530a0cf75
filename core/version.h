#pragma once

// The one place that states the version; CMake reads these three lines.
#define GNN_VERSION_MAJOR 1
#define GNN_VERSION_MINOR 0
#define GNN_VERSION_PATCH 0
