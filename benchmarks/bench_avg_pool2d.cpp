#include "cases/avg_pool2d.h"
#include "support/bench.h"

static const gnn::bench::Register registered("avg_pool2d", gnn::testing::cases::avg_pool2d());
