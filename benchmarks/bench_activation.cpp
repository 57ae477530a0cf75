#include "cases/activation.h"
#include "support/bench.h"

static const gnn::bench::Register registered("activation", gnn::testing::cases::activation());
