#include "cases/random.h"
#include "support/bench.h"

static const gnn::bench::Register registered("random", gnn::testing::cases::random());
