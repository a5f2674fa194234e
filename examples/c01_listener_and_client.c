/* SPDX-License-Identifier: MIT */
/* A listener and a client in two processes, with a key. The client could be Python's:
 *   Client(address, authkey=b"open sesame") */
#include <mproc.h>

#include <stdio.h>
#include <string.h>

static const char key[] = "open sesame";

static mproc_connection_options with_key(void)
{
    mproc_connection_options options = { .authkey = key, .authkey_size = strlen(key) };
    return options;
}

static int client(void *arg)
{
    const char *address = arg;
    mproc_connection_options options = with_key();
    mproc_connection *connection;
    char answer[64];
    size_t size;
    MPROC_MUST(mproc_connection_open(&connection, address, &options, MPROC_FOREVER));
    MPROC_MUST(mproc_connection_send_bytes(connection, "hello", 5, MPROC_FOREVER));
    MPROC_MUST(mproc_connection_recv_bytes(connection, answer, sizeof answer, &size, MPROC_FOREVER));
    printf("the listener said: %.*s\n", (int) size, answer);
    MPROC_MUST(mproc_connection_close(connection));
    return 0;
}

int main(void)
{
    mproc_init();

    mproc_listener *listener;
    mproc_connection *connection;
    mproc_process *process;
    char address[MPROC_ADDRESS_SIZE], text[64];
    size_t size;
    mproc_connection_options options = with_key();
    MPROC_MUST(mproc_listener_create(&listener, NULL, &options));
    MPROC_MUST(mproc_listener_address(listener, address, sizeof address));
    MPROC_MUST(mproc_process_start(&process, client, address, sizeof address, NULL));

    MPROC_MUST(mproc_listener_accept(listener, &connection, MPROC_FOREVER));
    MPROC_MUST(mproc_connection_recv_bytes(connection, text, sizeof text, &size, MPROC_FOREVER));
    printf("the client said: %.*s\n", (int) size, text);
    fflush(stdout);
    MPROC_MUST(mproc_connection_send_bytes(connection, "good day", 8, MPROC_FOREVER));

    MPROC_MUST(mproc_process_join(process, MPROC_FOREVER));
    MPROC_MUST(mproc_process_close(process));
    MPROC_MUST(mproc_connection_close(connection));
    MPROC_MUST(mproc_listener_close(listener));
    return 0;
}
