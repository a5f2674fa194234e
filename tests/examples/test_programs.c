/* SPDX-License-Identifier: MIT */
/* What must be seen of the larger programs, except wordfreq. */
#include "examples.h"

#include <apr_file_io.h>

static void hello_prints_a_greeting_and_the_exit_code(void)
{
    struct output output = run("hello", NULL);
    int64_t pid = 0;
    CU_ASSERT_EQUAL(output.line_count, 2);
    CU_ASSERT_EQUAL(sscanf(output.lines[0], "Hello, world! I am process %" SCNd64 ".", &pid), 1);
    CU_ASSERT_NOT_EQUAL(pid, output.pid);
    CU_ASSERT_STRING_EQUAL(output.lines[1], "The greeter ended with exit code 3.");
}

static void pickled_prints_what_python_would(void)
{
    struct output output = run("pickled", NULL);
    CU_ASSERT_EQUAL(output.line_count, 4);
    CU_ASSERT_STRING_EQUAL(output.lines[0], "order: {'id': 17, 'who': 'Zo\xc3\xab', 'items': [('tea', 2), "
                                            "('milk', 0.5)], 'paid': True}");
    CU_ASSERT_STRING_EQUAL(output.lines[1], "pickled: 64 bytes");
    CU_ASSERT_STRING_EQUAL(output.lines[2], "unpacked: order 17 of Zo\xc3\xab begins with tea times 2");
    CU_ASSERT_STRING_EQUAL(output.lines[3], "hostile: MPROC_EPROTO");
}

static void c01_both_sides_hear_each_other(void)
{
    if (!HAS_KEYS) {
        skip("this build has no libcrypto, so connections cannot prove keys");
        return;
    }
    struct output output = run("c01_listener_and_client", NULL);
    CU_ASSERT_EQUAL(output.line_count, 2);
    CU_ASSERT_EQUAL(count_of(&output, "the client said: hello"), 1);
    CU_ASSERT_EQUAL(count_of(&output, "the listener said: good day"), 1);
}

static void crashproof_does_all_jobs_though_a_worker_is_killed(void)
{
    struct output output = run("crashproof", NULL);
    CU_ASSERT_EQUAL(output.line_count, 2);
    CU_ASSERT_TRUE(starts_with(output.lines[0], "worker "));
    CU_ASSERT_PTR_NOT_NULL(strstr(output.lines[0], "; another takes its place"));
    CU_ASSERT_STRING_EQUAL(output.lines[1], "all 100 jobs are done, 13 too");
}

static void server_serves_all_clients(void)
{
    struct output output = run("server", NULL);
    CU_ASSERT_EQUAL(output.line_count, 7);
    CU_ASSERT_EQUAL(count_of(&output, "the square of 1 is 1"), 3);
    CU_ASSERT_EQUAL(count_of(&output, "the square of 2 is 4"), 3);
    CU_ASSERT_STRING_EQUAL(last_line(&output), "3 clients were served");
}

static const char *bytes_of(const char *path, apr_size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *bytes = apr_palloc(pool, 4 << 20);
    *size = file ? fread(bytes, 1, 4 << 20, file) : 0;
    if (file)
        fclose(file);
    return bytes;
}

static void a_pool_renders_what_one_process_renders(void)
{
    make_folder();
    const char *one = apr_pstrcat(pool, folder, "/one", NULL), *many = apr_pstrcat(pool, folder, "/many", NULL);
    CU_ASSERT_EQUAL(run("mandelbrot", one, "300", "200", "0", NULL).exit_code, 0);
    CU_ASSERT_EQUAL(run("mandelbrot", many, "300", "200", "3", NULL).exit_code, 0);
    apr_size_t one_size, many_size;
    const char *one_bytes = bytes_of(one, &one_size), *many_bytes = bytes_of(many, &many_size);
    CU_ASSERT_TRUE(one_size > 1000 && one_size == many_size && memcmp(one_bytes, many_bytes, one_size) == 0);
    remove_tree(folder);
}

