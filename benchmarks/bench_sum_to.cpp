#include "cases/sum_to.h"
#include "support/bench.h"

static const gnn::bench::Register registered("sum_to", gnn::testing::cases::sum_to());
