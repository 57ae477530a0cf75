#include "gnn/train/checkpoint.h"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <string_view>

#include "gnn/core/check.h"
#include "gnn/layers/copy.h"

namespace gnn {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    check<Error>(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1,
                 "sha256: OpenSSL has no SHA-256");
  }
  void update(const void* data, std::size_t bytes) {
    check<Error>(EVP_DigestUpdate(context_.get(), data, bytes) == 1, "sha256: OpenSSL failed");
  }
  std::string hexadecimal() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    check<Error>(EVP_DigestFinal_ex(context_.get(), digest.data(), &length) == 1, "sha256: OpenSSL failed");
    std::string text;
    for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Module& module, Metadata metadata) {
  metadata.emplace("format", "pt");
  save_tensors(path, module.state_dict(), metadata);
}

Metadata load_checkpoint(const std::filesystem::path& path, Module& module) {
  TensorFile file = load_tensors(path);
  try {
    module.load_state_dict(file.tensors);
  } catch (const Error& error) {
    fail<DataError>("cannot load '{}': {}", path.string(), error.what());
  }
  return std::move(file.metadata);
}

std::string sha256(const Module& module) {
  return sha256(module.state_dict());
}

std::string sha256(std::span<const NamedTensor> tensors) {
  Sha256 hash;
  for (const NamedTensor& entry : tensors) {
    const std::string label =
        fmt::format("{} {} {}\n", entry.name, entry.tensor.dtype(), entry.tensor.shape());
    hash.update(label.data(), label.size());
    const Tensor host = to(entry.tensor.detach(), Device::cpu());
    hash.update(host.raw_data(), host.nbytes());
  }
  return hash.hexadecimal();
}

}  // namespace gnn
