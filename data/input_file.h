#pragma once

// Files read from front to back, plain or gzip. Not installed.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "gnn/core/export.h"

namespace gnn {

/// A file being read from front to back; gzip is recognised by its first two bytes and decompressed.
/// Everything that is wrong with the file is thrown as a DataError that names it, the byte, and what to do.
class GNN_API InputFile {
 public:
  /// Throws DataError for a path that does not exist, is a folder or another special file, or is empty.
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// The path in quotes, for messages.
  const std::string& name() const { return name_; }
  bool compressed() const { return inflater_ != nullptr; }
  /// Bytes of the (decompressed) content that were read so far.
  std::uint64_t position() const { return position_; }
  /// Bytes of the content: their number in a plain file; in a gzip file the most that its size allows.
  std::uint64_t content_limit() const;
  /// Reads up to `bytes` bytes of the content; fewer only at its end. Throws DataError for damaged gzip data,
  /// data that ends early, and bytes that follow it.
  std::size_t read(void* target, std::size_t bytes);
  /// Reads the rest and throws it away; returns the content's size.
  std::uint64_t skip_to_end();

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  struct Inflater;
  std::size_t read_plain(void* target, std::size_t bytes);
  std::size_t read_gzip(void* target, std::size_t bytes);
  bool refill();
  void next_member();

  std::string name_;
  std::unique_ptr<std::FILE, Closer> file_;
  std::uint64_t file_size_ = 0;
  std::uint64_t file_position_ = 0;
  std::uint64_t position_ = 0;
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace gnn
