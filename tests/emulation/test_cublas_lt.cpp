// The emulated cuBLASLt: products and epilogues against loops, and what it finds wrong with a call.

#include <cublasLt.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "emulation/control.h"

namespace {

using namespace gnn::emulation;

constexpr int m = 3, n = 4, k = 5;

template <class T>
T* upload(const std::vector<T>& values) {
  void* data = nullptr;
  EXPECT_EQ(cudaMalloc(&data, values.size() * sizeof(T)), cudaSuccess);
  EXPECT_EQ(cudaMemcpy(data, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice), cudaSuccess);
  return static_cast<T*>(data);
}

template <class T>
std::vector<T> download(const T* data, std::size_t elements) {
  std::vector<T> values(elements);
  EXPECT_EQ(cudaMemcpy(values.data(), data, elements * sizeof(T), cudaMemcpyDeviceToHost), cudaSuccess);
  return values;
}

std::vector<float> some_values(int count, int first) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(static_cast<float>((first + 3 * i) % 11 - 5));
  return values;
}

/// d [m, n] = 2 a b + 3 d, column-major, with what a test wants to have otherwise.
struct Call {
  cudaDataType input = CUDA_R_32F;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cublasOperation_t operation_a = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  int depth = k;
  int batch = 1;
  std::int64_t stride_d = m;
  const void* vector = nullptr;
  float alpha = 2;
  float beta = 3;
  const float* scalars = nullptr;  // on the device
  std::uint32_t alignment = 4;
  std::uint64_t most_workspace = 0;
  std::size_t workspace_bytes = 0;  // given to the call
  int found = 0;

  Call() {
    EXPECT_EQ(cublasLtCreate(&handle), CUBLAS_STATUS_SUCCESS);
    cublasLtMatmulPreferenceCreate(&preference);
  }
  ~Call() {
    cublasLtMatmulPreferenceDestroy(preference);
    cublasLtDestroy(handle);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  template <class Value>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, Value value) {
    EXPECT_EQ(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(value)),
              CUBLAS_STATUS_SUCCESS);
  }

  cublasStatus_t operator()(const void* a, const void* b, float* d) {
    cublasLtMatmulDesc_t desc = nullptr;
    cublasLtMatrixLayout_t layout[3] = {};
    cublasLtMatmulDescCreate(&desc, compute, CUDA_R_32F);
    const auto describe = [&](cublasLtMatmulDescAttributes_t attribute, auto value) {
      EXPECT_EQ(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof(value)),
                CUBLAS_STATUS_SUCCESS);
    };
    describe(CUBLASLT_MATMUL_DESC_TRANSA, std::int32_t(operation_a));
    describe(CUBLASLT_MATMUL_DESC_EPILOGUE, std::uint32_t(epilogue));
    describe(CUBLASLT_MATMUL_DESC_BIAS_POINTER, vector);
    if (scalars != nullptr)
      describe(CUBLASLT_MATMUL_DESC_POINTER_MODE, std::int32_t(CUBLASLT_POINTER_MODE_DEVICE));
    const auto rows = static_cast<std::uint64_t>(operation_a == CUBLAS_OP_N ? m : depth);
    const auto columns = static_cast<std::uint64_t>(operation_a == CUBLAS_OP_N ? depth : m);
    cublasLtMatrixLayoutCreate(&layout[0], input, rows, columns, std::int64_t(rows));
    cublasLtMatrixLayoutCreate(&layout[1], input, std::uint64_t(depth), n, depth);
    cublasLtMatrixLayoutCreate(&layout[2], CUDA_R_32F, m, n, stride_d);
    const std::int64_t steps[] = {0, 0, m * n};
    for (int i = 0; i < 3; ++i) {
      cublasLtMatrixLayoutSetAttribute(layout[i], CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof(batch));
      cublasLtMatrixLayoutSetAttribute(layout[i], CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &steps[i],
                                       sizeof(steps[i]));
    }
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      set(attribute, alignment);
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, most_workspace);
    cublasLtMatmulHeuristicResult_t result{};
    cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle, desc, layout[0], layout[1], layout[2],
                                                           layout[2], preference, 1, &result, &found);
    if (status == CUBLAS_STATUS_SUCCESS) {
      if (before) before(desc, layout[2]);
      void* workspace = nullptr;
      if (workspace_bytes > 0) cudaMalloc(&workspace, workspace_bytes);
      status = cublasLtMatmul(handle, desc, scalars != nullptr ? scalars : &alpha, a, layout[0], b, layout[1],
                              scalars != nullptr ? scalars + 1 : &beta, d, layout[2], d, layout[2],
                              &result.algo, workspace, workspace_bytes, nullptr);
      needed = result.workspaceSize;
    }
    for (cublasLtMatrixLayout_t each : layout) cublasLtMatrixLayoutDestroy(each);
    cublasLtMatmulDescDestroy(desc);
    return status;
  }

  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  void (*before)(cublasLtMatmulDesc_t, cublasLtMatrixLayout_t) = nullptr;  // runs between choice and product
  std::size_t needed = 0;
};

