#pragma once

// CUDA's language for kernels that g++ compiles: included by kernels/device.cuh where there is no nvcc. A
// kernel is an ordinary function here; scheduler.cpp calls it once for each CUDA thread and switches between
// the calls where threads wait for each other. Only what kernels may use is here (see "CUDA sources" in
// CONTRIBUTING.md): the rest does not compile.

#include <cuda_runtime.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <tuple>
#include <type_traits>

#undef __launch_bounds__
#define __launch_bounds__(...)

// One address per host thread, without the call that thread-local variables of a shared library usually cost.
#define GNN_EMULATION_TLS \
  extern constinit thread_local __attribute__((tls_model("initial-exec"), visibility("default")))
GNN_EMULATION_TLS uint3 threadIdx;
GNN_EMULATION_TLS uint3 blockIdx;
GNN_EMULATION_TLS dim3 blockDim;
GNN_EMULATION_TLS dim3 gridDim;
inline constexpr int warpSize = 32;

namespace gnn::emulation {

using Site = std::source_location;

/// A static shared array of one kernel (of one instantiation): where it is in the block's shared memory is
/// decided when a launch first needs it.
struct SharedSlot {
  std::size_t bytes;
  std::size_t alignment;
  std::uint64_t launch = 0;
  std::size_t offset = 0;
};
void* shared_memory(SharedSlot& slot);
/// The dynamic shared memory of the block, aligned to 16 bytes.
void* dynamic_shared_memory();

enum class Vote { none, all, any, count };
/// Waits for all threads of the block; returns the vote over their predicates.
int sync_threads(Vote vote, int predicate, const Site& site);
/// Waits for the lanes of `mask`; with `memory_order`, what they wrote is then visible to them all.
void sync_warp(unsigned mask, const Site& site);
/// Gives `bits` to the lanes of `mask` and waits for theirs: the result is valid until the lane's next warp
/// operation.
const std::uint64_t* exchange_in_warp(unsigned mask, std::uint64_t bits, const char* operation,
                                      const Site& site);
/// The lane of the running thread.
int lane();
/// Ends the launch with an error when a shuffle reads a lane that did not take part.
void check_source_lane(int source, unsigned mask, const char* operation, const Site& site);

template <class T>
std::uint64_t to_bits(T value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8, "warp functions take up to 8 bytes");
  std::uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}

template <class T>
T shuffle(unsigned mask, T value, int source, const char* operation, const Site& site) {
  const std::uint64_t* values = exchange_in_warp(mask, to_bits(value), operation, site);
  check_source_lane(source, mask, operation, site);
  return from_bits<T>(values[source]);
}

/// How the runtime calls a kernel with that signature. Arguments are kept by value from the launch to the
/// call.
struct KernelSignature {
  std::size_t bytes;                                 ///< of the kept arguments
  void (*keep)(void* kept, void** arguments);        ///< copies what cudaLaunchKernelExC was given
  void (*call)(void (*kernel)(), const void* kept);  ///< runs one thread
  std::size_t (*pointers)(const void* kept, const void** list);  ///< lists the arguments that are pointers
};
inline constexpr std::size_t max_kernel_arguments = 64;

template <class... Parameters>
struct SignatureOf {
  static_assert(sizeof...(Parameters) <= max_kernel_arguments);
  using Kept = std::tuple<Parameters...>;

  template <std::size_t... I>
  static void keep_each(void* kept, void** arguments, std::index_sequence<I...>) {
    new (kept) Kept(*static_cast<std::remove_reference_t<Parameters>*>(arguments[I])...);
  }
  static void keep(void* kept, void** arguments) {
    keep_each(kept, arguments, std::index_sequence_for<Parameters...>{});
  }
  static void call(void (*kernel)(), const void* kept) {
    std::apply(reinterpret_cast<void (*)(Parameters...)>(kernel), *static_cast<const Kept*>(kept));
  }
  static std::size_t pointers(const void* kept, const void** list) {
    std::size_t count = 0;
    const auto add = [&](const auto& argument) {
      if constexpr (std::is_pointer_v<std::remove_cvref_t<decltype(argument)>>) list[count++] = argument;
    };
    std::apply([&](const auto&... argument) { (add(argument), ...); }, *static_cast<const Kept*>(kept));
    return count;
  }
  static constexpr KernelSignature value{sizeof(Kept), keep, call, pointers};
};

/// Tells the runtime how to call `kernel`; before its first launch.
void register_kernel(const void* kernel, const KernelSignature& signature);

template <class... Parameters>
void prepare_launch(void (*kernel)(Parameters...)) {
  register_kernel(reinterpret_cast<const void*>(kernel), SignatureOf<Parameters...>::value);
}

}  // namespace gnn::emulation

#define GNN_SHARED(type, name, extents)                                                                   \
  using name##_array = type extents;                                                                      \
  static constinit ::gnn::emulation::SharedSlot name##_slot{sizeof(name##_array), alignof(name##_array)}; \
  name##_array& name = *static_cast<name##_array*>(::gnn::emulation::shared_memory(name##_slot))

// Barriers and votes.

