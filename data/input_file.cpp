#include "gnn/data/input_file.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "gnn/core/check.h"

namespace gnn {
namespace {

// Deflate cannot do better than 1032 : 1 (a 258-byte match in two bits).
constexpr std::uint64_t max_deflate_ratio = 1032;
constexpr const char* reload = "the file is damaged or only partly downloaded: get it again";

}  // namespace

struct InputFile::Inflater {
  z_stream stream{};
  std::array<unsigned char, 65536> buffer;
  int member = 0;  // a gzip file may be several, one after the other
  bool finished = false;

  Inflater() { check<Error>(inflateInit2(&stream, 15 + 16) == Z_OK, "zlib: inflateInit2 failed"); }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

InputFile::InputFile(const std::filesystem::path& path) : name_(fmt::format("'{}'", path.string())) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  check<DataError>(std::filesystem::exists(status), "cannot open {}: there is no such file ({})", name_,
                   error ? error.message() : "not found");
  check<DataError>(!std::filesystem::is_directory(status), "cannot read {}: it is a folder, expected a file",
                   name_);
  check<DataError>(std::filesystem::is_regular_file(status), "cannot read {}: it is not a regular file",
                   name_);
  file_size_ = std::filesystem::file_size(path, error);
  check<DataError>(!error, "cannot read {}: {}", name_, error.message());
  check<DataError>(file_size_ > 0, "{} is empty (0 bytes): {}", name_, reload);
  file_.reset(std::fopen(path.c_str(), "rb"));
  check<DataError>(file_ != nullptr, "cannot open {}: {}", name_, std::generic_category().message(errno));
  std::array<unsigned char, 2> magic{};
  const std::size_t got = std::fread(magic.data(), 1, magic.size(), file_.get());
  std::rewind(file_.get());
  if (got == 2 && magic[0] == 0x1f && magic[1] == 0x8b) inflater_ = std::make_unique<Inflater>();
}

InputFile::~InputFile() = default;

std::uint64_t InputFile::content_limit() const {
  if (!compressed()) return file_size_;
  return file_size_ > UINT64_MAX / max_deflate_ratio ? UINT64_MAX : file_size_ * max_deflate_ratio;
}

std::size_t InputFile::read(void* target, std::size_t bytes) {
  const std::size_t got = compressed() ? read_gzip(target, bytes) : read_plain(target, bytes);
  position_ += got;
  return got;
}

std::uint64_t InputFile::skip_to_end() {
  std::array<unsigned char, 65536> buffer;
  while (read(buffer.data(), buffer.size()) > 0) {
  }
  return position_;
}

std::size_t InputFile::read_plain(void* target, std::size_t bytes) {
  const std::size_t got = bytes == 0 ? 0 : std::fread(target, 1, bytes, file_.get());
  check<DataError>(std::ferror(file_.get()) == 0, "{}: reading failed at byte {}: {}", name_,
                   file_position_ + got, std::generic_category().message(errno));
  file_position_ += got;
  return got;
}

// Loads the next piece of the compressed file; false at its end.
bool InputFile::refill() {
  const std::size_t got = read_plain(inflater_->buffer.data(), inflater_->buffer.size());
  inflater_->stream.next_in = inflater_->buffer.data();
  inflater_->stream.avail_in = static_cast<uInt>(got);
  return got > 0;
}

// After the end of a gzip member there is the end of the file or another member, nothing else.
void InputFile::next_member() {
  z_stream& stream = inflater_->stream;
  if (stream.avail_in == 0 && !refill()) {
    inflater_->finished = true;
    return;
  }
  check<DataError>(*stream.next_in == 0x1f,
                   "{}: byte {}: {} bytes follow the end of the gzip data; {}, or cut it to {} bytes", name_,
                   file_position_ - stream.avail_in, file_size_ - (file_position_ - stream.avail_in), reload,
                   file_position_ - stream.avail_in);
  inflateReset(&stream);
  ++inflater_->member;
}

std::size_t InputFile::read_gzip(void* target, std::size_t bytes) {
  z_stream& stream = inflater_->stream;
  std::size_t done = 0;
  while (done < bytes && !inflater_->finished) {
    if (stream.avail_in == 0 && !refill()) {
      fail<DataError>("{}: byte {}: the gzip data ends early, after {} decompressed bytes; {}", name_,
                      file_size_, position_ + done, reload);
    }
    const auto chunk = static_cast<uInt>(std::min<std::size_t>(bytes - done, 1u << 30));
    stream.next_out = static_cast<unsigned char*>(target) + done;
    stream.avail_out = chunk;
    const int status = inflate(&stream, Z_NO_FLUSH);
    done += chunk - stream.avail_out;
    if (status == Z_STREAM_END) {
      next_member();
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      const std::uint64_t at = file_position_ - stream.avail_in;
      if (status == Z_MEM_ERROR) fail<Error>("{}: zlib has no memory", name_);
      if (inflater_->member > 0 && stream.total_out == 0) {
        fail<DataError>("{}: byte {}: the bytes after the end of the gzip data are no gzip data; {}", name_,
                        at, reload);
      }
      fail<DataError>("{}: byte {}: damaged gzip data ({}); {}", name_, at,
                      stream.msg == nullptr ? "unknown reason" : stream.msg, reload);
    }
  }
  return done;
}

}  // namespace gnn
