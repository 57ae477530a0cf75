#include "cases/l1_loss.h"
#include "support/bench.h"

static const gnn::bench::Register registered("l1_loss", gnn::testing::cases::l1_loss());
