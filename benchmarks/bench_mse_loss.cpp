#include "cases/mse_loss.h"
#include "support/bench.h"

static const gnn::bench::Register registered("mse_loss", gnn::testing::cases::mse_loss());
