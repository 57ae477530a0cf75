// dtypes, devices, threads, seeds, and the module libgnn.cuda.

#include <array>

#include "bindings.h"

namespace gnn::python {
namespace {

constexpr std::array dtypes{DType::float32, DType::float64, DType::float16, DType::bfloat16,
                            DType::int32,   DType::int64,   DType::uint8};

void bind_dtype(nb::module_& m) {
  nb::enum_<DType> type(m, "dtype", "Element type of a tensor: libgnn.float32, libgnn.int64, ...");
  for (const DType dtype : dtypes) type.value(std::string(name_of(dtype)).c_str(), dtype);
  type.def_prop_ro(
      "itemsize", [](DType dtype) { return size_of(dtype); }, "Bytes per element.");
  type.def_prop_ro("is_floating_point", &is_floating);
  const auto text = [](DType dtype) { return "libgnn." + std::string(name_of(dtype)); };
  type.def("__repr__", text);
  type.def("__str__", text);
}

void bind_device_class(nb::module_& m) {
  nb::class_<Device> device(m, "device",
                            "Where a tensor lives: device('cpu'), device('cuda'), device('cuda:1'), or "
                            "device('auto'), the first CUDA device where one is available, else the CPU.\n\n"
                            "Raises DeviceError for other text and, with the reason, for a CUDA device that "
                            "cannot be used.");
  device.def(
      "__init__", [](Device* self, const DeviceLike& like) { new (self) Device(like.get()); }, "device"_a);
  device.def_prop_ro("type", [](const Device& self) { return self.is_cpu() ? "cpu" : "cuda"; });
  device.def_prop_ro(
      "index",
      [](const Device& self) { return self.is_cpu() ? std::nullopt : std::optional<int>(self.index); },
      "Number of the CUDA device; None for the CPU.");
  device.def("__eq__", [](const Device& self, const nb::object& other) {
    Device other_device;
    return nb::try_cast(other, other_device, false) && other_device == self;
  });
  device.def("__hash__", [](const Device& self) { return self.is_cpu() ? -2 : self.index; });
  device.def("__str__", &Device::to_string);
  device.def("__repr__", [](const Device& self) { return "device('" + self.to_string() + "')"; });
  // device('cuda:0') once more, for copy and pickle.
  device.def(
      "__reduce__",
      [](const nb::object& self) {
        return nb::make_tuple(self.attr("__class__"), nb::make_tuple(nb::str(self)));
      },
      nb::sig("def __reduce__(self) -> tuple[typing.Any, ...]"));
}

using NamedCounts = nb::typed<nb::dict, nb::str, int>;

NamedCounts to_dict(const MemoryStats& stats) {
  NamedCounts dict;
  dict["allocated_bytes"] = stats.allocated_bytes;
  dict["reserved_bytes"] = stats.reserved_bytes;
  dict["peak_allocated_bytes"] = stats.peak_allocated_bytes;
  dict["peak_reserved_bytes"] = stats.peak_reserved_bytes;
  dict["allocations"] = stats.allocations;
  dict["driver_allocations"] = stats.driver_allocations;
  dict["driver_frees"] = stats.driver_frees;
  return dict;
}

void bind_cuda(nb::module_& m) {
  m.def("cuda_is_available", &cuda::is_available);
  m.def("cuda_unavailable_reason", &cuda::unavailable_reason);
  m.def("cuda_device_count", &cuda::device_count);
  m.def("cuda_device_name", &cuda::device_name, "index"_a);
  m.def(
      "synchronize", [](const DeviceLike& device) { synchronize(device.get()); }, "device"_a, releases_gil());
  m.def(
      "memory_stats", [](const DeviceLike& device) { return to_dict(memory_stats(device.get())); },
      "device"_a,
      "The allocator's statistics for a device, as a dict: allocated_bytes in live tensors (after rounding), "
      "reserved_bytes held from the driver, their peaks since reset_peak_memory_stats(), and how many blocks "
      "were allocated in all, by the allocator and by the driver.");
  m.def(
      "reset_peak_memory_stats", [](const DeviceLike& device) { reset_peak_stats(device.get()); }, "device"_a,
      "Restarts the peaks of memory_stats() at the present values.");
  m.def(
      "empty_cache", [](const DeviceLike& device) { empty_cache(device.get()); }, "device"_a, releases_gil(),
      "Returns memory that no tensor uses to the driver.");
}

}  // namespace

void bind_device(nb::module_& m) {
  bind_dtype(m);
  bind_device_class(m);
  bind_cuda(m);
  m.def("manual_seed", &manual_seed, "seed"_a,
        "Seeds the default generator, from which initial weights, dropout and random tensors are drawn. The "
        "same "
        "seed gives the same numbers on every device. It is 0 at the start.");
  m.def(
      "initial_seed", [] { return default_generator().seed(); },
      "The seed that the default generator was last given.");
  m.def(
      "get_rng_state",
      [] {
        const GeneratorState state = default_generator().state();
        return std::pair(state.seed, state.offset);
      },
      "The state (seed, offset) of the default generator, for set_rng_state().");
  m.def(
      "set_rng_state",
      [](std::pair<std::uint64_t, std::uint64_t> state) {
        default_generator().set_state({state.first, state.second});
      },
      "state"_a, "Sets the default generator back to a state of get_rng_state().");
  m.def("get_num_threads", &num_threads, "Threads that CPU kernels may use.");
  m.def("set_num_threads", &set_num_threads, "threads"_a,
        "Sets the number of threads that CPU kernels may use. Results do not depend on it.\n\n"
        "Raises ValueError below 1.");
  m.def(
      "set_float32_matmul_precision", [](const std::string& text) { set_float32_matmul_precision(text); },
      "precision"_a,
      "How exactly CUDA multiplies float32 matrices: 'highest' (the default) in float32, 'high' with factors "
      "rounded to TensorFloat-32. Without effect on the CPU.\n\nRaises ValueError for other words.");
  m.def("get_float32_matmul_precision", [] { return std::string(get_float32_matmul_precision()); });
  m.def(
      "set_conv2d_algorithm", [](const std::string& text) { set_conv2d_algorithm(text); }, "algorithm"_a,
      "How CUDA computes convolutions: 'gemm' (the default), 'cudnn', or 'auto', which measures both.\n\n"
      "Raises ValueError for other words, DeviceError for 'cudnn' where it cannot be used.");
}

}  // namespace gnn::python
