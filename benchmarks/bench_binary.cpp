#include "cases/binary.h"
#include "support/bench.h"

static const gnn::bench::Register registered("binary", gnn::testing::cases::binary());
