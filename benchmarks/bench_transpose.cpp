#include "cases/transpose.h"
#include "support/bench.h"

static const gnn::bench::Register registered("transpose", gnn::testing::cases::transpose());