static void factors_come_in_the_order_of_the_numbers(void)
{
    static const char numbers[] = "1000036000099 12\n1\n0\n18446744073709551615 64\n999999000001 7\n";
    static const char expected[] = "1000036000099: 1000003 1000033\n12: 2 2 3\n1:\n0:\n"
                                   "18446744073709551615: 3 5 17 257 641 65537 6700417\n64: 2 2 2 2 2 2\n"
                                   "999999000001: 999999000001\n7: 7\n";
    make_folder();
    write_file("numbers", numbers, sizeof numbers - 1);
    const char *path = apr_pstrcat(pool, folder, "/numbers", NULL);
    struct output output = run("factors", path, NULL);
    CU_ASSERT_EQUAL(output.exit_code, 0);
    CU_ASSERT_STRING_EQUAL(output.text, expected);
    remove_tree(folder);
}

static void factors_stop_at_what_is_no_number(void)
{
    static const char *const wrong[] = { "x",    "-5",  "+5", "18446744073709551616", "184467440737095516150",
                                         "0x10", "7.5", "000000000000000000005" };
    make_folder();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *text = apr_pstrcat(pool, "15 ", wrong[i], " 21", NULL);
        write_file("numbers", text, strlen(text));
        struct output output = run_arguments((const char *[]){ example("factors"), in_folder("numbers"), NULL });
        CU_ASSERT_EQUAL(output.exit_code, 1);
        CU_ASSERT_STRING_EQUAL(output.text, "15: 3 5\n");
    }
    remove_tree(folder);
}

static void hashfiles_prints_what_is_known(void)
{
    make_folder();
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    write_file("abc", "abc", 3);
    write_file("empty", "", 0);
    write_file("long", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
    write_file("million", million, 1000000);
    free(million);
    const char *names[] = { "abc", "empty", "long", "million" };
    static const char *const digests[] = { "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                                           "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
                                           "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" };
    for (int i = 0; i < 4; i++)
        names[i] = apr_pstrcat(pool, folder, "/", names[i], NULL);
    struct output output = run("hashfiles", names[0], names[1], names[2], names[3], NULL);
    CU_ASSERT_EQUAL(output.line_count, 4);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_STRING_EQUAL(output.lines[i], apr_pstrcat(pool, digests[i], "  ", names[i], NULL));
    const char *missing[] = { example("hashfiles"), apr_pstrcat(pool, folder, "/is-not-there", NULL), NULL };
    CU_ASSERT_EQUAL(run_arguments(missing).exit_code, 1);
    remove_tree(folder);
}

static void hashfiles_goes_on_when_a_worker_is_killed(void)
{
    make_folder();
    const char *arguments[MAX_ARGUMENTS + 4] = { example("hashfiles"), "-v", "-j", "2" };
    for (int i = 0; i < 8; i++) {
        const char *name = apr_psprintf(pool, "many%d.txt", i);
        write_many_words(name, 8 << 20, (uint32_t) i);
        arguments[4 + i] = apr_pstrcat(pool, folder, "/", name, NULL);
    }
    const char *quiet[MAX_ARGUMENTS + 4] = { arguments[0] };
    memcpy(quiet + 1, arguments + 4, 8 * sizeof *quiet);
    const char *expected = run_arguments(quiet).text;
    apr_proc_t process;
    CU_ASSERT_TRUE_FATAL(start(&process, arguments, true));
    char line[512];
    int killed = 0, worker;
    int64_t pid;
    while (apr_file_gets(line, sizeof line, process.err) == APR_SUCCESS)
        if (sscanf(line, "hashfiles: worker %d is process %" SCNd64, &worker, &pid) == 2 && worker == 0) {
            kill_hard(pid);
            killed++;
        }
    const char *hashed = read_all(process.out);
    CU_ASSERT_EQUAL(wait_for(&process), 0);
    apr_file_close(process.out);
    apr_file_close(process.err);
    CU_ASSERT_EQUAL(killed, 1);
    check_same(hashed, expected);
    remove_tree(folder);
}

MPROC_SUITE(programs, MPROC_TEST(hello_prints_a_greeting_and_the_exit_code),
            MPROC_TEST(pickled_prints_what_python_would),
            MPROC_TEST(c01_both_sides_hear_each_other),
            MPROC_TEST(crashproof_does_all_jobs_though_a_worker_is_killed),
            MPROC_TEST(server_serves_all_clients),
            MPROC_TEST(a_pool_renders_what_one_process_renders),
            MPROC_TEST(factors_come_in_the_order_of_the_numbers),
            MPROC_TEST(factors_stop_at_what_is_no_number),
            MPROC_TEST(hashfiles_prints_what_is_known),
            MPROC_TEST(hashfiles_goes_on_when_a_worker_is_killed))
