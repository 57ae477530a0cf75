#include "cases/im2col.h"
#include "support/bench.h"

static const gnn::bench::Register registered("im2col", gnn::testing::cases::im2col());
