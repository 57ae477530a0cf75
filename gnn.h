#pragma once

// Everything: #include <gnn/gnn.h>.

#include "gnn/autograd/tape.h"
#include "gnn/core/allocator.h"
#include "gnn/core/device.h"
#include "gnn/core/error.h"
#include "gnn/core/stream.h"
#include "gnn/core/tensor.h"
#include "gnn/core/version.h"
#include "gnn/layers/activation.h"
#include "gnn/layers/gemm.h"
