/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Write "hello" into the file named on the command line with Linux AIO:
 *     gcc -Iaio tests/lib/hello_aio.c -o hello_aio -Lbuild -laio
 */
#include <err.h>
#include <fcntl.h>
#include <libaio.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Every io_*() call returns -errno on failure and leaves errno alone. */
static int check(const char *what, long ret)
{
	if (ret < 0)
		errx(1, "%s: %s", what, strerror((int)-ret));
	return (int)ret;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "hello.txt";
	char text[] = "hello";
	struct iocb request, *batch[] = {&request};
	struct timespec half_a_second = {0, 500000000};
	struct io_event events[1];
	io_context_t ctx = NULL; /* io_setup() insists on NULL */
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		err(1, "%s", path);
	check("io_setup", io_setup(10, &ctx));
	io_prep_pwrite(&request, fd, text, strlen(text), 0);
	check("io_submit", io_submit(ctx, 1, batch));
	while (!check("io_getevents",
		      io_getevents(ctx, 0, 1, events, &half_a_second)))
		;
	if (check("write", (long)events[0].res) != (int)strlen(text))
		errx(1, "%s: short write", path);
	check("io_destroy", io_destroy(ctx));
	if (close(fd))
		err(1, "%s", path);
	printf("%s: %s\n", path, text);
	return 0;
}
