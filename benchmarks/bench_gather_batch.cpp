#include "cases/gather_batch.h"
#include "support/bench.h"

static const gnn::bench::Register registered("gather_batch", gnn::testing::cases::gather_batch());
