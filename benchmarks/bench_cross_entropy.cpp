#include "cases/cross_entropy.h"
#include "support/bench.h"

static const gnn::bench::Register registered("cross_entropy", gnn::testing::cases::cross_entropy());
