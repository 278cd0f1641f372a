/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TLS 1.3 with an external pre-shared key, and nothing else: one protocol version, one cipher
 * suite, no certificates, no tickets, no early data. Both ends prove the key by finishing the
 * handshake, so it is mutual by construction, and there is nothing to fall back to.
 *
 * The identity the dialler sends is "lockstep/<resource>/<dialler's node id>"; with it the
 * listener finds the key. It is a claim until the handshake is finished.
 */
#ifndef LOCKSTEPD_TLS_H
#define LOCKSTEPD_TLS_H

#include "err.h"
#include "os.h"
#include <lockstep/limits.h>
#include <openssl/ssl.h>

#define TLS_IDENTITY_BYTES	(LOCKSTEP_NAME_BYTES + 16)

/* What one connection needs; lives as long as its SSL. */
struct tls_psk {
	char identity[TLS_IDENTITY_BYTES];
	u8 key[LOCKSTEP_KEY_BYTES];
	bool known;		/* listener: the identity was one of ours */
};

/* The key for an identity some stranger sent. False: none. */
typedef bool (*tls_find_fn)(void *arg, const char *identity, u8 ret_key[LOCKSTEP_KEY_BYTES]);

struct tls;

int tls_create(tls_find_fn find, void *arg, struct tls **ret);
void tls_destroy(struct tls *t);

/* psk->identity and psk->key are to be filled in for a dialler. NULL: no memory. */
SSL *tls_dialler(struct tls *t, int fd, struct tls_psk *psk);
SSL *tls_listener(struct tls *t, int fd, struct tls_psk *psk);

/* After the handshake: was it really made with the key? */
bool tls_is_proved(SSL *ssl);

/* Why a handshake failed, from OpenSSL's error queue, which is emptied. */
enum tls_failure {
	TLS_WRONG_KEY,
	TLS_UNKNOWN,		/* the listener does not know the identity */
	TLS_NOT_TLS,		/* the other end speaks something else */
	TLS_GONE,		/* it went away in the middle */
	TLS_OTHER,
};

enum tls_failure tls_failure(bool dialler, const struct tls_psk *psk);

#endif /* LOCKSTEPD_TLS_H */
