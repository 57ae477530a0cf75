#include "cases/dropout.h"
#include "support/bench.h"

static const gnn::bench::Register registered("dropout", gnn::testing::cases::dropout());
