// Runs the threads of a block on fibers, and blocks one after another.

#include "emulation/scheduler.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "emulation/fiber.h"
#include "emulation/options.h"
#include "emulation/report.h"
#include "emulation/shared_memory.h"
#include "emulation/symbols.h"

constinit thread_local uint3 threadIdx{};
constinit thread_local uint3 blockIdx{};
constinit thread_local dim3 blockDim{};
constinit thread_local dim3 gridDim{};

namespace gnn::emulation {

namespace {

std::string to_text(const Site& site) {
  return std::string(site.file_name()) + ":" + std::to_string(site.line());
}

bool same_place(const Site& a, const Site& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

/// What TSan keys an order between threads with. Every barrier of every block has new ones: an old one would
/// order the blocks, too.
using Order = std::uint64_t*;
Order new_order() {
  static std::uint64_t ring[1 << 14];
  static std::size_t next = 0;
  return &ring[next++ % std::size(ring)];
}

/// What a thread waits for.
struct Waiting {
  const char* operation = nullptr;  // nullptr: it does not wait
  Site site;
};

struct Thread {
  Fiber* fiber = nullptr;  // where it waits
  Waiting waiting;
  bool done = false;
};

/// The block's barrier. Two phases alternate: a thread may come to the next use before others have left this
/// one.
struct Barrier {
  unsigned arrived = 0;
  int phase = 0;
  Site site;
  Vote vote = Vote::none;
  int votes = 0;
  int results[2] = {};
  Order order[2] = {};
};

/// Lanes of one mask that exchange values or wait for each other.
struct Meeting {
  unsigned mask = 0;
  unsigned arrived = 0;
  int phase = 0;
  const char* operation = nullptr;
  std::uint64_t values[2][32] = {};
  Order order[2] = {};
};

/// Masks that lanes of one warp may use in one block.
constexpr std::size_t max_meetings = 64;

struct Warp {
  std::array<Meeting, max_meetings> meetings;
  std::size_t count = 0;
};

std::vector<const Fiber*>& all_fibers() {
  static auto& all = *new std::vector<const Fiber*>;
  return all;
}

}  // namespace

class ThreadPool {
 public:
  std::vector<std::unique_ptr<Fiber>> fibers;  // all
  std::vector<Fiber*> idle;                    // without TSan: those that no thread waits on
  std::array<std::vector<Fiber*>, 2>
      own;                        // with TSan: a fiber for each thread, two sets for alternating blocks
  std::unique_ptr<Fiber> stream;  // with TSan: where the stream's own work runs
  const std::function<void()>* work = nullptr;  // of the stream, now
  std::uint64_t begin = 0;                      // for TSan: what came before the launch
  std::uint64_t end = 0;                        // for TSan: what its threads did

  ThreadPool() = default;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
};

namespace {

/// The block that runs. One at a time, in all the process.
class Block {
 public:
  cudaError_t run(const Grid& grid, ThreadPool& pool, std::uint64_t number) {
    start(grid, pool, number);
    while (!failed_ && done_ < count_) {
      if (ready_count_ > 0) {
        const unsigned thread = ready(0);
        first_ready_ = (first_ready_ + 1) % count_;
        --ready_count_;
        enter(thread);
        enter_fiber(*threads_[thread].fiber);
      } else if (next_ < count_) {
        enter_fiber(with_tsan ? own_fiber(order_[next_]) : idle_fiber());
      } else {
        fail_deadlock();
      }
    }
    active_ = false;
    if (!failed_) return cudaSuccess;
    abandon();
    return cudaErrorLaunchFailure;
  }

  bool active() const { return active_; }
  std::string where() const {
    const auto text = [](const auto& v) {
      return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
    };
    return "kernel " + function_name(grid_->kernel) + ", block " + text(blockIdx) + ", thread " +
           text(threadIdx);
  }
  int lane() const { return static_cast<int>(current_ % 32); }

