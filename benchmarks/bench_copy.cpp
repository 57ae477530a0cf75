#include "cases/copy.h"
#include "support/bench.h"

static const gnn::bench::Register registered("copy", gnn::testing::cases::copy());
