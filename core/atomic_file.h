#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "gnn/core/export.h"

namespace gnn {

/// A file that appears whole or not at all. Writes go to a temporary file in the same folder; commit() brings
/// it to the disk and renames it over `path`. Without commit() (an exception, say) the destructor removes it
/// and what `path` held before is untouched. A symbolic link is followed and stays one; an existing file's
/// permissions are kept; a device or pipe (/dev/null, /dev/stdout) is written to directly.
///
/// All functions throw DataError, naming the file, the position and the system's reason.
class GNN_API AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Makes the file appear under its name; nothing can be written any more.
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path target_;     // path_ with symbolic links followed
  std::filesystem::path temporary_;  // empty: writing to target_ itself
  int descriptor_ = -1;
  std::uint64_t position_ = 0;
};

/// Writes `content` as the whole of an AtomicFile.
GNN_API void write_file_atomically(const std::filesystem::path& path, std::string_view content);

}  // namespace gnn
