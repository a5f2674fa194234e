/* SPDX-License-Identifier: MIT */
/* The boundary: the template that forks on request (the forkserver). */
#include "contract.h"

/* A forked child's work: the request's lowest byte is what it does. */
enum { RETURN_FIVE = 1, HANG, CRASH, CHECK_HANDLES, COUNT_DESCRIPTORS, SWAP, RETURN_ZERO };

/* Each where the other was: "one" and "two" change places. */
static int swap_handles(const mproc_plat_handle *handles, size_t count)
{
    char text[20];
    if (count != 2)
        return 102;
    const intptr_t numbers[] = { handles[1], handles[0] };
    if (mproc_plat_handles_place(handles, numbers, 2) != MPROC_OK)
        return 103;
    if (native_read(numbers[0], text, sizeof text) != 3 || strcmp(text, "one") != 0)
        return 104;
    return native_read(numbers[1], text, sizeof text) == 3 && strcmp(text, "two") == 0 ? 0 : 105;
}

static void work(uint64_t request, const mproc_plat_handle *handles, size_t count)
{
    int numbers[1000];
    char text[20];
    switch (request & 0xff) {
    case RETURN_FIVE:
        mproc_plat_exit_now(5);
    case HANG:
        hang_for_ever(NULL);
        break;
    case CRASH:
        end_hard("crash");
        break;
    case CHECK_HANDLES:
        for (size_t i = 0; i < count; i++)
            if (native_read(handles[i], text, sizeof text) < 0)
                mproc_plat_exit_now(100);
        mproc_plat_exit_now((int) count);
    case COUNT_DESCRIPTORS:
        mproc_plat_exit_now(list_descriptors(numbers, 1000));
    case SWAP:
        mproc_plat_exit_now(swap_handles(handles, count));
    case RETURN_ZERO:
        mproc_plat_exit_now(0);
    }
    mproc_plat_exit_now(101);
}

/* In the template: the child finds what was done here. */
static void prepare(void *context, uint64_t request)
{
    *(uint64_t *) context = request;
}

/* "template:N" or "silent:N", of one that can send no descriptors: N is the control. */
static int child(const char *boot)
{
    const char *colon = strchr(boot, ':');
    uint64_t request = UINT64_MAX; /* none, should prepare() not be called */
    size_t count;
    const mproc_plat_handle *handles;
    if (!colon)
        return 1;
    mproc_plat_handle control = (mproc_plat_handle) atoi(colon + 1);
    mproc_plat_close_others(&control, 1);
    if (strncmp(boot, "silent", 6) == 0 && !forbid_sending_descriptors())
        return 3;
    mproc_plat_template_serve(control, prepare, &request, &handles, &count);
    work(request, handles, count);
    return 2;
}

static bool has_template(void)
{
    if (can_fork())
        return true;
    struct mproc_plat_template server;
    const struct mproc_plat_spawn spawn = spawn_of("template");
    CHECK_FAILS(mproc_plat_template_start(&spawn, &server), MPROC_ENOTSUP);
    skip("this system has no template");
    return false;
}

static struct mproc_plat_template start_template(void)
{
    const struct mproc_plat_spawn spawn = spawn_of("template");
    struct mproc_plat_template server = { .control = MPROC_PLAT_NONE };
    CU_ASSERT_EQUAL_FATAL(mproc_plat_template_start(&spawn, &server), MPROC_OK);
    return server;
}

static struct mproc_plat_process ask(struct mproc_plat_template *server, uint64_t request,
                                     const mproc_plat_handle *handles, size_t count)
{
    struct mproc_plat_process process = { .watch = MPROC_PLAT_NONE };
    CHECK_OK(mproc_plat_template_request(server, request, handles, count, &process));
    CU_ASSERT_TRUE(process.relayed != process.foreign && process.pid > 0);
    return process;
}

