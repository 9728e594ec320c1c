/* memcpy of the C library between two buffers of 4 MiB. Work: MiB copied. */
#include "row.h"

#define SIZE (4UL << 20)

int main(int argc, char **argv)
{
	unsigned long rounds = (row_work(argc, argv) + 3) / 4;
	unsigned char *from = malloc(SIZE), *to = malloc(SIZE);
	uint64_t result = 0;

	row_check(from != NULL && to != NULL, "malloc");
	for (unsigned long i = 0; i < SIZE; i++)
		from[i] = (unsigned char)(i * 7 + (i >> 8));
	memset(to, 0, SIZE);

	row_begin();
	for (unsigned long round = 0; round < rounds; round++) {
		from[round % SIZE] ^= 1;
		ROW_OPAQUE(from);
		memcpy(to, from, SIZE);
		ROW_OPAQUE(to);
		result = result * 31 + to[round * 4099 % SIZE];
	}
	row_end(result);
	return 0;
}
