#include "cases/sgd.h"
#include "support/bench_optimizer.h"

static const gnn::bench::RegisterOptimizer registered("sgd", gnn::testing::cases::sgd());
