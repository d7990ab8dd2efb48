# SPDX-License-Identifier: GPL-2.0-only
"""The well-known first AIO program, as in aio/README.md and as found.

Compiled as C and as C++, linked to the shared and to the static library, run,
and the file read back.
"""
import re

import pytest

from abi_tools import (
    BUILD, CC, CXX, ROOT, STATIC, compile_program, compile_shared, output_of, run,
)  # fmt: skip

pytestmark = pytest.mark.long
EXAMPLE = ROOT / "tests/lib/hello_aio.c"
WELL_KNOWN = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <libaio.h>

int main(int argc, char **argv)
{
	(void)argc;
	int fd = open(argv[1], O_CREAT | O_WRONLY | O_TRUNC, 0644);
	if (fd < 0) {
		perror("open");
		return 1;
	}

	io_context_t ctx;
	memset(&ctx, 0, sizeof(ctx));
	if (io_setup(10, &ctx) != 0) {
		printf("io_setup error\n");
		return 1;
	}

	struct iocb cb;
	struct iocb *cbs[1];
	const char *content = "hello";
	io_prep_pwrite(&cb, fd, (void *)content, strlen(content), 0);
	cb.data = (void *)content;
	cbs[0] = &cb;
	if (io_submit(ctx, 1, cbs) != 1) {
		printf("io_submit error\n");
		return 1;
	}

	struct io_event events[1];
	struct timespec timeout = {0, 500000000};
	while (1) {
		if (io_getevents(ctx, 0, 1, events, &timeout) == 1) {
			close(fd);
			break;
		}
		printf("have not done !\n");
	}
	printf("%s %lu %lu\n", (char *)events[0].data, events[0].res, events[0].res2);
	io_destroy(ctx);
	return 0;
}
"""
SHARED_ENV = {"LD_LIBRARY_PATH": str(BUILD)}


def build_well_known(tmp_path, language, *libraries):
    source = tmp_path / "hello"
    source.write_text(WELL_KNOWN)
    compiler = [*(CXX if language == "c++" else CC), "-x", language]
    return compile_program(
        source, tmp_path / "program", "-x", "none", *libraries, compiler=compiler
    )


def assert_writes_hello(program, directory, env):
    target = directory / "hello.txt"
    target.write_text("something longer that was there before")
    text = output_of(program, target, env=env)
    assert target.read_text() == "hello"
    return text


def test_example_with_the_shared_library(tmp_path):
    program = compile_shared(EXAMPLE, tmp_path / "program")
    text = assert_writes_hello(program, tmp_path, SHARED_ENV)
    assert text == f"{tmp_path}/hello.txt: hello\n"
    linked = output_of("ldd", program, env=SHARED_ENV)
    assert re.search(r"libaio\.so\.1 => (\S+)", linked)[1] == f"{BUILD}/libaio.so.1"


def test_example_with_the_static_library(tmp_path):
    program = compile_program(EXAMPLE, tmp_path / "program", STATIC)
    assert_writes_hello(program, tmp_path, {})
    assert "libaio" not in output_of("ldd", program)


def test_example_says_what_failed(tmp_path):
    program = compile_program(EXAMPLE, tmp_path / "program", STATIC)
    done = run(program, tmp_path / "no" / "such")
    assert done.returncode == 1 and "No such file or directory" in done.stderr
    done = run(program, "/dev/full")
    assert done.returncode == 1
    assert re.fullmatch(r"program: (io_submit|write): .+\n", done.stderr)


@pytest.mark.parametrize("language", ["c", "c++"])
def test_well_known_program_with_the_shared_library(language, tmp_path):
    program = build_well_known(tmp_path, language, f"-L{BUILD}", "-laio")
    text = assert_writes_hello(program, tmp_path, SHARED_ENV)
    assert text.endswith("hello 5 0\n")
    assert str(BUILD) in output_of("ldd", program, env=SHARED_ENV)


@pytest.mark.parametrize("language", ["c", "c++"])
def test_well_known_program_with_the_static_library(language, tmp_path):
    program = build_well_known(tmp_path, language, STATIC)
    assert assert_writes_hello(program, tmp_path, {}).endswith("hello 5 0\n")
    assert "libaio" not in output_of("ldd", program)


def test_program_built_here_runs_with_the_distribution_s(library_paths, tmp_path):
    program = compile_shared(EXAMPLE, tmp_path / "program")
    env = {"LD_LIBRARY_PATH": str(library_paths["theirs"])}
    assert_writes_hello(program, tmp_path, env)
