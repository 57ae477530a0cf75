// The DataLoader and its loops.

#include "loader.h"

#include <nanobind/stl/shared_ptr.h>

#include <set>
#include <utility>

namespace gnn::python {
namespace {

/// All loaders that there are; used with the GIL held.
std::set<Loader*>& loaders() {
  static std::set<Loader*> all;
  return all;
}

thread_local const Dataset* preparing = nullptr;  // by Loader::Preparing of this thread

/// One epoch of a loader.
struct Loop {
  nb::object owner;  // of the loader
  Loader& loader;
  DataLoader::Iterator batch;
};

// Garbage collection: cycles through a data set that has its own loader, or a loop over it. They have no
// tp_clear, as such a cycle always goes through the data set, which Python can take apart.
int traverse_loader(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  if (nb::inst_ready(self)) Py_VISIT(nb::inst_ptr<Loader>(self)->dataset());
  return 0;
}

int traverse_loop(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  if (nb::inst_ready(self)) Py_VISIT(nb::inst_ptr<Loop>(self)->owner.ptr());
  return 0;
}

using Pair = std::pair<Tensor, Tensor>;

/// Inputs and labels of the next batch; nothing at the end.
std::optional<Pair> next_batch(Loop& loop) {
  const nb::gil_scoped_release released;
  const Loader::Use use(loop.loader);
  const DataLoader& loader = loop.loader.get();
  if (loop.batch == loader.end()) return std::nullopt;
  Pair pair(loop.batch->inputs, loop.batch->labels);
  ++loop.batch;
  return pair;
}

}  // namespace

Loader::Loader(nb::handle dataset, const DataLoaderOptions& options) : dataset_(dataset.ptr()) {
  auto samples = nb::cast<std::shared_ptr<Dataset>>(dataset);
  samples_ = samples.get();
  loader_ = std::make_unique<DataLoader>(std::move(samples), options);
  loaders().insert(this);
}

Loader::~Loader() {
  loaders().erase(this);
  if (preparing != nullptr) {
    // A thread cannot wait for its own end.
    std::thread([loader = std::move(loader_)]() mutable { loader.reset(); }).detach();
    return;
  }
  const nb::gil_scoped_release released;  // its thread may wait for the GIL
  loader_.reset();
}

Loader::Preparing::Preparing(const Dataset& dataset) : outer_(std::exchange(preparing, &dataset)) {}
Loader::Preparing::~Preparing() {
  preparing = outer_;
}

DataLoader& Loader::get() {
  if (loader_ == nullptr) throw Error("DataLoader: the interpreter is shutting down");
  return *loader_;
}

void Loader::close() {
  const nb::gil_scoped_release released;
  std::unique_ptr<DataLoader> ended;  // outlives the lock: its thread may ask for it
  const std::lock_guard lock(mutex_);
  if (uses_ == 0) ended = std::move(loader_);
}

Loader::Use::Use(Loader& loader) : loader_(loader) {
  if (preparing == loader.samples_) {
    throw Error(
        "DataLoader: the data set uses the loader that is waiting for its next sample; give it a loader of "
        "its own");
  }
  const std::lock_guard lock(loader.mutex_);
  const std::thread::id self = std::this_thread::get_id();
  if (loader.uses_ > 0 && loader.user_ != self)
    throw Error("DataLoader: another thread is using this loader; give every thread its own");
  loader.user_ = self;
  ++loader.uses_;
}

Loader::Use::~Use() {
  const std::lock_guard lock(loader_.mutex_);
  --loader_.uses_;
}

void bind_loader(nb::module_& m) {
  const auto loop_slots = traversed_by(&traverse_loop);
  const auto loader_slots = traversed_by(&traverse_loader);
  nb::class_<Loop>(m, "Loop", nb::type_slots(loop_slots.data()))
      .def(
          "__iter__", [](nb::object self) { return self; }, nb::sig("def __iter__(self) -> Loop"))
      .def("__next__", [](Loop& self) {
        std::optional<Pair> pair = next_batch(self);
        // A loop like list(loader) runs no Python code that would look for Ctrl-C.
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
        if (!pair) throw nb::stop_iteration();
        return std::move(*pair);
      });
  nb::class_<Loader>(m, "Loader", nb::type_slots(loader_slots.data()))
      .def(
          "__init__",
          [](Loader* self, nb::handle_t<Dataset> dataset, std::int64_t batch_size, bool shuffle,
             std::uint64_t seed, bool drop_last, const DeviceLike& device, int prefetch,
             bool keep_on_device) {
            new (self) Loader(dataset, {.batch_size = batch_size,
                                        .shuffle = shuffle,
                                        .seed = seed,
                                        .drop_last = drop_last,
                                        .device = device.get(),
                                        .prefetch = prefetch,
                                        .keep_on_device = keep_on_device});
          },
          "dataset"_a, "batch_size"_a, "shuffle"_a, "seed"_a, "drop_last"_a, "device"_a, "prefetch"_a,
          "keep_on_device"_a)
      .def("__len__", [](Loader& self) { return self.get().batches(); })
      .def_prop_ro("samples", [](Loader& self) { return self.get().samples(); })
      .def_prop_ro("device", [](Loader& self) { return self.get().options().device; })
      .def_prop_ro("next_epoch", [](Loader& self) { return self.get().next_epoch(); })
      .def(
          "set_next_epoch", [](Loader& self, std::int64_t epoch) { self.get().set_next_epoch(epoch); },
          "epoch"_a)
      .def(
          "begin",
          [](nb::handle_t<Loader> self) {
            auto& loader = nb::cast<Loader&>(self);
            const auto first = [&] {
              const nb::gil_scoped_release released;
              const Loader::Use use(loader);
              return loader.get().begin();
            };
            return new Loop{nb::borrow(self), loader, first()};
          },
          nb::rv_policy::take_ownership);
  // A thread that waits for the GIL when the interpreter ends would be torn out of the middle of its work.
  nb::module_::import_("atexit").attr("register")(nb::cpp_function([] {
    const std::set<Loader*> all = loaders();
    for (Loader* loader : all) {
      if (loaders().contains(loader)) loader->close();
    }
  }));
}

}  // namespace gnn::python
