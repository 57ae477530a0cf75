// Data sets, the loader, and pictures of training runs.

#include <fmt/format.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>

#include <memory>
#include <tuple>
#include <variant>

#include "bindings.h"
#include "loader.h"
#include "path.h"

namespace gnn::python {
namespace {

using Sample = std::pair<Tensor, Tensor>;

/// An input or label as Python gives it: a number, or else a tensor.
using Value = std::variant<std::int64_t, double, Tensor>;

/// Inputs, or labels, of which the first tells shape and dtype.
class Column {
 public:
  Column() = default;
  Column(const char* what, const Value& first)
      : what_(what), shape_(shape_of(first)), dtype_(dtype_of(first)) {}

  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }

  /// Writes the value of sample `index` to a row of a batch.
  void put(const Value& value, std::int64_t index, Tensor& batch, std::int64_t row) const {
    if (shape_of(value) != shape_) {
      throw ShapeError(
          fmt::format("DataLoader: expected {}s of shape {}, as dataset[0] has, got {} of dataset[{}]", what_,
                      shape_.to_string(), shape_of(value).to_string(), index));
    }
    if (dtype_of(value) != dtype_) {
      throw DTypeError(fmt::format("DataLoader: expected {}s of {}, as dataset[0] has, got {} of dataset[{}]",
                                   what_, name_of(dtype_), name_of(dtype_of(value)), index));
    }
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      batch.mutable_data<std::int64_t>()[row] = *number;
    } else if (const auto* real = std::get_if<double>(&value)) {
      batch.mutable_data<float>()[row] = static_cast<float>(*real);
    } else {
      batch.alias(shape_, row * shape_.numel()).copy_from(std::get<Tensor>(value));
    }
  }

 private:
  static Shape shape_of(const Value& value) {
    const auto* tensor = std::get_if<Tensor>(&value);
    return tensor == nullptr ? Shape{} : tensor->shape();
  }
  static DType dtype_of(const Value& value) {
    const auto* tensor = std::get_if<Tensor>(&value);
    if (tensor != nullptr) return tensor->dtype();
    return std::holds_alternative<double>(value) ? DType::float32 : DType::int64;
  }

  const char* what_ = "";
  Shape shape_;
  DType dtype_ = DType::float32;
};

/// A number as Python has it, else what as_tensor() makes of it. (bool, a subclass of int, is not a number.)
Value value_of(const nb::object& object) {
  if (PyFloat_CheckExact(object.ptr())) return nb::cast<double>(object);
  if (!PyLong_CheckExact(object.ptr())) return as_tensor(object, std::nullopt, std::nullopt);
  const std::int64_t number = PyLong_AsLongLong(object.ptr());
  if (number == -1 && PyErr_Occurred() != nullptr) throw nb::python_error();
  return number;
}

/// A data set whose samples Python gives, one by one: any object with len() and items.
class PythonDataset final : public Dataset {
 public:
  explicit PythonDataset(nb::object samples)
      : samples_(std::move(samples)), size_(static_cast<std::int64_t>(nb::len(samples_))) {
    if (size_ == 0) return;
    const auto [input, label] = sample(0);
    inputs_ = {"input", input};
    labels_ = {"label", label};
  }
  /// Whoever gives the last handle away need not hold the GIL.
  ~PythonDataset() override {
    const nb::gil_scoped_acquire gil;
    if (gil) {
      samples_.reset();
    } else {
      samples_.release();
    }
  }
  PythonDataset(const PythonDataset&) = delete;
  PythonDataset& operator=(const PythonDataset&) = delete;

  std::int64_t size() const override { return size_; }
  Shape input_shape() const override { return inputs_.shape(); }
  DType input_dtype() const override { return inputs_.dtype(); }
  Shape label_shape() const override { return labels_.shape(); }
  DType label_dtype() const override { return labels_.dtype(); }