  int sync_threads(Vote vote, int predicate, const Site& site) {
    Barrier& barrier = barrier_;
    if (barrier.arrived == 0) {
      barrier.site = site;
      barrier.vote = vote;
      barrier.votes = 0;
    } else if (!same_place(barrier.site, site) || barrier.vote != vote) {
      fail("divergent barrier: this thread is in __syncthreads at " + to_text(site) + " while " +
           std::to_string(barrier.arrived) + " threads of the block wait at " + to_text(barrier.site));
    }
    const int phase = barrier.phase;
    barrier.votes += predicate != 0;
    release(barrier.order[phase]);
    if (++barrier.arrived == count_) {
      const auto all = static_cast<int>(count_);
      barrier.results[phase] = vote == Vote::all   ? barrier.votes == all
                               : vote == Vote::any ? barrier.votes != 0
                                                   : barrier.votes;
      barrier.arrived = 0;
      barrier.phase = 1 - phase;
      wake([](unsigned) { return true; }, "__syncthreads");
    }
    wait("__syncthreads", site, barrier.phase != phase);
    acquire(barrier.order[phase]);
    return barrier.results[phase];
  }

  const std::uint64_t* meet(unsigned mask, std::uint64_t bits, const char* operation, bool memory_order,
                            const Site& site) {
    const unsigned own = 1u << (current_ % 32);
    mask &= existing_lanes();
    if ((mask & own) == 0)
      fail(std::string(operation) + " at " + to_text(site) + ": the mask does not name the lane itself");
    Meeting& meeting = find_meeting(mask, site);
    if (meeting.arrived == 0) {
      meeting.operation = operation;
    } else if (std::strcmp(meeting.operation, operation) != 0) {
      fail("divergent warp: lane " + std::to_string(current_ % 32) + " is in " + operation + " at " +
           to_text(site) + " while other lanes of its mask wait in " + meeting.operation);
    }
    const int phase = meeting.phase;
    meeting.values[phase][current_ % 32] = bits;
    if (memory_order) release(meeting.order[phase]);
    meeting.arrived |= own;
    if (meeting.arrived == mask) {
      meeting.arrived = 0;
      meeting.phase = 1 - phase;
      const unsigned warp = current_ / 32;
      wake([&](unsigned thread) { return thread / 32 == warp && (mask >> thread % 32 & 1u) != 0; }, operation,
           warp * 32, std::min(warp * 32 + 32, count_));
    }
    wait(operation, site, meeting.phase != phase);
    if (memory_order) acquire(meeting.order[phase]);
    return meeting.values[phase];
  }

  unsigned existing_lanes() const {
    const unsigned lanes = std::min(32u, count_ - current_ / 32 * 32);
    return lanes == 32 ? 0xffffffffu : (1u << lanes) - 1;
  }

  [[noreturn]] void fail(const std::string& problem) {
    report(problem + " [" + where() + "]");
    failed_ = true;
    running_->suspend();
    __builtin_unreachable();  // nobody resumes it
  }

 private:
  void start(const Grid& grid, ThreadPool& pool, std::uint64_t number) {
    grid_ = &grid;
    pool_ = &pool;
    set_ = number % 2;
    count_ = grid.threads.x * grid.threads.y * grid.threads.z;
    threads_.assign(count_, Thread{});
    warps_.resize((count_ + 31) / 32);
    for (Warp& warp : warps_) warp.count = 0;
    barrier_ = Barrier{};
    barrier_.order[0] = new_order();
    barrier_.order[1] = new_order();
    order_.resize(count_);
    std::iota(order_.begin(), order_.end(), 0u);
    if (options().seed) std::shuffle(order_.begin(), order_.end(), random_engine());
    ready_.resize(count_);
    first_ready_ = ready_count_ = next_ = done_ = 0;
    failed_ = false;
    active_ = true;
    release(&pool.begin);
  }

  Fiber& make_fiber() {
    pool_->fibers.push_back(std::make_unique<Fiber>([this](Fiber& fiber) {
      for (;;) {
        run_threads(fiber);
        fiber.suspend();
      }
    }));
    all_fibers().push_back(pool_->fibers.back().get());
    return *pool_->fibers.back();
  }
  Fiber& idle_fiber() {
    if (pool_->idle.empty()) return make_fiber();
    Fiber* fiber = pool_->idle.back();
    pool_->idle.pop_back();
    return *fiber;
  }
  Fiber& own_fiber(unsigned thread) {
    std::vector<Fiber*>& set = pool_->own[set_];
    while (set.size() <= thread) set.push_back(&make_fiber());
    return *set[thread];
  }

