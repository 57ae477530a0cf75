// Optimizers and learning-rate schedules. libgnn.optim gives them PyTorch's interface.

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/trampoline.h>

#include <tuple>

#include "bindings.h"
#include "named_tensors.h"

namespace gnn::python {
namespace {

/// A parameter group: its parameters, learning rate and weight decay.
using Group = std::tuple<std::vector<Tensor>, double, double>;
using Scalars = std::vector<std::pair<std::string, double>>;

GroupOptions group_options(const Group& group) {
  return {std::get<0>(group), std::get<1>(group), std::get<2>(group)};
}

std::vector<GroupOptions> group_options(const std::vector<Group>& groups) {
  std::vector<GroupOptions> options;
  for (const Group& group : groups) options.push_back(group_options(group));
  return options;
}

ParameterGroup& group_of(Optimizer& optimizer, std::size_t index) {
  if (index >= optimizer.groups().size()) throw nb::index_error("there is no such parameter group");
  return optimizer.groups()[index];
}

double checked(const char* name, double value) {
  detail::check_setting("param_groups", name, value);
  return value;
}

void bind_optimizers(nb::module_& m) {
  nb::class_<Optimizer>(m, "Optimizer")
      .def("step", &Optimizer::step, releases_gil())
      .def("zero_grad", &Optimizer::zero_grad)
      .def(
          "add_group", [](Optimizer& self, const Group& group) { self.add_group(group_options(group)); },
          "group"_a)
      .def(
          "lr", [](Optimizer& self, std::size_t group) { return group_of(self, group).lr; }, "group"_a)
      .def(
          "set_lr",
          [](Optimizer& self, std::size_t group, double lr) { group_of(self, group).lr = checked("lr", lr); },
          "group"_a, "lr"_a)
      .def(
          "weight_decay",
          [](Optimizer& self, std::size_t group) { return group_of(self, group).weight_decay; }, "group"_a)
      .def(
          "set_weight_decay",
          [](Optimizer& self, std::size_t group, double weight_decay) {
            group_of(self, group).weight_decay = checked("weight_decay", weight_decay);
          },
          "group"_a, "weight_decay"_a)
      .def("state_dict",
           [](const Optimizer& self) {
             const OptimizerState state = self.state_dict();
             Scalars scalars;
             for (const NamedScalar& scalar : state.scalars) scalars.emplace_back(scalar.name, scalar.value);
             return std::pair(named_pairs(state.tensors), scalars);
           })
      .def(
          "load_state_dict",
          [](Optimizer& self, const NamedPairs& tensors, const Scalars& scalars) {
            OptimizerState state{named_tensors(tensors), {}};
            for (const auto& [name, value] : scalars) state.scalars.push_back({name, value});
            self.load_state_dict(state);
          },
          "tensors"_a, "scalars"_a);

  nb::class_<SGD, Optimizer>(m, "SGD").def(
      "__init__",
      [](SGD* self, const std::vector<Group>& groups, double momentum, double dampening, bool nesterov) {
        new (self) SGD(group_options(groups),
                       SGDOptions{.momentum = momentum, .dampening = dampening, .nesterov = nesterov});
      },
      "groups"_a, "momentum"_a, "dampening"_a, "nesterov"_a);
  nb::class_<Adam, Optimizer>(m, "Adam").def(
      "__init__",
      [](Adam* self, const std::vector<Group>& groups, double beta1, double beta2, double eps) {
        new (self) Adam(group_options(groups), AdamOptions{.beta1 = beta1, .beta2 = beta2, .eps = eps});
      },
      "groups"_a, "beta1"_a, "beta2"_a, "eps"_a);
  nb::class_<AdamW, Optimizer>(m, "AdamW")
      .def(
          "__init__",
          [](AdamW* self, const std::vector<Group>& groups, double beta1, double beta2, double eps) {
            new (self) AdamW(group_options(groups), AdamWOptions{.beta1 = beta1, .beta2 = beta2, .eps = eps});
          },
          "groups"_a, "beta1"_a, "beta2"_a, "eps"_a);
}

/// A schedule whose formula is Python's: a subclass of Schedule that defines group_lr_at(group, base_lr,
/// step).
class PythonSchedule final : public Schedule {
 public:
  NB_TRAMPOLINE(Schedule);
  explicit PythonSchedule(Optimizer& optimizer) : Schedule(optimizer) {}

  double lr_at(double base_lr, std::int64_t step) const override { return group_lr_at(0, base_lr, step); }
  double group_lr_at(std::size_t group, double base_lr, std::int64_t step) const override {
    NB_OVERRIDE_PURE(group_lr_at, group, base_lr, step);
  }
};

void bind_schedules(nb::module_& m) {
  // A schedule keeps its optimizer alive.
  nb::class_<Schedule, PythonSchedule>(m, "Schedule")
      .def(nb::init<Optimizer&>(), "optimizer"_a, nb::keep_alive<1, 2>())
      .def("group_lr_at", &Schedule::group_lr_at, "group"_a, "base_lr"_a, "step"_a)
      .def("step", nb::overload_cast<>(&Schedule::step))
      .def_prop_ro("steps", &Schedule::steps)
      .def_prop_ro("base_lrs", [](const Schedule& self) { return self.state().base_lrs; })
      .def(
          "load_state",
          [](Schedule& self, std::int64_t steps, std::vector<double> base_lrs) {
            self.load_state({.steps = steps, .base_lrs = std::move(base_lrs)});
          },
          "steps"_a, "base_lrs"_a);
  nb::class_<StepLR, Schedule>(m, "StepLR")
      .def(nb::init<Optimizer&, std::int64_t, double>(), "optimizer"_a, "step_size"_a, "gamma"_a,
           nb::keep_alive<1, 2>());
  nb::class_<ExponentialLR, Schedule>(m, "ExponentialLR")
      .def(nb::init<Optimizer&, double>(), "optimizer"_a, "gamma"_a, nb::keep_alive<1, 2>());
  nb::class_<CosineLR, Schedule>(m, "CosineLR")
      .def(nb::init<Optimizer&, std::int64_t, double>(), "optimizer"_a, "t_max"_a, "eta_min"_a,
           nb::keep_alive<1, 2>());
  nb::class_<LinearLR, Schedule>(m, "LinearLR")
      .def(nb::init<Optimizer&, double, double, std::int64_t>(), "optimizer"_a, "start_factor"_a,
           "end_factor"_a, "total_iters"_a, nb::keep_alive<1, 2>());
  nb::class_<SequentialLR, Schedule>(m, "SequentialLR")
      .def(
          "__init__",
          [](SequentialLR* self, const std::vector<std::shared_ptr<Schedule>>& schedules,
             std::vector<std::int64_t> milestones) {
            new (self) SequentialLR({schedules.begin(), schedules.end()}, std::move(milestones));
          },
          "schedules"_a, "milestones"_a);
}

}  // namespace

void bind_optim(nb::module_& m) {
  bind_optimizers(m);
  bind_schedules(m);
}

}  // namespace gnn::python
