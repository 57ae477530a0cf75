#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

#include "support/op_case.h"

namespace gnn::testing {

/// Compares the op's result with the reference, in float32 and float64 on every test device.
void check_parity(const OpCase& op_case);

/// Compares gradients with central differences in float64 on the CPU (a random cotangent; every element of
/// small inputs, random directions through large ones), and float32 and CUDA gradients with the float64 ones.
void check_gradients(const OpCase& op_case);

/// Fails, naming the first bad element and the number of bad ones, where |got - want| > tolerance * (1 +
/// |want|); NaN equals NaN and an infinity its like only.
void expect_close(const Array& got, const Array& want, double tolerance, const std::string& what);

/// Central-difference check of any scalar function of float64 CPU leaves: `loss` is called many times.
void check_gradient_of(const std::function<Tensor(std::span<const Tensor>)>& function,
                       std::vector<Tensor> inputs, const std::string& what);

class OpTest : public ::testing::TestWithParam<OpCase> {};

/// The cases of a table that tests run: all but the largest, which are for benchmarks only.
std::vector<OpCase> tested(std::vector<OpCase> table);

/// A test that runs on every test device: derive from it and instantiate with GNN_INSTANTIATE_FOR_DEVICES.
class DeviceTest : public ::testing::TestWithParam<Device> {
 protected:
  static Device device() { return GetParam(); }
};

inline std::string device_name(const ::testing::TestParamInfo<Device>& param) {
  return param.param.is_cpu() ? "cpu" : "cuda";
}

inline std::string case_name(const ::testing::TestParamInfo<OpCase>& info) {
  return info.param.name;
}

}  // namespace gnn::testing

/// All tests that a case table drives: parity and gradients of each case.
#define GNN_TEST_OP(Name, table)                                                            \
  class Name : public ::gnn::testing::OpTest {};                                            \
  TEST_P(Name, MatchesReference) {                                                          \
    ::gnn::testing::check_parity(GetParam());                                               \
  }                                                                                         \
  TEST_P(Name, Gradients) {                                                                 \
    if (GetParam().gradient) ::gnn::testing::check_gradients(GetParam());                   \
  }                                                                                         \
  INSTANTIATE_TEST_SUITE_P(Cases, Name, ::testing::ValuesIn(::gnn::testing::tested(table)), \
                           ::gnn::testing::case_name)

#define GNN_INSTANTIATE_FOR_DEVICES(Name) \
  INSTANTIATE_TEST_SUITE_P(Devices, Name, ::testing::ValuesIn(test_devices()), device_name)
