#include "cases/batch_metrics.h"
#include "support/bench.h"

static const gnn::bench::Register registered("batch_metrics", gnn::testing::cases::batch_metrics());
