#pragma once

// Everything is hidden by default (-fvisibility=hidden); GNN_API marks what a program may link to.
#define GNN_API __attribute__((visibility("default")))

// Code shared by host and device: scalar maths, half conversions, the random number generator.
#if defined(__CUDACC__)
#define GNN_HD __host__ __device__
#else
#define GNN_HD
#endif
