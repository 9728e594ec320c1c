/* The shortest system call there is. Work: thousands of calls. */
#include <sys/syscall.h>
#include "row.h"

int main(int argc, char **argv)
{
	unsigned long calls = row_work(argc, argv) * 1000;
	uint64_t sum = 0;

	row_begin();
	for (unsigned long i = 0; i < calls; i++)
		sum += syscall(SYS_getppid) > 0;
	row_end(sum);
	return 0;
}
