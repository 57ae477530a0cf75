#include "cases/load_step.h"
#include "support/bench.h"

static const gnn::bench::Register registered("load_step", gnn::testing::cases::load_step());
