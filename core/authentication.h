/* SPDX-License-Identifier: MIT */
/* The proof that both sides have the same key: a state machine that is fed messages and gives messages,
 * and knows nothing of where they come from and go to.
 *
 *   listener                                  client
 *   #CHALLENGE#{sha256} 40 random bytes  -->
 *                                        <--  {digest} HMAC(key, "{sha256}" and those bytes)
 *   #WELCOME# or #FAILURE#               -->
 *                                        <--  #CHALLENGE#...
 *   HMAC                                 -->
 *                                        <--  #WELCOME# or #FAILURE#
 *
 * Python before 3.12 knows no {digest}: its challenge is 20 bytes and its answer 16, HMAC-MD5. */
#ifndef MPROC_CORE_AUTHENTICATION_H
#define MPROC_CORE_AUTHENTICATION_H

#include "mproc/connection.h"
#include "platform.h"

enum { AUTH_MESSAGE_SIZE = 256 }; /* no message of a handshake is longer */

struct auth_message {
    size_t size; /* 0: nothing to send */
    unsigned char bytes[AUTH_MESSAGE_SIZE];
};

enum auth_state { AUTH_AWAIT_RESPONSE, AUTH_AWAIT_CHALLENGE, AUTH_AWAIT_VERDICT, AUTH_DONE };

struct authentication {
    enum auth_state state;
    bool listener;   /* challenges first */
    bool refuse_md5;
    const void *key;
    size_t key_size;
    size_t challenge_size;
    unsigned char challenge[64]; /* what was sent after #CHALLENGE# */
};

/* Begins; the listener's first message is in *out. The key must live as long. */
mproc_err mproc__auth_begin(struct authentication *auth, bool listener, bool refuse_md5, const void *key,
                            size_t key_size, struct auth_message *out);

/* Takes one message of the other side. Afterwards `out` is to be sent, also on an error, and
 * state AUTH_DONE means success. MPROC_EAUTH: keys differ; MPROC_EPROTO: no message of a handshake. */
mproc_err mproc__auth_step(struct authentication *auth, const void *bytes, size_t size,
                           struct auth_message *out);

#endif
