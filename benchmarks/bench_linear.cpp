#include "cases/linear.h"
#include "support/bench.h"

static const gnn::bench::Register registered("linear", gnn::testing::cases::linear());
