#include "cases/adam.h"
#include "support/bench.h"

static const gnn::bench::RegisterOptimizer registered("adam", gnn::testing::cases::adam());
