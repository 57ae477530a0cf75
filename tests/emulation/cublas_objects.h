#pragma once

// The objects of the emulated cuBLASLt, and what makes the descriptors of a product fit together.

#include <cublasLt.h>

#include <cstdint>
#include <set>
#include <string>

#include "emulation/matmul.h"
#include "emulation/report.h"

struct cublasLtContext {
  int device = 0;
};

namespace gnn::emulation {

struct Description {
  cublasComputeType_t compute;
  cudaDataType scale;
  std::int32_t pointer_mode = CUBLASLT_POINTER_MODE_HOST;
  std::int32_t operation_a = CUBLAS_OP_N;
  std::int32_t operation_b = CUBLAS_OP_N;
  std::uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void* vector = nullptr;
};

struct Layout {
  cudaDataType type;
  std::uint64_t rows;
  std::uint64_t columns;
  std::int64_t stride;
  std::int32_t batch = 1;
  std::int64_t step = 0;
};

struct Preference {
  std::uint64_t most_workspace = 0;
  std::uint32_t alignment_a = 256;
  std::uint32_t alignment_b = 256;
  std::uint32_t alignment_c = 256;
  std::uint32_t alignment_d = 256;
};

/// What cublasLtMatmulAlgo_t holds: what the algorithm was chosen for, and what it relies on.
struct Algorithm {
  static constexpr std::uint64_t mark = 0x656d756c61746564;
  std::uint64_t magic = mark;
  std::uint64_t problem = 0;
  std::uint32_t alignment[4] = {};
  std::uint64_t workspace = 0;
};
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));

/// The objects of one kind that exist, known to the caller by an opaque pointer.
template <class Object, class Opaque>
class Objects {
 public:
  explicit Objects(const char* kind) : kind_(kind) {}
  Opaque* add(Object object) {
    auto* const handle = reinterpret_cast<Opaque*>(new Object(object));
    live_.insert(handle);
    return handle;
  }
  /// nullptr, with a report, when there is none.
  Object* find(const Opaque* handle) const {
    if (live_.contains(handle)) return reinterpret_cast<Object*>(const_cast<Opaque*>(handle));
    report(std::string("cuBLAS: a ") + kind_ + " that does not exist, or was destroyed");
    return nullptr;
  }
  cublasStatus_t remove(const Opaque* handle) {
    Object* const object = find(handle);
    if (object == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    live_.erase(handle);
    delete object;
    return CUBLAS_STATUS_SUCCESS;
  }

 private:
  const char* kind_;
  std::set<const Opaque*> live_;
};

template <class Object, class Opaque>
Objects<Object, Opaque>& make_objects(const char* kind) {
  static auto& objects = *new Objects<Object, Opaque>(kind);
  return objects;
}
inline auto& handles() {
  return make_objects<cublasLtContext, cublasLtContext>("handle");
}
inline auto& descriptions() {
  return make_objects<Description, cublasLtMatmulDescOpaque_t>("matmul descriptor");
}
inline auto& layouts() {
  return make_objects<Layout, cublasLtMatrixLayoutOpaque_t>("matrix layout");
}
inline auto& preferences() {
  return make_objects<Preference, cublasLtMatmulPreferenceOpaque_t>("preference");
}

/// ReLU is not among them: nobody says what it makes of NaN.
inline bool known_epilogue(std::uint32_t epilogue) {
  switch (epilogue) {
    case CUBLASLT_EPILOGUE_DEFAULT:
    case CUBLASLT_EPILOGUE_BIAS:
      return true;
    default:
      return false;
  }
}

/// The descriptors of one call, looked up and checked against each other.
struct Problem {
  const Description* description;
  const Layout *a, *b, *c, *d;

  bool exists() const {
    return description != nullptr && a != nullptr && b != nullptr && c != nullptr && d != nullptr;
  }

  cublasStatus_t check() const {
    const auto rows = [](const Layout& layout, std::int32_t operation) {
      return operation == CUBLAS_OP_N ? layout.rows : layout.columns;
    };
    const auto columns = [](const Layout& layout, std::int32_t operation) {
      return operation == CUBLAS_OP_N ? layout.columns : layout.rows;
    };
    const Description& x = *description;
    if (rows(*a, x.operation_a) != d->rows || columns(*b, x.operation_b) != d->columns ||
        columns(*a, x.operation_a) != rows(*b, x.operation_b) || c->rows != d->rows ||
        c->columns != d->columns)
      return CUBLAS_STATUS_INVALID_VALUE;
    for (const Layout* layout : {a, b, c, d}) {
      // An empty matrix is none of cuBLASLt's.
      if (layout->rows == 0 || layout->columns == 0 || layout->stride < std::int64_t(layout->rows) ||
          layout->batch != d->batch || layout->batch < 1)
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    const bool wide = d->type == CUDA_R_64F;
    const bool fast = x.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    const bool single = fast || x.compute == CUBLAS_COMPUTE_32F || x.compute == CUBLAS_COMPUTE_32F_PEDANTIC;
    if (size_of(a->type) == 0 || size_of(d->type) == 0 || a->type != b->type || c->type != d->type ||
        !(wide ? x.compute == CUBLAS_COMPUTE_64F && a->type == d->type : single) ||
        x.scale != (wide ? CUDA_R_64F : CUDA_R_32F) || (fast && a->type != CUDA_R_32F) ||
        !known_epilogue(x.epilogue) || (x.epilogue != CUBLASLT_EPILOGUE_DEFAULT && d->batch != 1))
      return CUBLAS_STATUS_NOT_SUPPORTED;
    return CUBLAS_STATUS_SUCCESS;
  }

  /// Equal for equal problems: the addresses are no part of it.
  std::uint64_t fingerprint() const {
    std::uint64_t hash = 14695981039346656037U;  // FNV-1a
    const auto add = [&](auto value) {
      const auto word = static_cast<std::uint64_t>(value);
      for (int shift = 0; shift < 64; shift += 8) hash = (hash ^ (word >> shift & 0xff)) * 1099511628211U;
    };
    for (const Layout* layout : {a, b, c, d}) {
      for (const std::uint64_t value :
           {std::uint64_t(layout->type), layout->rows, layout->columns, std::uint64_t(layout->stride),
            std::uint64_t(layout->batch), std::uint64_t(layout->step)})
        add(value);
    }
    add(description->compute);
    add(description->operation_a);
    add(description->operation_b);
    add(description->epilogue);
    return hash;
  }
};

inline Problem find_problem(cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                            cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
  return {descriptions().find(desc), layouts().find(a), layouts().find(b), layouts().find(c),
          layouts().find(d)};
}

}  // namespace gnn::emulation
