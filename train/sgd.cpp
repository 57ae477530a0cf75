#include "gnn/train/sgd.h"

#include <cmath>
#include <utility>

#include "gnn/core/check.h"
#include "gnn/kernels/run.h"
#include "gnn/kernels/sgd.h"

namespace gnn {
namespace {

void check_options(const SGDOptions& options) {
  detail::check_setting("SGD", "momentum", options.momentum);
  check<ValueError>(std::isfinite(options.dampening), "SGD: expected dampening to be finite, got {}",
                    options.dampening);
  check<ValueError>(!options.nesterov || (options.momentum > 0 && options.dampening == 0),
                    "SGD: nesterov needs momentum > 0 and dampening = 0, got {} and {}", options.momentum,
                    options.dampening);
}

/// As kernels::SgdStep reads them.
void sgd_values(double lr, double weight_decay, std::int64_t, std::span<double> values) {
  values[0] = lr;
  values[1] = weight_decay;
}

}  // namespace

SGD::SGD(std::vector<Tensor> parameters, const SGDOptions& options)
    : SGD(detail::one_group(std::move(parameters)), options) {}

SGD::SGD(std::vector<GroupOptions> groups, const SGDOptions& options)
    : Optimizer("SGD", {"momentum_buffer"}, std::move(groups), options.lr, options.weight_decay),
      options_(options) {
  check_options(options);
}

void SGD::step() {
  const bool with_momentum = options_.momentum != 0;
  std::vector<Tensor> none;
  for (std::size_t g = 0; g < groups().size(); ++g) {
    for (Batch& batch : next_batches(g, with_momentum)) {
      const kernels::SgdStep::Settings settings{.lr = groups()[g].lr,
                                                .momentum = options_.momentum,
                                                .dampening = options_.dampening,
                                                .weight_decay = groups()[g].weight_decay,
                                                .nesterov = options_.nesterov,
                                                .first = batch.step == 1,
                                                .step_values = step_values(g, batch, 2, sgd_values)};
      kernels::run<kernels::SgdStep>(batch.parameters, batch.grads, with_momentum ? batch.states[0] : none,
                                     settings);
    }
  }
}

std::vector<NamedScalar> SGD::options() const {
  return {{"momentum", options_.momentum},
          {"dampening", options_.dampening},
          {"nesterov", options_.nesterov ? 1.0 : 0.0}};
}

void SGD::set_options(std::span<const double> values) {
  SGDOptions options = options_;
  options.momentum = values[0];
  options.dampening = values[1];
  options.nesterov = values[2] != 0;
  check_options(options);
  options_ = options;
}

}  // namespace gnn
