#include "cases/load_step.h"
#include "support/bench.h"

// No case is timed: the kernel changes its table, and making one for each call takes longer than the kernel.
static const gnn::bench::Register registered("load_step", gnn::testing::cases::load_step());