static void children_are_forked_and_their_ends_told(void)
{
    if (!has_template())
        return;
    struct mproc_plat_template server = start_template();
    struct mproc_plat_process process;
    for (int i = 0; i < 30; i++) {
        process = ask(&server, RETURN_FIVE, NULL, 0);
        CU_ASSERT_EQUAL(reap_child(&process), 5);
    }
    process = ask(&server, CRASH, NULL, 0);
    CU_ASSERT_EQUAL(reap_child(&process), exit_code_after("crash"));
    process = ask(&server, HANG, NULL, 0);
    struct mproc_plat_status status;
    CU_ASSERT_FALSE(mproc_plat_process_reap(&process, &status));
    CHECK_OK(mproc_plat_process_stop(&process, false));
    CU_ASSERT_EQUAL(reap_child(&process), -15);
    mproc_plat_template_stop(&server);
}

static void many_children_live_at_once(void)
{
    enum { COUNT = 60 };
    if (!has_template())
        return;
    struct mproc_plat_template server = start_template();
    struct mproc_plat_process processes[COUNT];
    for (int i = 0; i < COUNT; i++)
        processes[i] = ask(&server, HANG, NULL, 0);
    for (int i = 0; i < COUNT; i++) {
        CHECK_OK(mproc_plat_process_stop(&processes[i], true));
        CU_ASSERT_EQUAL(reap_child(&processes[i]), -9);
    }
    mproc_plat_template_stop(&server);
}

static void handles_arrive_up_to_the_most(void)
{
    if (!has_template())
        return;
    struct mproc_plat_template server = start_template();
    mproc_plat_handle handles[MPROC_PLAT_TEMPLATE_HANDLES];
    CHECK_OK(mproc_plat_stdio_open(0, NULL, &handles[0]));
    for (int i = 1; i < MPROC_PLAT_TEMPLATE_HANDLES; i++)
        handles[i] = handles[0];
    static const size_t counts[] = { 0, 1, 7, 95 };
    for (size_t i = 0; i < 4; i++) {
        struct mproc_plat_process process = ask(&server, CHECK_HANDLES, handles, counts[i]);
        CU_ASSERT_EQUAL(reap_child(&process), (int) counts[i]);
    }
    struct mproc_plat_process process = ask(&server, CHECK_HANDLES, handles, MPROC_PLAT_TEMPLATE_HANDLES);
    CU_ASSERT_EQUAL(reap_child(&process), MPROC_PLAT_TEMPLATE_HANDLES);
    mproc_plat_handle_close(handles[0]);
    mproc_plat_template_stop(&server);
}

static mproc_plat_handle file_with(const char *path, const char *text)
{
    mproc_plat_handle file = MPROC_PLAT_NONE;
    CHECK_OK(mproc_plat_file_create(path, &file));
    CU_ASSERT_TRUE(native_write(file, text));
    mproc_plat_handle_close(file);
    CHECK_OK(mproc_plat_stdio_open(0, path, &file));
    remove_file(path);
    return file;
}

static void handles_can_be_placed_where_others_lie(void)
{
    if (!has_template())
        return;
    struct mproc_plat_template server = start_template();
    mproc_plat_handle handles[] = { file_with("first", "one"), file_with("second", "two") };
    struct mproc_plat_process process = ask(&server, SWAP, handles, 2);
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    mproc_plat_handle_close(handles[0]);
    mproc_plat_handle_close(handles[1]);
    mproc_plat_template_stop(&server);
}

static void a_child_has_none_of_the_templates_handles(void)
{
    if (!has_template())
        return;
    struct mproc_plat_template server = start_template();
    struct mproc_plat_process process = ask(&server, COUNT_DESCRIPTORS, NULL, 0);
    int alone = reap_child(&process);
    if (alone < 0) {
        skip("descriptors cannot be listed here");
    } else {
        /* 0-2 and, if there is one, the writing end of its own status pipe. */
        CU_ASSERT_EQUAL(alone, process.relayed ? 4 : 3);
        struct mproc_plat_process others[10];
        for (int i = 0; i < 10; i++)
            others[i] = ask(&server, HANG, NULL, 0);
        process = ask(&server, COUNT_DESCRIPTORS, NULL, 0);
        CU_ASSERT_EQUAL(reap_child(&process), alone);
        for (int i = 0; i < 10; i++) {
            CHECK_OK(mproc_plat_process_stop(&others[i], true));
            reap_child(&others[i]);
        }
    }
    mproc_plat_template_stop(&server);
}

