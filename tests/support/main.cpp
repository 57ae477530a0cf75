// main of every test program: guard bands around all tensors, NaN in all new memory, verified after each
// test. Not with GNN_NO_CACHING: a tool is to see the first byte outside a tensor, and what nobody wrote.

#include <gtest/gtest.h>

#include "gnn/core/allocator.h"
#include "support/op_check.h"

namespace {

class GuardBandListener : public ::testing::EmptyTestEventListener {
  void OnTestEnd(const ::testing::TestInfo&) override {
    for (const gnn::Device device : gnn::testing::test_devices()) {
      for (const std::string& violation : gnn::check_guard_bands(device)) ADD_FAILURE() << violation;
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  gnn::set_guard_bands(gnn::caching_enabled());
  ::testing::UnitTest::GetInstance()->listeners().Append(new GuardBandListener);
  return RUN_ALL_TESTS();
}