inline void __syncthreads(const gnn::emulation::Site& site = gnn::emulation::Site::current()) {
  gnn::emulation::sync_threads(gnn::emulation::Vote::none, 0, site);
}
inline int __syncthreads_and(int predicate,
                             const gnn::emulation::Site& site = gnn::emulation::Site::current()) {
  return gnn::emulation::sync_threads(gnn::emulation::Vote::all, predicate, site);
}
inline int __syncthreads_or(int predicate,
                            const gnn::emulation::Site& site = gnn::emulation::Site::current()) {
  return gnn::emulation::sync_threads(gnn::emulation::Vote::any, predicate, site);
}
inline int __syncthreads_count(int predicate,
                               const gnn::emulation::Site& site = gnn::emulation::Site::current()) {
  return gnn::emulation::sync_threads(gnn::emulation::Vote::count, predicate, site);
}
inline void __syncwarp(unsigned mask = 0xffffffffu,
                       const gnn::emulation::Site& site = gnn::emulation::Site::current()) {
  gnn::emulation::sync_warp(mask, site);
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              const gnn::emulation::Site& site = gnn::emulation::Site::current()) {
  const std::uint64_t* values = gnn::emulation::exchange_in_warp(mask, predicate != 0, "__ballot_sync", site);
  unsigned votes = 0;
  for (unsigned i = 0; i < 32; ++i) {
    if ((mask >> i & 1u) != 0 && values[i] != 0) votes |= 1u << i;
  }
  return votes;
}
inline int __any_sync(unsigned mask, int predicate,
                      const gnn::emulation::Site& site = gnn::emulation::Site::current()) {
  return __ballot_sync(mask, predicate, site) != 0;
}
inline int __all_sync(unsigned mask, int predicate,
                      const gnn::emulation::Site& site = gnn::emulation::Site::current()) {
  return __ballot_sync(mask, predicate, site) == mask;
}

// Shuffles: within groups of `width` lanes, out of range gives the lane's own value.

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize,
              const gnn::emulation::Site& site = gnn::emulation::Site::current()) {
  const int first = gnn::emulation::lane() / width * width;
  return gnn::emulation::shuffle(mask, value, first + (source & (width - 1)), "__shfl_sync", site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize,
                  const gnn::emulation::Site& site = gnn::emulation::Site::current()) {
  const int own = gnn::emulation::lane();
  const int source = own ^ lane_mask;
  const bool inside = source < (own / width + 1) * width;
  return gnn::emulation::shuffle(mask, value, inside ? source : own, "__shfl_xor_sync", site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                   const gnn::emulation::Site& site = gnn::emulation::Site::current()) {
  const int own = gnn::emulation::lane();
  const int source = own + static_cast<int>(delta);
  const bool inside = source < (own / width + 1) * width;
  return gnn::emulation::shuffle(mask, value, inside ? source : own, "__shfl_down_sync", site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                 const gnn::emulation::Site& site = gnn::emulation::Site::current()) {
  const int own = gnn::emulation::lane();
  const int source = own - static_cast<int>(delta);
  const bool inside = source >= own / width * width;
  return gnn::emulation::shuffle(mask, value, inside ? source : own, "__shfl_up_sync", site);
}

// Atomics: relaxed, as CUDA's. They return the old value.

template <class T, class F>
T gnn_emulation_atomic(T* address, const F& combine) {
  std::atomic_ref<T> target(*address);
  T old = target.load(std::memory_order_relaxed);
  while (!target.compare_exchange_weak(old, combine(old), std::memory_order_relaxed)) {
  }
  return old;
}
template <class T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return gnn_emulation_atomic(address, [&](T old) { return static_cast<T>(old + value); });
}
template <class T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  return gnn_emulation_atomic(address, [&](T old) { return old < value ? value : old; });
}
template <class T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  return gnn_emulation_atomic(address, [&](T old) { return value < old ? value : old; });
}
template <class T>
T atomicExch(T* address, std::type_identity_t<T> value) {
  return gnn_emulation_atomic(address, [&](T) { return value; });
}
template <class T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return gnn_emulation_atomic(address, [&](T old) { return old == expected ? value : old; });
}
inline void __threadfence() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}
inline void __threadfence_block() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

// Arithmetic. The fast versions are more accurate than a GPU's.

template <class T>
T __ldg(const T* address) {
  return *address;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(std::uint64_t{a} * b >> 32);
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<unsigned long long>(static_cast<Wide>(a) * b >> 64);
}
inline float __fdividef(float a, float b) {
  return a / b;
}
inline float rsqrtf(float x) {
  return 1.0f / std::sqrt(x);
}
inline double rsqrt(double x) {
  return 1.0 / std::sqrt(x);
}
// glibc declares functions of these names, but has none.
#define __expf(x) std::exp(static_cast<float>(x))
#define __logf(x) std::log(static_cast<float>(x))
#define __powf(x, y) std::pow(static_cast<float>(x), static_cast<float>(y))
#define __sinf(x) std::sin(static_cast<float>(x))
#define __cosf(x) std::cos(static_cast<float>(x))
