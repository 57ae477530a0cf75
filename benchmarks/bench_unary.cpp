#include "cases/unary.h"
#include "support/bench.h"

static const gnn::bench::Register registered("unary", gnn::testing::cases::unary());
