/* Quicksort of 64-bit numbers by qsort-like code of our own: compares, swaps and unpredictable branches. Work: sorts. */
#include "../cpu/row.h"

#define COUNT 100000

static uint64_t numbers[COUNT];

static void sort(uint64_t *first, uint64_t *last)
{
	while (last - first > 16) {
		uint64_t pivot = first[(last - first) / 2];
		uint64_t *low = first, *high = last;

		while (low <= high) {
			while (*low < pivot)
				low++;
			while (*high > pivot)
				high--;
			if (low <= high) {
				uint64_t moved = *low;

				*low++ = *high;
				*high-- = moved;
			}
		}
		if (high - first < last - low) {
			sort(first, high);
			first = low;
		} else {
			sort(low, last);
			last = high;
		}
	}
	for (uint64_t *next = first + 1; next <= last; next++) {
		uint64_t value = *next, *place = next;

		while (place > first && place[-1] > value) {
			*place = place[-1];
			place--;
		}
		*place = value;
	}
}

int main(int argc, char **argv)
{
	unsigned long work = row_work(argc, argv);
	uint64_t seed = 1, sum = 0;

	row_begin();
	for (unsigned long round = 0; round < work; round++) {
		for (int i = 0; i < COUNT; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			numbers[i] = seed;
		}
		sort(numbers, numbers + COUNT - 1);
		for (int i = 1; i < COUNT; i++)
			row_check(numbers[i - 1] <= numbers[i], "sort");
		sum += numbers[round % COUNT];
	}
	row_end(sum);
	return 0;
}
