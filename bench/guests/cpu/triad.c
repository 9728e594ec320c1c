/* a[i] = b[i] + s * c[i] over three arrays of 8 MiB. Work: MiB moved, 24 bytes an element. */
#include "row.h"

#define ELEMENTS (1UL << 20)

int main(int argc, char **argv)
{
	unsigned long rounds = (row_work(argc, argv) + 23) / 24;
	double *a = malloc(ELEMENTS * sizeof *a);
	double *b = malloc(ELEMENTS * sizeof *b);
	double *c = malloc(ELEMENTS * sizeof *c);
	double scale = 0.5, sum = 0;
	uint64_t result;

	row_check(a != NULL && b != NULL && c != NULL, "malloc");
	for (unsigned long i = 0; i < ELEMENTS; i++) {
		a[i] = 0;
		b[i] = (double)(i % 1000) + 1;
		c[i] = (double)(i % 777) * 0.25;
	}

	row_begin();
	for (unsigned long round = 0; round < rounds; round++) {
		ROW_OPAQUE(a);
		for (unsigned long i = 0; i < ELEMENTS; i++)
			a[i] = b[i] + scale * c[i];
		scale += 0.125;
		sum += a[round * 4099 % ELEMENTS];
	}
	memcpy(&result, &sum, sizeof result);
	row_end(result);
	return 0;
}
