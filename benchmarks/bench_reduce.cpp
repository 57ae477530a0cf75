#include "cases/reduce.h"
#include "support/bench.h"

static const gnn::bench::Register registered("reduce", gnn::testing::cases::reduce());
