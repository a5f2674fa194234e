// SPDX-License-Identifier: MIT
// Boost.Interprocess's message_queue as a peer of bench_queue: SIZE COUNT SIDES copy|trip; prints items (or
// round trips) per second.
#include <boost/interprocess/ipc/message_queue.hpp>

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using boost::interprocess::message_queue;

namespace {

struct State {
    std::atomic<int> ready, go;
};

double now()
{
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// As deep as the others.
size_t depth_for(size_t size)
{
    size_t depth = 4;
    while (depth * 2 * size <= (4u << 20) && depth < 8192)
        depth *= 2;
    return depth;
}

void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

void get(message_queue &queue, std::vector<char> &message)
{
    message_queue::size_type size;
    unsigned priority;
    queue.receive(message.data(), message.size(), size, priority);
}

// That the bytes are there, all of them as far as the compiler knows.
void check(const std::vector<char> &message, int expected, int sides)
{
    int seen;
    __asm__ volatile("" : : "r"(message.data()) : "memory");
    std::memcpy(&seen, message.data(), sizeof seen);
    if (sides == 1 && seen != expected)
        _exit(1);
}

void put(message_queue &queue, const std::vector<char> &message)
{
    queue.send(message.data(), message.size(), 0);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    const size_t size = std::strtoul(argv[1], nullptr, 10);
    const int count = std::atoi(argv[2]), sides = std::atoi(argv[3]);
    const bool trip = std::string(argv[4]) == "trip";
    void *memory = mmap(nullptr, sizeof(State), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    State *state = new (memory) State{};
    std::unique_ptr<message_queue> queues[2];
    for (int i = 0; i < 2; i++) {
        std::string name = "bench-queue-" + std::to_string(getpid()) + "-" + std::to_string(i);
        queues[i] = std::make_unique<message_queue>(boost::interprocess::create_only, name.c_str(),
                                                    depth_for(size), size);
        message_queue::remove(name.c_str()); // the mapping stays
    }
    for (int i = 0; i < 2 * sides; i++)
        if (fork() == 0) {
            const bool putting = i % 2;
            std::vector<char> message(size, 1);
            if (sides == 1 && !trip)
                pin(putting);
            state->ready++;
            while (!state->go)
                usleep(100);
            for (int j = 0; j < count / sides; j++) {
                if (putting)
                    std::memcpy(message.data(), &j, sizeof j);
                if (putting)
                    put(*queues[0], message);
                if (!putting || trip)
                    get(*queues[trip && putting], message);
                if (!putting && trip)
                    put(*queues[1], message);
                check(message, j, sides);
            }
            _exit(0);
        }
    while (state->ready < 2 * sides)
        usleep(100);
    const double begin = now();
    state->go = 1;
    for (int status; wait(&status) > 0;)
        if (status != 0)
            return 1;
    std::printf("%.6g\n", count / (now() - begin));
    return 0;
}
