/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The states that an exploration has been in, by their hashes: of 64 bits, so
 * that two states of the same hash never meet.  Behind <cmocka.h>.
 */
#ifndef KNOWN_H
#define KNOWN_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint64_t *known; /* hashes; 0: free */
static size_t known_size;
static long states; /* how many */

/* Of a multiple of eight bytes. */
static uint64_t hash(const void *state, size_t size)
{
	const unsigned char *byte = state;
	uint64_t word, h = 0x9e3779b97f4a7c15;

	for (size_t i = 0; i < size; i += sizeof(word)) {
		memcpy(&word, byte + i, sizeof(word));
		h = (h ^ word) * 0xff51afd7ed558ccd;
		h ^= h >> 32;
	}
	return h ? h : 1;
}

static void insert(uint64_t h)
{
	size_t i = h & (known_size - 1);

	while (known[i])
		i = (i + 1) & (known_size - 1);
	known[i] = h;
}

static void grow(void)
{
	uint64_t *old = known;
	size_t old_size = known_size;

	known_size = old_size ? old_size * 2 : 1 << 16;
	known = calloc(known_size, sizeof(*known));
	assert_non_null(known);
	for (size_t i = 0; i < old_size; i++)
		if (old[i])
			insert(old[i]);
	free(old);
}

/* 1: this state is new. */
static int remember(const void *state, size_t size)
{
	uint64_t h = hash(state, size);

	if ((size_t)states * 2 >= known_size)
		grow();
	for (size_t i = h & (known_size - 1); known[i];
	     i = (i + 1) & (known_size - 1))
		if (known[i] == h)
			return 0;
	insert(h);
	states++;
	return 1;
}

static void forget_all(void)
{
	free(known);
	known = NULL;
	known_size = 0;
	states = 0;
}

#endif /* KNOWN_H */
