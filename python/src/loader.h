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
  Loader(std::shared_ptr<Dataset> dataset, const DataLoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Throws Error when it is closed.
  DataLoader& get();
  /// Ends its thread and drops the data set; without effect when it is in use.
  void close();

  /// While one of these is alive, its thread prepares a batch in Python. Garbage collection may take loaders
  /// there, even the one whose batch it is.
  class Preparing {
   public:
    Preparing();
    ~Preparing();
    Preparing(const Preparing&) = delete;
    Preparing& operator=(const Preparing&) = delete;
  };

  /// The right of a thread to use the loader. Throws Error while another thread has it.
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
  std::unique_ptr<DataLoader> loader_;
  std::mutex mutex_;  // of what follows
  std::thread::id user_;
  int uses_ = 0;
};

void bind_loader(nb::module_& m);

}  // namespace gnn::python
