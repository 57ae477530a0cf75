# One line per op; see gnn_add_op in cmake/GNNTargets.cmake.
gnn_add_op(activation)
gnn_add_op(binary)
gnn_add_op(fill)
gnn_add_op(gemm)
gnn_add_op(sum_to KERNEL_ONLY)
gnn_add_op(max_pool2d)
gnn_add_op(random)
gnn_add_op(dropout)
