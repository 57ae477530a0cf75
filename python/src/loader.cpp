// The DataLoader and its loops.

#include "loader.h"

#include <nanobind/stl/shared_ptr.h>

#include <algorithm>
#include <set>

namespace gnn::python {
namespace {

/// All loaders that there are; used with the GIL held.
std::set<Loader*>& loaders() {
  static std::set<Loader*> all;
  return all;
}

thread_local int preparing = 0;  // Loader::Preparing of this thread

/// One epoch of a loader.
struct Loop {
  Loader& loader;
  DataLoader::Iterator batch;
};

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

Loader::Loader(std::shared_ptr<Dataset> dataset, const DataLoaderOptions& options)
    : loader_(std::make_unique<DataLoader>(std::move(dataset), options)) {
  loaders().insert(this);
}

Loader::~Loader() {
  loaders().erase(this);
  if (preparing > 0) {
    // A thread cannot wait for its own end.
    std::thread([loader = std::move(loader_)]() mutable { loader.reset(); }).detach();
    return;
  }
  const nb::gil_scoped_release released;  // its thread may wait for the GIL
  loader_.reset();
}

Loader::Preparing::Preparing() {
  ++preparing;
}
Loader::Preparing::~Preparing() {
  --preparing;
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
  nb::class_<Loop>(m, "Loop")
      .def(
          "__iter__", [](nb::object self) { return self; }, nb::sig("def __iter__(self) -> Loop"))
      .def("__next__", [](Loop& self) {
        std::optional<Pair> pair = next_batch(self);
        // A loop like list(loader) runs no Python code that would look for Ctrl-C.
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
        if (!pair) throw nb::stop_iteration();
        return std::move(*pair);
      });
  nb::class_<Loader>(m, "Loader")
      .def(
          "__init__",
          [](Loader* self, std::shared_ptr<Dataset> dataset, std::int64_t batch_size, bool shuffle,
             std::uint64_t seed, bool drop_last, const DeviceLike& device, int prefetch,
             bool keep_on_device) {
            new (self) Loader(std::move(dataset), {.batch_size = batch_size,
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
          [](Loader& self) {
            const nb::gil_scoped_release released;
            const Loader::Use use(self);
            return new Loop{self, self.get().begin()};
          },
          nb::rv_policy::take_ownership, nb::keep_alive<0, 1>());
  // A thread that waits for the GIL when the interpreter ends would be torn out of the middle of its work.
  nb::module_::import_("atexit").attr("register")(nb::cpp_function([] {
    const std::set<Loader*> all = loaders();
    for (Loader* loader : all) {
      if (loaders().contains(loader)) loader->close();
    }
  }));
}

}  // namespace gnn::python