  void fill(std::span<const std::int64_t> indices, Tensor& inputs, Tensor& labels) override {
    const nb::gil_scoped_acquire gil;
    if (!gil) throw Error("DataLoader: the interpreter is shutting down");
    const Loader::Preparing preparing(*this);
    std::int64_t row = 0;
    for (const std::int64_t index : indices) {
      const auto [input, label] = sample(index);
      inputs_.put(input, index, inputs, row);
      labels_.put(label, index, labels, row);
      ++row;
    }
  }

  PyObject* samples() const { return samples_.ptr(); }

 private:
  std::pair<Value, Value> sample(std::int64_t index) const {
    const nb::object pair = samples_[nb::int_(index)];
    const bool sequence = PyTuple_Check(pair.ptr()) || PyList_Check(pair.ptr());
    const Py_ssize_t size = sequence ? PySequence_Size(pair.ptr()) : 0;
    if (size != 2) {
      const std::string what = nb::str(pair.type().attr("__name__")).c_str();
      throw nb::type_error(fmt::format("expected dataset[{}] to be a pair (input, label), got a {}{}", index,
                                       what, sequence ? fmt::format(" of {}", size) : "")
                               .c_str());
    }
    return {value_of(pair[0]), value_of(pair[1])};
  }

  nb::object samples_;
  std::int64_t size_;
  Column inputs_;
  Column labels_;
};

/// Garbage collection, as of Loader.
int traverse_dataset(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  if (!nb::inst_ready(self)) return 0;
  const auto* const python = dynamic_cast<const PythonDataset*>(nb::inst_ptr<Dataset>(self));
  if (python != nullptr) Py_VISIT(python->samples());
  return 0;
}

Sample sample_of(Dataset& dataset, std::int64_t index) {
  if (index < 0 || index >= dataset.size())
    throw IndexError(fmt::format("index {} is outside of the {} samples", index, dataset.size()));
  Tensor inputs = empty(dataset.input_shape(), {.dtype = dataset.input_dtype()});
  Tensor labels = empty(dataset.label_shape(), {.dtype = dataset.label_dtype()});
  dataset.fill({&index, 1}, inputs, labels);
  return {inputs, labels};
}

