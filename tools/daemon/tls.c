// SPDX-License-Identifier: GPL-2.0
#include "tls.h"

#include <stdlib.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "log.h"

#define SUITE	"TLS_AES_128_GCM_SHA256"

static const unsigned char suite_id[] = { 0x13, 0x01 };

struct tls {
	SSL_CTX *dial, *listen;
	tls_find_fn find;
	void *arg;
};

static SSL_SESSION *make_session(SSL *ssl, const u8 *key)
{
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite_id);
	SSL_SESSION *s = SSL_SESSION_new();

	if (!cipher || !s ||
	    !SSL_SESSION_set1_master_key(s, key, LOCKSTEP_KEY_BYTES) ||
	    !SSL_SESSION_set_cipher(s, cipher) ||
	    !SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION)) {
		SSL_SESSION_free(s);
		return NULL;
	}
	return s;
}

static int use_psk(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len,
		   SSL_SESSION **ret)
{
	struct tls_psk *psk = SSL_get_app_data(ssl);

	(void)md;	/* there is one suite, so one digest */
	*ret = make_session(ssl, psk->key);
	if (!*ret)
		return 0;
	*id = (const unsigned char *)psk->identity;
	*id_len = strlen(psk->identity);
	return 1;
}

static int find_psk(SSL *ssl, const unsigned char *id, size_t id_len, SSL_SESSION **ret)
{
	struct tls *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct tls_psk *psk = SSL_get_app_data(ssl);

	*ret = NULL;
	if (id_len == 0 || id_len >= sizeof(psk->identity) || memchr(id, 0, id_len))
		return 1;
	memcpy(psk->identity, id, id_len);
	psk->identity[id_len] = 0;
	psk->known = t->find(t->arg, psk->identity, psk->key);
	if (!psk->known)
		return 1;	/* the handshake fails then: there are no certificates */
	*ret = make_session(ssl, psk->key);
	return *ret != NULL;
}

static SSL_CTX *make_ctx(const SSL_METHOD *method, struct tls *t)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	if (!SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
	    !SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) ||
	    !SSL_CTX_set_ciphersuites(ctx, SUITE) ||
	    !SSL_CTX_set_num_tickets(ctx, 0)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_app_data(ctx, t);
	return ctx;
}

int tls_create(tls_find_fn find, void *arg, struct tls **ret)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->find = find;
	t->arg = arg;
	t->dial = make_ctx(TLS_client_method(), t);
	t->listen = make_ctx(TLS_server_method(), t);
	if (!t->dial || !t->listen) {
		tls_destroy(t);
		return -ENOMEM;
	}
	/* A certificate, should some listener offer one, is never good: there is no authority. */
	SSL_CTX_set_verify(t->dial, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_psk_use_session_callback(t->dial, use_psk);
	SSL_CTX_set_psk_find_session_callback(t->listen, find_psk);
	*ret = t;
	return 0;
}

void tls_destroy(struct tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->dial);
	SSL_CTX_free(t->listen);
	free(t);
}

static SSL *make_ssl(SSL_CTX *ctx, int fd, struct tls_psk *psk)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl)
		return NULL;
	SSL_set_app_data(ssl, psk);
	if (!SSL_set_fd(ssl, fd)) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

SSL *tls_dialler(struct tls *t, int fd, struct tls_psk *psk)
{
	SSL *ssl = make_ssl(t->dial, fd, psk);

	if (ssl)
		SSL_set_connect_state(ssl);
	return ssl;
}

SSL *tls_listener(struct tls *t, int fd, struct tls_psk *psk)
{
	SSL *ssl = make_ssl(t->listen, fd, psk);

	if (ssl)
		SSL_set_accept_state(ssl);
	return ssl;
}

bool tls_is_proved(SSL *ssl)
{
	return SSL_session_reused(ssl) == 1 && SSL_version(ssl) == TLS1_3_VERSION &&
	       SSL_get0_peer_certificate(ssl) == NULL;
}

static enum tls_failure dialler_failure(int reason)
{
	switch (reason) {
	case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
	case SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER:
	case SSL_R_SSLV3_ALERT_BAD_RECORD_MAC:
		return TLS_WRONG_KEY;
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
		return TLS_UNKNOWN;
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		return TLS_GONE;
	default:
		return TLS_NOT_TLS;
	}
}

static enum tls_failure listener_failure(int reason, const struct tls_psk *psk)
{
	if (reason == SSL_R_BINDER_DOES_NOT_VERIFY)
		return TLS_WRONG_KEY;
	if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return TLS_GONE;
	if (psk->identity[0] && !psk->known)
		return TLS_UNKNOWN;
	return psk->known ? TLS_OTHER : TLS_NOT_TLS;
}

enum tls_failure tls_failure(bool dialler, const struct tls_psk *psk)
{
	unsigned long err = ERR_peek_error();
	int reason = ERR_GET_REASON(err);

	if (err)
		log_debug("TLS: %s", ERR_reason_error_string(err));
	ERR_clear_error();
	if (err == 0 || ERR_SYSTEM_ERROR(err))
		return TLS_GONE;
	return dialler ? dialler_failure(reason) : listener_failure(reason, psk);
}
