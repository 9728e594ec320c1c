/*
 * What the measured programs share. A row's program gets its amount of work as its argument; the marks go to the
 * console, where the harness reads the emulator's clocks when it sees them; the result says that the work was done.
 */
#ifndef ROW_H
#define ROW_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Tells the console, past stdio's buffers. */
static inline void row_tell(const char *what, const char *detail)
{
	char line[128];
	const char *row = getenv("ROW");
	int length = snprintf(line, sizeof line, "@@ %s %s%s\n", what, row ? row : "row", detail);

	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		_exit(1);
}

/* The amount of work: the first argument, a positive number. */
static inline unsigned long row_work(int argc, char **argv)
{
	unsigned long work = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;

	if (work == 0) {
		fprintf(stderr, "usage: %s WORK\n", argv[0]);
		exit(2);
	}
	return work;
}

static inline void row_begin(void)
{
	row_tell("begin", "");
}

/* Ends the measured part; equal work must give equal results on every machine. */
static inline void row_end(uint64_t result)
{
	char detail[32];

	row_tell("end", "");
	snprintf(detail, sizeof detail, " %016llx", (unsigned long long)result);
	row_tell("result", detail);
}

/* Ends the program when the system refuses something. */
static inline void row_check(int holds, const char *what)
{
	if (!holds) {
		perror(what);
		exit(1);
	}
}

/* Keeps the compiler from seeing through a value. */
#define ROW_OPAQUE(value) __asm__ volatile("" : "+r"(value) : : "memory")

#endif
