/* SPDX-License-Identifier: MIT */
/* A server that waits for new clients and for all it has at once, by mproc_wait: one process, and no thread for each.
 * Its clients are processes of its own here; others, also Python's, could connect. */
#include <mproc.h>

#include <stdio.h>

enum { CLIENTS = 3, QUESTIONS = 2 };

static int client(void *arg)
{
    const char *address = arg;
    mproc_connection *connection;
    MPROC_MUST(mproc_connection_open(&connection, address, NULL, MPROC_FOREVER));
    for (int i = 1; i <= QUESTIONS; i++) {
        int square;
        size_t size;
        MPROC_MUST(mproc_connection_send_bytes(connection, &i, sizeof i, MPROC_FOREVER));
        MPROC_MUST(mproc_connection_recv_bytes(connection, &square, sizeof square, &size, MPROC_FOREVER));
        printf("the square of %d is %d\n", i, square);
        fflush(stdout);
    }
    MPROC_MUST(mproc_connection_close(connection));
    return 0;
}

/* Answers a client's question; false if it has no more, or has died. */
static bool answer(mproc_connection *connection)
{
    int number;
    size_t size;
    mproc_err err = mproc_connection_recv_bytes(connection, &number, sizeof number, &size, MPROC_FOREVER);
    if (err != MPROC_OK || size != sizeof number)
        return false;
    number *= number;
    return mproc_connection_send_bytes(connection, &number, sizeof number, MPROC_FOREVER) == MPROC_OK;
}

static void serve(mproc_listener *listener)
{
    mproc_connection *connections[CLIENTS];
    mproc_wait_item items[1 + CLIENTS] = { mproc_wait_listener(listener) }; /* the others are none yet */
    int accepted = 0, ended = 0;
    while (ended < CLIENTS) {
        MPROC_MUST(mproc_wait(items, 1 + CLIENTS, NULL, MPROC_FOREVER));
        for (int i = 0; i < accepted; i++)
            if (items[1 + i].ready && !answer(connections[i])) {
                MPROC_MUST(mproc_connection_close(connections[i]));
                items[1 + i].kind = MPROC_WAIT_NONE;
                ended++;
            }
        if (items[0].ready && accepted < CLIENTS) {
            MPROC_MUST(mproc_listener_accept(listener, &connections[accepted], MPROC_FOREVER));
            items[1 + accepted] = mproc_wait_connection(connections[accepted]);
            accepted++;
        }
    }
    printf("%d clients were served\n", ended);
}

int main(void)
{
    mproc_init();

    mproc_listener *listener;
    mproc_process *clients[CLIENTS];
    char address[MPROC_ADDRESS_SIZE];
    MPROC_MUST(mproc_listener_create(&listener, NULL, NULL));
    MPROC_MUST(mproc_listener_address(listener, address, sizeof address));
    for (int i = 0; i < CLIENTS; i++)
        MPROC_MUST(mproc_process_start(&clients[i], client, address, sizeof address, NULL));
    serve(listener);
    for (int i = 0; i < CLIENTS; i++) {
        MPROC_MUST(mproc_process_join(clients[i], MPROC_FOREVER));
        MPROC_MUST(mproc_process_close(clients[i]));
    }
    MPROC_MUST(mproc_listener_close(listener));
    return 0;
}
