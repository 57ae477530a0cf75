#include "gnn/train/adam.h"

#include <utility>

#include "gnn/core/check.h"
#include "gnn/kernels/adam.h"
#include "gnn/kernels/adam_math.h"
#include "gnn/kernels/run.h"

namespace gnn {
namespace {

void check_options(const char* kind, const AdamOptions& options) {
  detail::check_fraction(kind, "beta1", options.beta1);
  detail::check_fraction(kind, "beta2", options.beta2);
  detail::check_setting(kind, "eps", options.eps);
}

AdamOptions to_adam(const AdamWOptions& options) {
  return {.lr = options.lr,
          .beta1 = options.beta1,
          .beta2 = options.beta2,
          .eps = options.eps,
          .weight_decay = options.weight_decay};
}

}  // namespace

Adam::Adam(std::vector<Tensor> parameters, const AdamOptions& options)
    : Adam(detail::one_group(std::move(parameters)), options) {}

Adam::Adam(std::vector<GroupOptions> groups, const AdamOptions& options)
    : Adam("Adam", std::move(groups), options, false) {}

Adam::Adam(const char* kind, std::vector<GroupOptions> groups, const AdamOptions& options, bool decoupled)
    : Optimizer(kind, {"exp_avg", "exp_avg_sq"}, std::move(groups), options.lr, options.weight_decay),
      kind_(kind),
      options_(options),
      decoupled_(decoupled) {
  check_options(kind_, options);
}

void Adam::step() {
  for (std::size_t g = 0; g < groups().size(); ++g) {
    for (Batch& batch : next_batches(g)) {
      kernels::AdamStep::Settings settings{.lr = groups()[g].lr,
                                           .beta1 = options_.beta1,
                                           .beta2 = options_.beta2,
                                           .eps = options_.eps,
                                           .weight_decay = groups()[g].weight_decay,
                                           .decoupled = decoupled_,
                                           .step = batch.step};
      const auto formula = [of = settings](double lr, double weight_decay, std::int64_t step,
                                           std::span<double> values) mutable {
        of.lr = lr;
        of.weight_decay = weight_decay;
        of.step = step;
        std::ranges::copy(kernels::adam_step_values(of), values.begin());
      };
      settings.step_values = step_values(g, batch, 4, formula);
      kernels::run<kernels::AdamStep>(batch.parameters, batch.grads, batch.states[0], batch.states[1],
                                      settings);
    }
  }
}

std::vector<NamedScalar> Adam::options() const {
  return {{"beta1", options_.beta1},
          {"beta2", options_.beta2},
          {"eps", options_.eps},
          {"decoupled_weight_decay", decoupled_ ? 1.0 : 0.0}};
}

void Adam::set_options(std::span<const double> values) {
  AdamOptions options = options_;
  options.beta1 = values[0];
  options.beta2 = values[1];
  options.eps = values[2];
  check_options(kind_, options);
  check<ValueError>((values[3] != 0) == decoupled_, "{}: the saved state is of {}", kind_,
                    decoupled_ ? "Adam" : "AdamW");
  options_ = options;
}

AdamW::AdamW(std::vector<Tensor> parameters, const AdamWOptions& options)
    : AdamW(detail::one_group(std::move(parameters)), options) {}

AdamW::AdamW(std::vector<GroupOptions> groups, const AdamWOptions& options)
    : Adam("AdamW", std::move(groups), to_adam(options), true) {}

}  // namespace gnn
