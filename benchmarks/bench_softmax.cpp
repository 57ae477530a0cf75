#include "cases/softmax.h"
#include "support/bench.h"

static const gnn::bench::Register registered("softmax", gnn::testing::cases::softmax());
