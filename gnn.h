#pragma once

// Everything: #include <gnn/gnn.h>.

#include "gnn/autograd/tape.h"
#include "gnn/core/allocator.h"
#include "gnn/core/device.h"
#include "gnn/core/error.h"
#include "gnn/core/stream.h"
#include "gnn/core/tensor.h"
#include "gnn/core/version.h"
#include "gnn/data/csv.h"
#include "gnn/data/data_loader.h"
#include "gnn/data/dataset.h"
#include "gnn/data/idx.h"
#include "gnn/data/mnist.h"
#include "gnn/data/png.h"
#include "gnn/data/report_picture.h"
#include "gnn/layers/activation.h"
#include "gnn/layers/conv2d.h"
#include "gnn/layers/gemm.h"
#include "gnn/layers/linear.h"
