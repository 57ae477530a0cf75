#include "cases/gemm.h"
#include "support/bench.h"

static const gnn::bench::Register registered("gemm", gnn::testing::cases::gemm());
