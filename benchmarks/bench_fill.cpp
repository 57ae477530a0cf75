#include "cases/fill.h"
#include "support/bench.h"

static const gnn::bench::Register registered("fill", gnn::testing::cases::fill());
