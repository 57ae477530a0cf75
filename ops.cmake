# One line per op; see gnn_add_op in cmake/GNNTargets.cmake.
gnn_add_op(activation)
