#include "gnn/train/optimizer.h"

#include <algorithm>

#include "gnn/core/error.h"
#include "gnn/train/adam.h"
#include "gnn/train/sgd.h"
#include "support/torch_optimizer.h"

namespace gnn::testing {
namespace {

using Make = std::function<std::unique_ptr<Optimizer>(std::vector<Tensor>)>;

Make sgd(const SGDOptions& options) {
  return [options](std::vector<Tensor> p) { return std::make_unique<SGD>(std::move(p), options); };
}

Make adam() {
  return [](std::vector<Tensor> p) { return std::make_unique<Adam>(std::move(p)); };
}

Tensor leaf(double value, Device device = Device::cpu(), DType dtype = DType::float32) {
  Tensor tensor = to_tensor({{2}, {value, value}}, dtype, device);
  tensor.set_requires_grad();
  tensor.set_grad(to_tensor({{2}, {1, 1}}, dtype, device));
  return tensor;
}

std::vector<double> all_values(const std::vector<Tensor>& tensors) {
  std::vector<double> values;
  for (const Tensor& tensor : tensors) {
    for (const double value : tensor.to_doubles()) values.push_back(value);
  }
  return values;
}

/// What a file would hold: the tensors copied away from the optimizer's.
OptimizerState copied(const OptimizerState& state) {
  OptimizerState result = state;
  for (NamedTensor& entry : result.tensors) {
    entry.tensor = to_tensor(to_array(entry.tensor), entry.tensor.dtype(), Device::cpu());
  }
  return result;
}

double scalar(const OptimizerState& state, const std::string& name) {
  const auto found = std::ranges::find(state.scalars, name, &NamedScalar::name);
  EXPECT_NE(found, state.scalars.end()) << name;
  return found == state.scalars.end() ? 0 : found->value;
}

TEST(Optimizer, SkipsParametersWithoutAGradient) {
  for (const Device device : test_devices()) {
    for (const Make& make : {sgd({.lr = 1, .momentum = 0.9, .weight_decay = 0.1}), adam()}) {
      Tensor a = leaf(1, device);
      Tensor b = leaf(2, device);
      b.set_grad({});
      const std::unique_ptr<Optimizer> optimizer = make({a, b});
      optimizer->step();
      EXPECT_NE(a.to_vector<float>()[0], 1.0F);
      EXPECT_EQ(b.to_vector<float>()[0], 2.0F);
      EXPECT_EQ(scalar(optimizer->state_dict(), "state.0.step"), 1);
      for (const NamedTensor& state : optimizer->state_dict().tensors)
        EXPECT_TRUE(state.name.starts_with("state.0."));
    }
  }
}

TEST(Optimizer, NothingToDo) {
  Tensor a = leaf(1);
  a.set_grad({});
  const std::uint64_t version = a.version();
  SGD optimizer({a});
  optimizer.step();
  EXPECT_EQ(a.version(), version);
}

TEST(Optimizer, StepsAreInPlaceChanges) {
  Tensor a = leaf(1);
  const std::uint64_t version = a.version();
  SGD({a}).step();
  EXPECT_EQ(a.version(), version + 1);
}

TEST(Optimizer, ZeroGradDropsGradients) {
  Tensor a = leaf(1);
  SGD optimizer({a});
  optimizer.zero_grad();
  EXPECT_FALSE(a.grad().defined());
}

TEST(Optimizer, GroupsHaveTheirOwnSettings) {
  for (const Device device : test_devices()) {
    Tensor a = leaf(1, device);
    Tensor b = leaf(1, device);
    SGD optimizer({{.parameters = {a}, .lr = 0.5}, {.parameters = {b}, .weight_decay = 2}}, {.lr = 0.25});
    EXPECT_EQ(optimizer.lr(), 0.5);
    optimizer.step();
    EXPECT_EQ(a.to_vector<float>()[0], 0.5F);   // 1 - 0.5 * 1
    EXPECT_EQ(b.to_vector<float>()[0], 0.25F);  // 1 - 0.25 * (1 + 2 * 1)
    optimizer.groups()[0].lr = 0;
    optimizer.step();
    EXPECT_EQ(a.to_vector<float>()[0], 0.5F);
    optimizer.set_lr(1);
    EXPECT_EQ(optimizer.groups()[1].lr, 1);
  }
}

TEST(Optimizer, GroupsMayBeAddedLater) {
  for (const Device device : test_devices()) {
    Tensor a = leaf(1, device);
    Tensor b = leaf(1, device);
    SGD optimizer({a}, {.lr = 0.5, .momentum = 0.5});
    optimizer.step();
    optimizer.add_group({.parameters = {b}, .lr = 0.25});
    ASSERT_EQ(optimizer.groups().size(), 2u);
    optimizer.step();
    EXPECT_EQ(a.to_vector<float>()[0], 1 - 0.5F - 0.5F * 1.5F);
    EXPECT_EQ(b.to_vector<float>()[0], 1 - 0.25F);
    EXPECT_EQ(scalar(optimizer.state_dict(), "state.0.step"), 2);
    EXPECT_EQ(scalar(optimizer.state_dict(), "state.1.step"), 1);

    EXPECT_THROW(optimizer.add_group({.parameters = {a}}), ValueError);
    EXPECT_THROW(optimizer.add_group({.parameters = {}}), ValueError);
    EXPECT_THROW(optimizer.add_group({.parameters = {leaf(1, device)}, .lr = -1}), ValueError);
    EXPECT_EQ(optimizer.groups().size(), 2u);
  }
}

TEST(Optimizer, MixedDTypesInOneGroup) {
  for (const Device device : test_devices()) {
    Tensor a = leaf(1, device, DType::float32);
    Tensor b = leaf(1, device, DType::float64);
    SGD({a, b}, {.lr = 0.5}).step();
    EXPECT_EQ(all_values({a, b}), (std::vector<double>{0.5, 0.5, 0.5, 0.5}));
  }
}

TEST(Optimizer, ResumesBitwise) {
  for (const Device device : test_devices()) {
    for (const Make& make : {sgd({.lr = 0.1}), sgd({.lr = 0.1, .momentum = 0.9, .nesterov = true}), adam()}) {
      std::vector<Tensor> straight = torch_parameters(device);
      const std::unique_ptr<Optimizer> uninterrupted = make(straight);
      uninterrupted->set_lr(0.03);
      torch_steps(*uninterrupted, straight, 0, 10);

      std::vector<Tensor> first = torch_parameters(device);
      const std::unique_ptr<Optimizer> before = make(first);
      before->set_lr(0.03);
      torch_steps(*before, first, 0, 4);
      const OptimizerState state = copied(before->state_dict());

      std::vector<Tensor> second = torch_parameters(device);
      for (std::size_t t = 0; t < 2; ++t) second[t].copy_from(first[t].detach());
      const std::unique_ptr<Optimizer> after = make(second);
      after->load_state_dict(state);
      torch_steps(*after, second, 4, 10);
      EXPECT_EQ(all_values(second), all_values(straight)) << device.to_string();
      EXPECT_EQ(after->lr(), 0.03);
    }
  }
}

TEST(Optimizer, LoadRestoresTheOptions) {
  Tensor a = leaf(1);
  SGD saved({a}, {.lr = 0.5, .momentum = 0.75, .nesterov = true});
  saved.step();
  Tensor b = leaf(1);
  SGD loaded({b});
  loaded.load_state_dict(saved.state_dict());
  const OptimizerState state = loaded.state_dict();
  EXPECT_EQ(scalar(state, "groups.0.lr"), 0.5);
  EXPECT_EQ(scalar(state, "momentum"), 0.75);
  EXPECT_EQ(scalar(state, "nesterov"), 1);
  EXPECT_EQ(scalar(state, "state.0.step"), 1);
  // Values were copied: steps of one do not change the other.
  saved.step();
  EXPECT_EQ(loaded.state_dict().tensors[0].tensor.to_vector<float>()[0], 1.0F);
  EXPECT_EQ(saved.state_dict().tensors[0].tensor.to_vector<float>()[0], 1.75F);
}

TEST(Optimizer, LoadRefusesWhatDoesNotFit) {
  Tensor a = leaf(1);
  Adam optimizer({a});
  optimizer.step();
  const OptimizerState good = copied(optimizer.state_dict());
  const auto expect_refused = [&]<class E>(const OptimizerState& state, std::type_identity<E>,
                                           const char* message) {
    Tensor b = leaf(1);
    Adam target({b}, {.lr = 0.5});
    target.step();
    try {
      target.load_state_dict(state);
      ADD_FAILURE() << "expected: " << message;
    } catch (const E& error) {
      EXPECT_STREQ(error.what(), message);
    }
    EXPECT_EQ(target.lr(), 0.5);
    EXPECT_EQ(scalar(target.state_dict(), "state.0.step"), 1);
    EXPECT_EQ(target.state_dict().tensors.size(), 2U);
  };
  const std::type_identity<ValueError> value;

  OptimizerState state = good;
  state.tensors.pop_back();
  expect_refused(
      state, value,
      "Adam: the saved state is of another optimizer. Missing: state.0.exp_avg_sq. Unexpected: none");
  state = good;
  state.tensors.push_back({"state.1.exp_avg", zeros({2})});
  state.scalars.push_back({"momentum", 0.9});
  expect_refused(
      state, value,
      "Adam: the saved state is of another optimizer. Missing: none. Unexpected: state.1.exp_avg, momentum");
  state = good;
  state.tensors.push_back(state.tensors[0]);
  expect_refused(state, value, "Adam: the saved state has state.0.exp_avg twice");
  state = good;
  state.tensors[1].tensor = zeros({3});
  expect_refused(state, std::type_identity<ShapeError>{},
                 "Adam: expected the state of parameter 0 to be [2], got [3]");
  state.tensors[1].tensor = zeros({2}, {.dtype = DType::float64});
  expect_refused(state, std::type_identity<DTypeError>{},
                 "Adam: expected the state of parameter 0 to be float32, got float64");
  const auto with = [&](const std::string& name, double number) {
    OptimizerState changed = good;
    std::ranges::find(changed.scalars, name, &NamedScalar::name)->value = number;
    return changed;
  };
  expect_refused(with("state.0.step", 0.5), value,
                 "Adam: expected state.0.step to be a positive whole number, got 0.5");
  expect_refused(with("groups.0.lr", -1), value, "Adam: expected lr to be finite and not negative, got -1");
  expect_refused(with("beta1", 2), value, "Adam: expected beta1 to be at least 0 and less than 1, got 2");
  expect_refused(with("decoupled_weight_decay", 1), value, "Adam: the saved state is of AdamW");
}

TEST(Optimizer, RefusesParametersThatCannotBeTrained) {
  Tensor a = leaf(1);
  EXPECT_THROW(SGD(std::vector<Tensor>{}), ValueError);
  EXPECT_THROW(SGD({a, a}), ValueError);
  EXPECT_THROW(SGD({GroupOptions{.parameters = {a}}, GroupOptions{.parameters = {a}}}), ValueError);
  EXPECT_THROW(SGD({Tensor()}), ValueError);
  EXPECT_THROW(SGD({zeros({2}, {.dtype = DType::int64})}), DTypeError);
  EXPECT_THROW(SGD({a}).set_lr(-1), ValueError);
}

TEST(Optimizer, NamesAParameterThatChangedUnderIt) {
  Tensor a = leaf(1);
  Adam optimizer({a});
  optimizer.step();
  a.set_data(zeros({2}, {.dtype = DType::float64}));
  a.set_grad(zeros({2}, {.dtype = DType::float64}));
  try {
    optimizer.step();
    FAIL() << "a parameter changed its dtype";
  } catch (const DTypeError& error) {
    EXPECT_STREQ(
        error.what(),
        "Adam: parameter 0 changed from float32 to float64 after its first update; cast a model before that");
  }
}

}  // namespace
}  // namespace gnn::testing
