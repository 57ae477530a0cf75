#include "gnn/layers/summary.h"

#include <algorithm>
#include <array>
#include <utility>

#include "gnn/autograd/tape.h"
#include "gnn/core/check.h"
#include "gnn/core/context.h"
#include "gnn/core/text.h"

namespace gnn {
namespace {

class Recorder : public ForwardObserver {
 public:
  explicit Recorder(ModelSummary& summary) : summary_(summary) {}

  void before(const Module& module, const Tensor&) override {
    LayerSummary layer;
    layer.path = LayerScope::path();
    layer.layer = fmt::format("{}({})", module.kind(), module.describe());
    layer.depth = open_.size();
    for (const NamedTensor& entry : module.named_parameters()) {
      const bool own = entry.name.find('.') == std::string::npos;
      if (own && !seen(entry.tensor)) {
        layer.parameters += entry.tensor.numel();
        seen_.push_back(entry.tensor);
      }
    }
    if (!open_.empty()) open_.back().has_children = true;
    open_.push_back({summary_.layers.size(), false});
    summary_.layers.push_back(std::move(layer));
  }

  void after(const Module& module, const Tensor& input, const Tensor& output) override {
    const Open ended = open_.back();
    open_.pop_back();
    LayerSummary& layer = summary_.layers[ended.index];
    layer.output = output.shape();
    layer.flops = module.flops(input.shape(), output.shape());
    layer.output_bytes = static_cast<std::int64_t>(output.nbytes());
    summary_.flops += layer.flops;
    if (!ended.has_children) summary_.output_bytes += layer.output_bytes;
  }

 private:
  struct Open {
    std::size_t index;
    bool has_children;
  };

  bool seen(const Tensor& tensor) const {
    return std::any_of(seen_.begin(), seen_.end(),
                       [&](const Tensor& other) { return other.is_same(tensor); });
  }

  ModelSummary& summary_;
  std::vector<Open> open_;
  std::vector<Tensor> seen_;
};

/// "4.58 M"
std::string scaled(std::int64_t count) {
  constexpr std::array<const char*, 5> units{"", " k", " M", " G", " T"};
  auto value = static_cast<double>(count);
  std::size_t unit = 0;
  for (; value >= 1000 && unit + 1 < units.size(); ++unit) value /= 1000;
  return unit == 0 ? fmt::format("{}", count) : fmt::format("{:.2f}{}", value, units[unit]);
}

}  // namespace

ModelSummary summarize(Module& model, const Shape& input) {
  ModelSummary summary;
  summary.input = input;
  for (const NamedTensor& entry : model.named_parameters()) {
    summary.parameters += entry.tensor.numel();
    summary.parameter_bytes += static_cast<std::int64_t>(entry.tensor.nbytes());
  }
  for (const NamedTensor& entry : model.named_buffers()) {
    summary.buffer_bytes += static_cast<std::int64_t>(entry.tensor.nbytes());
  }
  const std::vector<Tensor> parameters = model.parameters();
  const TensorOptions options = parameters.empty() ? TensorOptions{} : parameters.front().options();

  const NoGrad no_grad;
  const ModeScope mode(model, false);
  const Tensor zero = zeros(input, options);
  const Recorder recorder(summary);
  model(zero);
  return summary;
}

std::string ModelSummary::to_string() const {
  using Row = std::array<std::string, 5>;
  std::vector<Row> rows{{"Layer", "Output", "Parameters", "FLOPs", "Output memory"}};
  for (const LayerSummary& layer : layers) {
    const std::string name =
        layer.path.substr(layer.path.rfind('.') + 1);  // npos + 1 is 0: no dot, all of it
    rows.push_back(
        {fmt::format("{:{}}{}{}{}", "", 2 * layer.depth, name, name.empty() ? "" : ": ", layer.layer),
         layer.output.to_string(), layer.parameters == 0 ? "" : format_count(layer.parameters),
         layer.flops == 0 ? "" : scaled(layer.flops), format_bytes(layer.output_bytes)});
  }
  std::array<std::size_t, 5> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  std::size_t width = 0;
  for (const Row& row : rows) {
    const std::string line = fmt::format("{:<{}}  {:<{}}  {:>{}}  {:>{}}  {:>{}}", row[0], widths[0], row[1],
                                         widths[1], row[2], widths[2], row[3], widths[3], row[4], widths[4]);
    width = line.size();
    text += line + "\n";
    if (&row == &rows.front()) text += std::string(width, '-') + "\n";
  }
  text += std::string(width, '-') + "\n";
  text += fmt::format("Input             {}\n", input);
  text += fmt::format("Parameters        {} ({})\n", format_count(parameters), format_bytes(parameter_bytes));
  if (buffer_bytes > 0) text += fmt::format("Buffers           {}\n", format_bytes(buffer_bytes));
  text += fmt::format("FLOPs             {} per forward pass\n", scaled(flops));
  text += fmt::format("Training memory   {} (parameters, gradients and layer outputs)\n",
                      format_bytes(2 * parameter_bytes + buffer_bytes + output_bytes));
  return text;
}

std::string summary(Module& model, const Shape& input) {
  return summarize(model, input).to_string();
}

}  // namespace gnn