static void a_killed_template_is_reported_and_its_children_live(void)
{
    if (!has_template())
        return;
    struct mproc_plat_template server = start_template();
    struct mproc_plat_process process = ask(&server, HANG, NULL, 0), another = { .pid = 4711 };
    const struct mproc_plat_process *list = &process;
    kill_hard(server.process.pid);
    CU_ASSERT_TRUE(pid_ends_within(server.process.pid, 60000));
    CHECK_FAILS(mproc_plat_template_request(&server, RETURN_FIVE, NULL, 0, &another), MPROC_EDIED);
    CU_ASSERT_EQUAL(another.pid, 4711);
    size_t index;
    CU_ASSERT_EQUAL(mproc_plat_process_watch(&list, 1, mproc_plat_now() + SECONDS / 50, &index),
                    MPROC_ETIMEDOUT);
    CU_ASSERT_TRUE(pid_runs(process.pid));
    CHECK_OK(mproc_plat_process_stop(&process, true));
    struct mproc_plat_status status = { .known = process.relayed };
    CHECK_OK(mproc_plat_process_watch(&list, 1, in_seconds(60), &index));
    CU_ASSERT_TRUE(mproc_plat_process_reap(&process, &status));
    CU_ASSERT_EQUAL(status.known, process.foreign);
    CU_ASSERT_TRUE(!status.known || (status.signalled && status.code == 9));
    mproc_plat_process_forget(&process);
    mproc_plat_template_stop(&server);
    CHECK_FAILS(mproc_plat_template_request(&server, RETURN_FIVE, NULL, 0, &another), MPROC_EDIED);
}

/* What the system says of a process that may not be asked about is 0, too. */
static void a_child_that_nobody_reaps_has_ended_with_0(void)
{
    if (!has_template())
        return;
    CHECK_OK(mproc_plat_set_environment("MPROC_FAULT", "template.replied:1:wait"));
    struct mproc_plat_template server = start_template();
    CHECK_OK(mproc_plat_set_environment("MPROC_FAULT", NULL));
    struct mproc_plat_process process = ask(&server, RETURN_ZERO, NULL, 0);
    CU_ASSERT_EQUAL(reap_child(&process), 0);
    mproc_plat_template_stop(&server);
}

/* The child that was forked for it has ended then. */
static void an_answer_that_the_system_refuses_to_send_is_an_error(void)
{
    if (!has_template())
        return;
    const struct mproc_plat_spawn spawn = spawn_of("silent");
    struct mproc_plat_template server;
    struct mproc_plat_process process;
    CHECK_OK(mproc_plat_template_start(&spawn, &server));
    mproc_err err = mproc_plat_template_request(&server, HANG, NULL, 0, &process);
    if (err == MPROC_EDIED) {
        struct mproc_plat_status status = { .known = false };
        const struct mproc_plat_process *list = &server.process;
        size_t index;
        CHECK_OK(mproc_plat_process_watch(&list, 1, in_seconds(60), &index));
        CU_ASSERT_TRUE(mproc_plat_process_reap(&server.process, &status) && status.code == 3);
        skip("this system sends descriptors to all");
    } else {
        CU_ASSERT_NOT_EQUAL(err, MPROC_OK);
        CHECK_FAILS(mproc_plat_template_request(&server, HANG, NULL, 0, &process), err);
    }
    mproc_plat_template_stop(&server);
}

