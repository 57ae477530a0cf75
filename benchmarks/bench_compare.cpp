#include "cases/compare.h"
#include "support/bench.h"

static const gnn::bench::Register registered("compare", gnn::testing::cases::compare());