void bind_datasets(nb::module_& m) {
  const auto slots = traversed_by(&traverse_dataset);
  nb::class_<Dataset>(m, "Dataset", nb::type_slots(slots.data()))
      .def("__len__", &Dataset::size)
      .def("sample", &sample_of, "index"_a, releases_gil());
  m.def(
      "python_dataset",
      [](nb::object samples) -> std::shared_ptr<Dataset> {
        return std::make_shared<PythonDataset>(std::move(samples));
      },
      "samples"_a);
  m.def(
      "tensor_dataset",
      [](Tensor inputs, Tensor labels) {
        return make_dataset(TensorDataset{inputs, labels});
      },
      "inputs"_a, "labels"_a);
  m.def(
      "subset",
      [](const Tensor& inputs, const Tensor& labels, const std::vector<std::int64_t>& indices) {
        const TensorDataset chosen = subset(TensorDataset{inputs, labels}, indices);
        return Sample(chosen.inputs, chosen.labels);
      },
      "inputs"_a, "labels"_a, "indices"_a, releases_gil());
  m.def(
      "permutation",
      [](std::int64_t size, std::uint64_t seed, std::uint64_t round) {
        return permutation(size, seed, round);
      },
      "size"_a, "seed"_a, "round"_a);

  nb::class_<ImageDataset>(m, "ImageDataset")
      .def(
          "__init__",
          [](ImageDataset* self, std::string name, Tensor images, Tensor labels,
             std::vector<std::string> class_names, double mean, double std) {
            const ImageDataset dataset{
                std::move(name), std::move(images), std::move(labels), std::move(class_names), mean, std};
            check_dataset(dataset);
            new (self) ImageDataset(dataset);
          },
          "name"_a, "images"_a, "labels"_a, "class_names"_a, "mean"_a, "std"_a)
      .def_ro("name", &ImageDataset::name)
      .def_ro("images", &ImageDataset::images)
      .def_ro("labels", &ImageDataset::labels)
      .def_ro("class_names", &ImageDataset::class_names)
      .def_ro("mean", &ImageDataset::mean)
      .def_ro("std", &ImageDataset::std)
      .def("samples", [](const ImageDataset& self) { return make_dataset(self); })
      .def(
          "subset",
          [](const ImageDataset& self, const std::vector<std::int64_t>& indices) {
            return subset(self, indices);
          },
          "indices"_a, releases_gil());
  m.def(
      "load_mnist",
      [](const Path& folder) {
        ImageDatasets data = load_mnist(folder.value);
        return std::pair(std::move(data.train), std::move(data.test));
      },
      "folder"_a, releases_gil());
  m.def(
      "load_fashion_mnist",
      [](const Path& folder) {
        ImageDatasets data = load_fashion_mnist(folder.value);
        return std::pair(std::move(data.train), std::move(data.test));
      },
      "folder"_a, releases_gil());
  m.def(
      "find_dataset", [](const std::string& name) { return find_dataset(name).string(); }, "name"_a);
  m.def(
      "has_mnist_files", [](const Path& folder) { return has_mnist_files(folder.value); }, "folder"_a);
  m.def("data_cache_folder", [] { return data_cache_folder().string(); });
  m.def(
      "load_csv",
      [](const Path& path, std::int64_t channels, std::int64_t height, std::int64_t width,
         std::int64_t classes) {
        return load_csv(path.value,
                        {.channels = channels, .height = height, .width = width, .classes = classes});
      },
      "path"_a, "channels"_a, "height"_a, "width"_a, "classes"_a, releases_gil());
  m.def(
      "pixel_statistics",
      [](const Tensor& images) {
        if (images.dtype() != DType::uint8)
          throw_unsupported_dtype("pixel_statistics", "uint8", images.dtype());
        if (!images.device().is_cpu()) throw DeviceError("pixel_statistics: expected images on the CPU");
        const PixelStatistics statistics = pixel_statistics(images);
        return std::pair(statistics.mean, statistics.std);
      },
      "images"_a, releases_gil());
}

void bind_picture(nb::module_& m) {
  m.def(
      "training_picture",
      [](std::string title, std::string subtitle, std::vector<double> train_loss,
         std::vector<double> validation_loss, std::vector<double> validation_accuracy,
         std::string validation_name, std::vector<std::vector<std::int64_t>> confusion,
         std::vector<std::string> class_names,
         const std::vector<std::tuple<Tensor, std::int64_t, std::int64_t>>& misclassified) {
        TrainingPicture picture{.title = std::move(title),
                                .subtitle = std::move(subtitle),
                                .train_loss = std::move(train_loss),
                                .validation_loss = std::move(validation_loss),
                                .validation_accuracy = std::move(validation_accuracy),
                                .validation_name = std::move(validation_name),
                                .confusion = std::move(confusion),
                                .class_names = std::move(class_names),
                                .misclassified = {}};
        for (const auto& [image, label, predicted] : misclassified)
          picture.misclassified.push_back({image, label, predicted});
        return training_picture_svg(picture);
      },
      "title"_a, "subtitle"_a, "train_loss"_a, "validation_loss"_a, "validation_accuracy"_a,
      "validation_name"_a, "confusion"_a, "class_names"_a, "misclassified"_a, releases_gil());
  m.def(
      "write_file",
      [](const Path& path, const std::string& text) { write_file_atomically(path.value, text); }, "path"_a,
      "text"_a, "Writes the file, whole or not at all.");
  m.def(
      "check_writable", [](const Path& path) { const AtomicFile probe(path.value); }, "path"_a,
      "Raises DataError where write_file() would.");
}

}  // namespace

void bind_data(nb::module_& m) {
  bind_datasets(m);
  bind_loader(m);
  bind_picture(m);
}

}  // namespace gnn::python
