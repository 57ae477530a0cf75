#pragma once

#include <filesystem>
#include <string_view>

#include "gnn/data/dataset.h"

namespace gnn {

/// The two parts of a benchmark data set. `mean` and `std` of both are those of the training images: nothing
/// is learnt from the test images.
struct ImageDatasets {
  ImageDataset train;
  ImageDataset test;
};

/// Where data sets are looked for and downloaded to: $XDG_CACHE_HOME/libgnn, else ~/.cache/libgnn.
GNN_API std::filesystem::path data_cache_folder();

/// The first folder that holds data set `name` ("mnist", "fashion-mnist"): $GNN_DATA_DIR/name, then
/// data_cache_folder()/name, then, for Fashion-MNIST, where Debian's package dataset-fashion-mnist puts it. A
/// folder counts when it has any of the four files. Empty when there is none.
GNN_API std::filesystem::path find_dataset(std::string_view name);

/// Whether the four files that load_mnist reads are in `directory`, in any of their spellings.
GNN_API bool has_mnist_files(const std::filesystem::path& directory);

/// Loads MNIST (60,000 + 10,000 grey images of 28 x 28, classes 0 … 9) from `directory`, or from where
/// find_dataset finds it when that is empty. The folder has the four files train-images-idx3-ubyte,
/// train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, plain or with .gz (or
/// "…-images.idx3-ubyte", as some unpack them). Any data in this form is taken, of any number of images:
/// `name` and `class_names` are those of MNIST or Fashion-MNIST where the labels are theirs (by checksum),
/// else the folder's name and "0" … "9". Throws DataError, naming file, position and what to do: missing or
/// damaged files (see load_idx), images that are not [N, 28, 28] uint8, counts that differ, a label above 9.
GNN_API ImageDatasets load_mnist(const std::filesystem::path& directory = {});

/// The same for Fashion-MNIST: ten kinds of clothing in MNIST's form.
GNN_API ImageDatasets load_fashion_mnist(const std::filesystem::path& directory = {});

}  // namespace gnn
