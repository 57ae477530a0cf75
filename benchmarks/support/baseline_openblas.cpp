// Matrix products and linear layers by OpenBLAS.

#include <cblas.h>

#include <string>

#include "gnn/core/dtype.h"
#include "support/bench.h"

namespace gnn::bench {
namespace {

void gemm(CBLAS_TRANSPOSE trans_b, int m, int n, int k, const float* a, const float* b, float beta,
          float* c) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, trans_b, m, n, k, 1, a, k, b, trans_b == CblasTrans ? k : n, beta,
              c, n);
}
void gemm(CBLAS_TRANSPOSE trans_b, int m, int n, int k, const double* a, const double* b, double beta,
          double* c) {
  cblas_dgemm(CblasRowMajor, CblasNoTrans, trans_b, m, n, k, 1, a, k, b, trans_b == CblasTrans ? k : n, beta,
              c, n);
}

/// a [m, k] times b [k, n], or [n, k] transposed, plus a row where there is a third tensor.
Tensor product(std::span<const Tensor> in, CBLAS_TRANSPOSE trans_b) {
  openblas_set_num_threads(num_threads());
  const auto m = static_cast<int>(in[0].size(0));
  const auto k = static_cast<int>(in[0].size(1));
  const auto n = static_cast<int>(in[1].size(trans_b == CblasTrans ? 0 : 1));
  Tensor result = empty({m, n}, in[0].options());
  dispatch_floating("OpenBLAS", in[0].dtype(), [&](auto type) {
    using T = typename decltype(type)::type;
    T* const c = result.mutable_data<T>();
    const bool bias = in.size() > 2;
    if (bias) {
      const T* const row = in[2].data<T>();
      for (int i = 0; i < m; ++i) std::copy(row, row + n, c + std::int64_t{i} * n);
    }
    gemm(trans_b, m, n, k, in[0].data<T>(), in[1].data<T>(), bias ? T{1} : T{0}, c);
  });
  return result;
}

std::vector<Baseline> baselines() {
  std::vector<Baseline> list;
  const auto add = [&](const std::string& name, CBLAS_TRANSPOSE trans_b) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      list.push_back(
          {name, "OpenBLAS", dtype, [trans_b](std::span<const Tensor> in) { return product(in, trans_b); }});
    }
  };
  add("gemm/64x500x800", CblasTrans);
  add("gemm/1024x1024x1024", CblasNoTrans);
  add("linear/64x800_to_500", CblasTrans);
  add("linear/64x500_to_10", CblasTrans);
  add("linear/256x4096_to_4096", CblasTrans);
  return list;
}

const RegisterBaselines registered(baselines());

}  // namespace
}  // namespace gnn::bench
