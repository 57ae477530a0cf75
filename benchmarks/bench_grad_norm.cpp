#include "cases/grad_norm.h"
#include "support/bench.h"

static const gnn::bench::Register registered("grad_norm", gnn::testing::cases::grad_norm());
