// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs in the guest: make a mailbox page, print every message that appears in
 * it. Nothing in the guest writes messages.
 *
 * usage: mailbox REVERSED-TAG
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mailbox.h"

/* Only the page may hold the tag as it is read, hence the reversal. */
static void put_tag(volatile char *page, const char *reversed)
{
	size_t i, length = strlen(reversed);

	for (i = 0; i < length && i < MAILBOX_TEXT; i++)
		page[i] = reversed[length - 1 - i];
}

/* A message counts once it is complete. */
static size_t message_length(const volatile char *text)
{
	size_t i;

	for (i = 0; i < MAILBOX_PAGE - MAILBOX_TEXT; i++)
		if (text[i] == '\n')
			return i;
	return 0;
}

int main(int argc, char **argv)
{
	volatile char *page, *text;
	size_t length;
	char *copy;

	page = mmap(NULL, MAILBOX_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (argc != 2 || page == MAP_FAILED)
		return 1;
	text = page + MAILBOX_TEXT;
	put_tag(page, argv[1]);
	printf("mailbox: waiting\n");
	fflush(stdout);

	for (;;) {
		usleep(100000);
		length = message_length(text);
		if (!length)
			continue;
		copy = strndup((const char *)text, length);
		printf("mailbox: %s\n", copy ? copy : "no memory");
		fflush(stdout);
		free(copy);
		/* So that the next one is told apart; the text stays. */
		text[length] = 0;
	}
}