static void it_is_known_whether_the_template_is_in_the_same_folder(void)
{
    if (!has_template())
        return;
    char path[600];
    mproc_plat_handle here, elsewhere;
    CU_ASSERT_TRUE_FATAL(make_temporary_folder("elsewhere", path, sizeof path));
    CHECK_OK(mproc_plat_folder_open(".", &here));
    CHECK_OK(mproc_plat_folder_open(path, &elsewhere));
    struct mproc_plat_template server = start_template();
    CU_ASSERT_TRUE(mproc_plat_template_shares_folder(&server));
    CHECK_OK(mproc_plat_folder_enter(elsewhere));
    CU_ASSERT_FALSE(mproc_plat_template_shares_folder(&server));
    CHECK_OK(mproc_plat_folder_enter(here));
    CU_ASSERT_TRUE(mproc_plat_template_shares_folder(&server));
    mproc_plat_template_stop(&server);
    mproc_plat_handle_close(here);
    mproc_plat_handle_close(elsewhere);
    remove_folder(path);
}

enum { TEMPLATE_PID, HEIR_PID };

/* Starts a template and, if wanted, forks a child that outlives it; then ends. */
static void start_and_end(bool with_heir)
{
    _Atomic int64_t *pids = mproc_plat_region_at(0);
    const struct mproc_plat_spawn spawn = spawn_of("template");
    struct mproc_plat_template server;
    struct mproc_plat_process heir;
    bool in_child = false;
    if (mproc_plat_template_start(&spawn, &server) != MPROC_OK)
        mproc_plat_exit_now(2);
    if (with_heir && mproc_plat_fork(&heir, &in_child) != MPROC_OK)
        mproc_plat_exit_now(3);
    if (in_child) {
        mproc_plat_template_forked(&server);
        atomic_store(&pids[HEIR_PID], mproc_plat_pid());
        hang_for_ever(NULL);
    }
    while (with_heir && atomic_load(&pids[HEIR_PID]) == 0)
        sleep_briefly();
    atomic_store(&pids[TEMPLATE_PID], server.process.pid);
    end_hard("_exit7");
}

static void the_template_ends_with_its_starter_though_that_has_forked(void)
{
    if (!has_template())
        return;
    make_region();
    _Atomic int64_t *pids = mproc_plat_region_at(0);
    for (int with_heir = 0; with_heir < 2; with_heir++) {
        struct mproc_plat_process middle = { .watch = MPROC_PLAT_NONE };
        bool in_child = false;
        atomic_store(&pids[TEMPLATE_PID], 0);
        atomic_store(&pids[HEIR_PID], 0);
        CHECK_OK(mproc_plat_fork(&middle, &in_child));
        if (in_child)
            start_and_end(with_heir);
        CU_ASSERT_EQUAL(reap_child(&middle), 7);
        int64_t server = atomic_load(&pids[TEMPLATE_PID]), heir = atomic_load(&pids[HEIR_PID]);
        CU_ASSERT_TRUE(server > 0 && pid_ends_within(server, 60000));
        CU_ASSERT_EQUAL(heir > 0 && pid_runs(heir), with_heir);
        if (heir > 0) {
            kill_hard(heir);
            CU_ASSERT_TRUE(pid_ends_within(heir, 60000));
        }
    }
}

MPROC_CONTRACT_SUITE(template, child, MPROC_TEST(children_are_forked_and_their_ends_told),
                     MPROC_TEST(many_children_live_at_once), MPROC_TEST(handles_arrive_up_to_the_most),
                     MPROC_TEST(a_child_has_none_of_the_templates_handles),
                     MPROC_TEST(a_killed_template_is_reported_and_its_children_live),
                     MPROC_TEST(a_child_that_nobody_reaps_has_ended_with_0),
                     MPROC_TEST(an_answer_that_the_system_refuses_to_send_is_an_error),
                     MPROC_TEST(it_is_known_whether_the_template_is_in_the_same_folder),
                     MPROC_TEST(handles_can_be_placed_where_others_lie),
                     MPROC_TEST(the_template_ends_with_its_starter_though_that_has_forked))
