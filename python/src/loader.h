#pragma once

#include <memory>
#include <mutex>
#include <thread>

#include "bindings.h"

namespace gnn::python {

/// A DataLoader as Python has it: nobody uses it from two threads at a time, and its thread ends before the
/// interpreter does.
class Loader {
 public:
  /// dataset: a Dataset of Python's. Throws what casting to it does, and what DataLoader does.
  Loader(nb::handle dataset, const DataLoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Throws Error when it is closed.
  DataLoader& get();
  /// Ends its thread and drops the data set; without effect when it is in use.
  void close();

  /// The Python object that it keeps alive; nullptr when it is closed.
  PyObject* dataset() const { return loader_ == nullptr ? nullptr : dataset_; }

  /// While one of these is alive, its thread prepares a batch of samples that Python gives. Garbage
  /// collection may take loaders there, even the one whose batch it is.
  class Preparing {
   public:
    explicit Preparing(const Dataset& dataset);
    ~Preparing();
    Preparing(const Preparing&) = delete;
    Preparing& operator=(const Preparing&) = delete;

   private:
    const Dataset* outer_;
  };

  /// The right of a thread to use the loader. Throws Error while another thread has it, and in a data set
  /// that the loader is taking a sample from: its thread cannot wait for itself.
  class Use {
   public:
    explicit Use(Loader& loader);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Loader& loader_;
  };

 private:
  PyObject* dataset_;       // which loader_ keeps alive
  const Dataset* samples_;  // of dataset_
  std::unique_ptr<DataLoader> loader_;
  std::mutex mutex_;  // of what follows
  std::thread::id user_;
  int uses_ = 0;
};

void bind_loader(nb::module_& m);

}  // namespace gnn::python
