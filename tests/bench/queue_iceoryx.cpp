// SPDX-License-Identifier: MIT
// Eclipse iceoryx as a peer of bench_queue: SIZE COUNT SIDES copy|place|trip; prints items (or round trips) per
// second. Its daemon runs as a child of this program, so no other may run. Both sides poll and yield, as in
// iceoryx's own measurements; the publisher waits for a slow subscriber. One producer and one consumer only.
#include "iceoryx_hoofs/posix_wrapper/posix_access_rights.hpp"
#include "iceoryx_posh/iceoryx_posh_config.hpp"
#include "iceoryx_posh/popo/untyped_publisher.hpp"
#include "iceoryx_posh/popo/untyped_subscriber.hpp"
#include "iceoryx_posh/roudi/iceoryx_roudi_app.hpp"
#include "iceoryx_posh/runtime/posh_runtime.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

enum class Mode { copy, place, trip };

struct State {
    std::atomic<int> ready, go, gone;
};
State *state;
Mode mode;
size_t size;
int count;

double now()
{
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

pid_t fork_child()
{
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

[[noreturn]] void run_daemon()
{
    iox::RouDiConfig_t config;
    iox::mepoo::MePooConfig pools;
    pools.addMemPool({ static_cast<uint32_t>(size + 256), 600 });
    const auto group = iox::posix::PosixGroup::getGroupOfCurrentProcess();
    config.m_sharedMemorySegments.push_back({ group.getName(), group.getName(), pools });
    iox::config::CmdLineArgs_t arguments;
    arguments.logLevel = iox::log::LogLevel::kOff;
    if (!std::freopen("/dev/null", "w", stdout)) // it says "RouDi is ready for clients"
        _exit(1);
    iox::roudi::IceOryxRouDiApp daemon(arguments, config);
    _exit(daemon.run());
}

// As bench_queue writes and reads in place: the number, and one pass over the rest.
void put(iox::popo::UntypedPublisher &publisher, const std::vector<char> &message)
{
    for (;;) {
        auto loan = publisher.loan(static_cast<uint32_t>(size));
        if (!loan.has_error()) {
            if (mode == Mode::place) {
                std::memset(loan.value(), 1, size);
                std::memcpy(loan.value(), message.data(), 8);
            } else {
                std::memcpy(loan.value(), message.data(), size);
            }
            publisher.publish(loan.value());
            return;
        }
        sched_yield();
    }
}

void get(iox::popo::UntypedSubscriber &subscriber, std::vector<char> &message)
{
    for (;;) {
        auto taken = subscriber.take();
        if (!taken.has_error()) {
            if (mode == Mode::place) {
                uint64_t sum = 0;
                for (size_t at = 0; at < size; at += 64)
                    sum += *reinterpret_cast<const volatile uint64_t *>(static_cast<const char *>(taken.value()) +
                                                                        at);
                (void) sum;
                std::memcpy(message.data(), taken.value(), 8);
            } else {
                std::memcpy(message.data(), taken.value(), size);
            }
            subscriber.release(taken.value());
            return;
        }
        sched_yield();
    }
}

// Side 1 publishes "there"; side 0 "back", in round trips only.
void work(int side)
{
    if (mode != Mode::trip)
        pin(side);
    const iox::RuntimeName_t put_name("bench-put"), get_name("bench-get");
    iox::runtime::PoshRuntime::initRuntime(side ? put_name : get_name);
    iox::popo::PublisherOptions publishing;
    publishing.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
    iox::popo::SubscriberOptions subscribing;
    subscribing.queueCapacity = 200;
    subscribing.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
    const iox::capro::IdString_t there("there"), back("back");
    iox::popo::UntypedPublisher publisher({ "bench", "queue", side ? there : back }, publishing);
    iox::popo::UntypedSubscriber subscriber({ "bench", "queue", side ? back : there }, subscribing);
    while (!publisher.hasSubscribers() ||
           subscriber.getSubscriptionState() != iox::SubscribeState::SUBSCRIBED)
        usleep(1000);
    std::vector<char> message(size, 1);
    state->ready++;
    while (!state->go)
        usleep(100);
    for (int i = 0; i < count; i++) {
        if (side)
            std::memcpy(message.data(), &i, sizeof i);
        if (side)
            put(publisher, message);
        if (!side || mode == Mode::trip)
            get(subscriber, message);
        if (!side && mode == Mode::trip)
            put(publisher, message);
        int seen;
        __asm__ volatile("" : : "r"(message.data()) : "memory"); // all of it counts as read
        std::memcpy(&seen, message.data(), sizeof seen);
        if (seen != i)
            std::abort();
    }
    state->gone++;
    while (state->gone < 3) // what was published must stay until it was taken
        usleep(100);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 5 || std::atoi(argv[3]) != 1)
        return 2;
    size = std::strtoul(argv[1], nullptr, 10);
    count = std::atoi(argv[2]);
    mode = std::strcmp(argv[4], "trip") == 0    ? Mode::trip
           : std::strcmp(argv[4], "place") == 0 ? Mode::place
                                                : Mode::copy;
    void *memory = mmap(nullptr, sizeof(State), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    state = new (memory) State{};
    const pid_t daemon = fork_child();
    if (daemon == 0)
        run_daemon();
    for (int side = 0; side < 2; side++)
        if (fork_child() == 0) {
            work(side);
            std::exit(0); // the daemon is told
        }
    while (state->ready < 2) {
        usleep(1000);
        if (waitpid(daemon, nullptr, WNOHANG) == daemon)
            return 1; // it could not start: the others wait for it and end with us
    }
    const double begin = now();
    state->go = 1;
    while (state->gone < 2)
        usleep(50);
    const double rate = count / (now() - begin);
    state->gone = 3;
    for (int i = 0; i < 2; i++)
        wait(nullptr);
    kill(daemon, SIGTERM);
    waitpid(daemon, nullptr, 0);
    std::printf("%.6g\n", rate);
    return 0;
}
