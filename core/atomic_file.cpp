#include "gnn/core/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "gnn/core/check.h"

namespace gnn {
namespace {

[[noreturn]] void fail_to_write(const std::filesystem::path& path, int reason) {
  fail<DataError>("cannot write '{}': {}", path.string(), std::generic_category().message(reason));
}

}  // namespace

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(path), target_(path) {
  if (path.empty()) fail_to_write(path, ENOENT);
  std::error_code ignored;
  if (std::filesystem::path resolved = std::filesystem::canonical(path, ignored); !ignored)
    target_ = resolved;

  struct stat existing {};
  const bool exists = ::stat(target_.c_str(), &existing) == 0;
  if (exists && S_ISDIR(existing.st_mode)) fail_to_write(path_, EISDIR);
  if (exists && !S_ISREG(existing.st_mode)) {
    descriptor_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor_ < 0) fail_to_write(path_, errno);
    return;
  }
  // Renaming would replace a file that this user may not write to.
  if (exists && ::access(target_.c_str(), W_OK) != 0) fail_to_write(path_, errno);

  for (int attempt = 0; descriptor_ < 0; ++attempt) {
    temporary_ = target_;
    temporary_ += fmt::format(".tmp-{}-{}", ::getpid(), attempt);
    // 0666 less the umask, as for any new file.
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && (errno != EEXIST || attempt == 1000)) fail_to_write(path_, errno);
  }
  // A failure (another owner's file on some file systems) leaves the defaults, which is no reason to lose
  // data.
  if (exists) static_cast<void>(::fchmod(descriptor_, existing.st_mode & 07777) == 0);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  check<DataError>(descriptor_ >= 0, "cannot write '{}': it is complete already", path_.string());
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor_, next, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      fail<DataError>("cannot write '{}' at byte {}: {}", path_.string(), position_,
                      std::generic_category().message(errno));
    }
    next += written;
    bytes -= static_cast<std::size_t>(written);
    position_ += static_cast<std::uint64_t>(written);
  }
}

void AtomicFile::commit() {
  check<DataError>(descriptor_ >= 0, "cannot write '{}': it is complete already", path_.string());
  const bool direct = temporary_.empty();
  // Without fsync a crash of the machine could leave the new name on an empty file. Pipes cannot.
  if (!direct && ::fsync(descriptor_) != 0) fail_to_write(path_, errno);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 || (!direct && ::rename(temporary_.c_str(), target_.c_str()) != 0)) {
    const int reason = errno;
    if (!direct) ::unlink(temporary_.c_str());
    fail_to_write(path_, reason);
  }
  if (direct) return;
  // The new name, too, should survive a crash; a file system that cannot promise it is no reason to fail.
  const std::filesystem::path folder = target_.has_parent_path() ? target_.parent_path() : ".";
  if (const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); descriptor >= 0) {
    ::fsync(descriptor);
    ::close(descriptor);
  }
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

}  // namespace gnn