  void enter_fiber(Fiber& fiber) {
    running_ = &fiber;
    fiber.resume();
  }

  /// Makes `thread` the one that the kernel sees.
  __attribute__((noinline)) void enter(unsigned thread) {
    current_ = thread;
    const dim3& extent = grid_->threads;
    threadIdx = {thread % extent.x, thread / extent.x % extent.y, thread / extent.x / extent.y};
  }

  /// On a fiber: runs threads until none is left to start; with TSan, one.
  void run_threads(Fiber& fiber) {
    while (next_ < count_) {
      const unsigned thread = order_[next_++];
      enter(thread);
      acquire(&pool_->begin);
      grid_->signature->call(reinterpret_cast<void (*)()>(const_cast<void*>(grid_->kernel)),
                             grid_->arguments);
      release(&pool_->end);
      threads_[current_].done = true;
      ++done_;
      if (with_tsan) return;
    }
    pool_->idle.push_back(&fiber);
  }

  /// The i-th thread that was woken and not yet resumed.
  unsigned& ready(unsigned i) { return ready_[(first_ready_ + i) % count_]; }

  /// Makes the threads that wait in `operation` and fulfil `which` go on.
  template <class Which>
  void wake(const Which& which, const char* operation, unsigned begin = 0, unsigned end_thread = 0) {
    const unsigned old = ready_count_;
    for (unsigned thread = begin; thread < (end_thread == 0 ? count_ : end_thread); ++thread) {
      Thread& other = threads_[thread];
      if (other.waiting.operation == nullptr || std::strcmp(other.waiting.operation, operation) != 0 ||
          !which(thread))
        continue;
      other.waiting.operation = nullptr;
      ready(ready_count_++) = thread;
    }
    if (!options().seed) return;
    for (unsigned i = ready_count_; i > old + 1; --i)
      std::swap(ready(i - 1), ready(old + static_cast<unsigned>(random_engine()() % (i - old))));
  }

  /// The running thread waits until it is woken; if all have come (`complete`) it goes on at once.
  void wait(const char* operation, const Site& site, bool complete) {
    Thread& self = threads_[current_];
    if (complete) {
      if (!options().seed) return;
      ready(ready_count_++) = current_;  // it must not always be the first one behind a barrier
      std::swap(ready(ready_count_ - 1), ready(static_cast<unsigned>(random_engine()() % ready_count_)));
    } else {
      self.waiting = {operation, site};
    }
    self.fiber = running_;
    running_->suspend();
  }

  Meeting& find_meeting(unsigned mask, const Site& site) {
    Warp& warp = warps_[current_ / 32];
    for (std::size_t i = 0; i < warp.count; ++i) {
      if (warp.meetings[i].mask == mask) return warp.meetings[i];
    }
    if (warp.count == max_meetings)
      fail("more different warp masks than the emulator can hold, at " + to_text(site));
    Meeting& meeting = warp.meetings[warp.count++];
    meeting.mask = mask;
    meeting.arrived = 0;
    meeting.phase = 0;
    meeting.order[0] = new_order();
    meeting.order[1] = new_order();
    return meeting;
  }

  /// Nobody can run and not all are done: says who waits where.
  void fail_deadlock() {
    std::map<std::string, unsigned> waiting;
    for (const Thread& thread : threads_) {
      if (!thread.done)
        ++waiting[std::string(thread.waiting.operation) + " at " + to_text(thread.waiting.site)];
    }
    std::string text = "deadlock: of " + std::to_string(count_) + " threads of the block " +
                       std::to_string(done_) + " have returned";
    for (const auto& [place, threads] : waiting) text += ", " + std::to_string(threads) + " wait in " + place;
    report(text + " [kernel " + function_name(grid_->kernel) + "]");
    failed_ = true;
  }

  /// Stacks on which unfinished threads wait are never used again, and never unwound.
  void abandon() {
    static auto& lost = *new std::vector<std::unique_ptr<Fiber>>;
    for (auto& fiber : pool_->fibers) lost.push_back(std::move(fiber));
    pool_->fibers.clear();
    pool_->idle.clear();
    for (auto& set : pool_->own) set.clear();
  }

