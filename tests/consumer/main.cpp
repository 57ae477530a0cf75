// Uses the public API as a program outside this project does.

#include <cstdio>

#include "gnn/core/tensor.h"

int main() {
  const gnn::Tensor x = gnn::zeros({2, 3});
  std::printf("%s\n", x.shape().to_string().c_str());
  return x.numel() == 6 ? 0 : 1;
}
