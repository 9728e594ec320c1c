/* Calls and returns: Fibonacci numbers by recursion. Work: the number's index. */
#include "../cpu/row.h"

static __attribute__((noinline)) uint64_t fib(unsigned long n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv)
{
	unsigned long work = row_work(argc, argv);

	row_begin();
	row_end(fib(work));
	return 0;
}