  const Grid* grid_ = nullptr;
  ThreadPool* pool_ = nullptr;
  std::size_t set_ = 0;
  unsigned count_ = 0;  // threads of the block
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  Barrier barrier_;
  std::vector<unsigned> order_;  // in which threads start
  unsigned next_ = 0;            // place in `order_`
  unsigned done_ = 0;
  std::vector<unsigned> ready_;  // a ring of count_: nothing is allocated while a kernel runs
  unsigned first_ready_ = 0;
  unsigned ready_count_ = 0;
  unsigned current_ = 0;
  Fiber* running_ = nullptr;
  bool failed_ = false;
  bool active_ = false;
};

Block& block() {
  static auto& instance = *new Block;
  return instance;
}

uint3 position(std::uint64_t number, const dim3& extent) {
  return {static_cast<unsigned>(number % extent.x), static_cast<unsigned>(number / extent.x % extent.y),
          static_cast<unsigned>(number / extent.x / extent.y)};
}

}  // namespace

std::shared_ptr<ThreadPool> new_thread_pool() {
  if (!with_tsan) {
    static auto& shared = *new std::shared_ptr<ThreadPool>(new ThreadPool);
    return shared;
  }
  static auto& spare = *new std::vector<ThreadPool*>;  // of streams that are gone: fibers cannot be ended
  ThreadPool* pool = nullptr;
  if (spare.empty()) {
    pool = new ThreadPool;
  } else {
    pool = spare.back();
    spare.pop_back();
  }
  return {pool, [](ThreadPool* old) { spare.push_back(old); }};
}

// On a stack of its own as well: what one context leaves on a stack must not be found there by another.
void run_as_stream(ThreadPool& pool, const std::function<void()>& work) {
  if (!with_tsan) return work();
  if (pool.stream == nullptr) {
    pool.stream = std::make_unique<Fiber>([&pool](Fiber& fiber) {
      for (;;) {
        (*pool.work)();
        fiber.suspend();
      }
    });
  }
  pool.work = &work;
  pool.stream->resume();
}

cudaError_t run_grid(const Grid& grid, ThreadPool& pool) {
  blockDim = grid.threads;
  gridDim = grid.blocks;
  const std::uint64_t blocks = std::uint64_t{grid.blocks.x} * grid.blocks.y * grid.blocks.z;
  std::vector<std::uint64_t> order;
  if (options().seed && blocks <= (1u << 22)) {
    order.resize(blocks);
    std::iota(order.begin(), order.end(), std::uint64_t{0});
    std::shuffle(order.begin(), order.end(), random_engine());
  }
  start_shared_memory(grid.shared_bytes);
  cudaError_t status = cudaSuccess;
  for (std::uint64_t number = 0; number < blocks && status == cudaSuccess; ++number) {
    blockIdx = position(order.empty() ? number : order[number], grid.blocks);
    renew_shared_memory();
    status = block().run(grid, pool, number);
  }
  acquire(&pool.end);
  return status;
}

std::string running_thread() {
  return block().active() ? block().where() : "";
}

bool is_stack_guard(const void* address) {
  return std::any_of(all_fibers().begin(), all_fibers().end(),
                     [&](const Fiber* f) { return f->guards(address); });
}

int sync_threads(Vote vote, int predicate, const Site& site) {
  return block().sync_threads(vote, predicate, site);
}

void sync_warp(unsigned mask, const Site& site) {
  block().meet(mask, 0, "__syncwarp", true, site);
}

// CUDA gives no memory order to lanes that only exchange values.
const std::uint64_t* exchange_in_warp(unsigned mask, std::uint64_t bits, const char* operation,
                                      const Site& site) {
  return block().meet(mask, bits, operation, false, site);
}

int lane() {
  return block().lane();
}

void check_source_lane(int source, unsigned mask, const char* operation, const Site& site) {
  const unsigned lanes = mask & block().existing_lanes();
  if (source >= 0 && source < 32 && (lanes >> source & 1u) != 0) return;
  block().fail(std::string(operation) + " at " + to_text(site) + ": lane " + std::to_string(block().lane()) +
               " reads lane " + std::to_string(source) + ", which is not in the mask");
}

void fail_thread(const std::string& problem) {
  block().fail(problem);
}

}  // namespace gnn::emulation