class CublasLt : public ::testing::Test {
 protected:
  void SetUp() override { take_reports(); }
  void TearDown() override {
    refuse_in_cublas(CublasRefusal::nothing);
    EXPECT_EQ(take_reports(), expected_reports);
  }

  /// 2 a b + 3, with or without `bias`.
  std::vector<float> want(bool with_bias) const {
    std::vector<float> result;
    for (int column = 0; column < n; ++column) {
      for (int row = 0; row < m; ++row) {
        float sum = 0;
        for (int i = 0; i < k; ++i)
          sum += a[static_cast<std::size_t>(i * m + row)] * b[static_cast<std::size_t>(column * k + i)];
        result.push_back(2 * sum + 3 + (with_bias ? bias[static_cast<std::size_t>(row)] : 0));
      }
    }
    return result;
  }

  std::vector<std::string> expected_reports;
  const std::vector<float> a = some_values(m * k, 1);
  const std::vector<float> b = some_values(k * n, 2);
  const std::vector<float> bias = {0.5F, -20, 7};
  const std::vector<float> ones = std::vector<float>(m * n, 1.0F);
  float* const da = upload(a);
  float* const db = upload(b);
  float* const dd = upload(ones);
};

TEST_F(CublasLt, Multiplies) {
  Call call;
  ASSERT_EQ(call(da, db, dd), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(download(dd, ones.size()), want(false));
}

TEST_F(CublasLt, HalfTypesAndScalarsOnTheDeviceAndBatches) {
  std::vector<__half> ha, hb;
  for (const float x : a) ha.push_back(__float2half(x));
  for (const float x : b) hb.push_back(__float2half(x));
  Call call;
  call.input = CUDA_R_16F;
  call.alignment = 2;
  ASSERT_EQ(call(upload(ha), upload(hb), dd), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(download(dd, ones.size()), want(false));

  Call batched;
  batched.batch = 2;
  batched.scalars = upload<float>({2, 3});
  float* const twice = upload(std::vector<float>(2 * ones.size(), 1.0F));
  ASSERT_EQ(batched(da, db, twice), CUBLAS_STATUS_SUCCESS);
  std::vector<float> both = want(false);
  both.insert(both.end(), both.begin(), both.begin() + m * n);
  EXPECT_EQ(download(twice, both.size()), both);
}

TEST_F(CublasLt, AddsABias) {
  Call call;
  call.epilogue = CUBLASLT_EPILOGUE_BIAS;
  call.vector = upload(bias);
  ASSERT_EQ(call(da, db, dd), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(download(dd, ones.size()), want(true));
}

TEST_F(CublasLt, RefusesEpilogues) {
  Call call;
  call.epilogue = CUBLASLT_EPILOGUE_BIAS;
  call.vector = upload(bias);
  refuse_in_cublas(CublasRefusal::epilogues_by_heuristic);
  EXPECT_EQ(call(da, db, dd), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(call.found, 0);
  refuse_in_cublas(CublasRefusal::epilogues_by_matmul);
  EXPECT_EQ(call(da, db, dd), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(call.found, 1);
  EXPECT_EQ(download(dd, ones.size()), ones);
  call.epilogue = CUBLASLT_EPILOGUE_RELU;  // which is not emulated
  refuse_in_cublas(CublasRefusal::nothing);
  EXPECT_EQ(call(da, db, dd), CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_F(CublasLt, LayoutsMustFit) {
  Call call;
  call.stride_d = m - 1;
  EXPECT_EQ(call(da, db, dd), CUBLAS_STATUS_INVALID_VALUE) << "a leading dimension that is too small";
  Call empty;
  empty.depth = 0;
  EXPECT_EQ(empty(da, db, dd), CUBLAS_STATUS_INVALID_VALUE);
  Call without_bias;
  without_bias.epilogue = CUBLASLT_EPILOGUE_BIAS;
  EXPECT_EQ(without_bias(da, db, dd), CUBLAS_STATUS_INVALID_VALUE);
  Call wide;
  wide.compute = CUBLAS_COMPUTE_64F;
  EXPECT_EQ(wide(da, db, dd), CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_F(CublasLt, AnAlgorithmIsForWhatItWasChosenFor) {
  Call call;
  call.alignment = 256;
  EXPECT_EQ(call(da, db + 1, dd), CUBLAS_STATUS_INVALID_VALUE);
  Call other;
  other.epilogue = CUBLASLT_EPILOGUE_BIAS;
  other.vector = upload(bias);
  other.before = [](cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t) {
    const auto plain = static_cast<std::uint32_t>(CUBLASLT_EPILOGUE_DEFAULT);
    cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &plain, sizeof(plain));
  };
  EXPECT_EQ(other(da, db, dd), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(download(dd, ones.size()), ones);
  expected_reports = {"cuBLAS: matrix B is not aligned to 256 bytes, as the algorithm was told",
                      "cuBLAS: an algorithm that was chosen for another problem"};
}

TEST_F(CublasLt, LongSumsNeedTheirWorkspace) {
  float* const long_a = upload(std::vector<float>(m * 300, 1.0F));
  float* const long_b = upload(std::vector<float>(300 * n, 1.0F));
  Call call;
  call.depth = 300;
  EXPECT_EQ(call(long_a, long_b, dd), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(call.needed, 0U) << "no workspace was allowed";
  call.most_workspace = 1 << 20;
  EXPECT_EQ(call(long_a, long_b, dd), CUBLAS_STATUS_INVALID_VALUE);
  call.workspace_bytes = call.needed;
  EXPECT_EQ(call(long_a, long_b, dd), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(download(dd, 1)[0], 2 * 300 + 3 * 603);
  expected_reports = {"cuBLAS: a workspace of 0 bytes for an algorithm that needs 65536"};
}

TEST_F(CublasLt, DestroyedObjectsAreFoundOut) {
  cublasLtMatmulDesc_t desc = nullptr;
  cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F);
  const std::int64_t operation = CUBLAS_OP_T;
  EXPECT_EQ(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSA, &operation, sizeof(operation)),
            CUBLAS_STATUS_INVALID_VALUE)
      << "an attribute of another size";
  EXPECT_EQ(cublasLtMatmulDescDestroy(desc), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(cublasLtMatmulDescDestroy(desc), CUBLAS_STATUS_INVALID_VALUE);
  expected_reports = {"cuBLAS: a matmul descriptor that does not exist, or was destroyed"};
}

TEST_F(CublasLt, ChecksItsMatrices) {
  const auto fails = [&](const void* vector, cublasLtEpilogue_t epilogue, float* d,
                         const std::string& words) {
    Call call;
    call.epilogue = epilogue;
    call.vector = vector;
    call(da, db, d);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    const std::vector<std::string> reports = take_reports();
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_NE(reports[0].find(words), std::string::npos) << reports[0];
    forget_fault();
  };
  fails(nullptr, CUBLASLT_EPILOGUE_DEFAULT, dd + 1, "cuBLAS: matrix C: 48 bytes at");
  fails(upload<float>({1, 2}), CUBLASLT_EPILOGUE_BIAS, dd, "cuBLAS: bias: 12 bytes at");
}

}  // namespace
