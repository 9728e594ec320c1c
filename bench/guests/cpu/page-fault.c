/* First touches of fresh anonymous pages, 16 MiB mapped and unmapped at a time. Work: thousands of pages. */
#include <sys/mman.h>
#include "row.h"

#define PAGE 4096UL
#define PAGES 4096UL

int main(int argc, char **argv)
{
	unsigned long rounds = (row_work(argc, argv) * 1000 + PAGES - 1) / PAGES;
	uint64_t sum = 0;

	row_begin();
	for (unsigned long round = 0; round < rounds; round++) {
		volatile unsigned char *at =
			mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		row_check(at != MAP_FAILED, "mmap");
		/* A huge page would make one fault of 512. */
		madvise((void *)at, PAGES * PAGE, MADV_NOHUGEPAGE);
		for (unsigned long page = 0; page < PAGES; page++)
			at[page * PAGE] = (unsigned char)page;
		sum += at[(round % PAGES) * PAGE];
		munmap((void *)at, PAGES * PAGE);
	}
	row_end(sum);
	return 0;
}
