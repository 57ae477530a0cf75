#include "cases/sgd.h"
#include "support/bench.h"

static const gnn::bench::RegisterOptimizer registered("sgd", gnn::testing::cases::sgd());
