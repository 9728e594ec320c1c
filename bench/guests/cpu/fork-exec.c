/* fork, exec of this program again, wait. Work: how often. */
#include <sys/wait.h>
#include "row.h"

int main(int argc, char **argv)
{
	if (argc > 2)
		return 7;
	unsigned long times = row_work(argc, argv);
	uint64_t sum = 0;

	row_begin();
	for (unsigned long i = 0; i < times; i++) {
		int status;
		pid_t child = fork();

		row_check(child >= 0, "fork");
		if (child == 0) {
			execl("/proc/self/exe", argv[0], argv[1], "child", (char *)NULL);
			_exit(1);
		}
		row_check(waitpid(child, &status, 0) == child, "waitpid");
		sum += WEXITSTATUS(status);
	}
	row_end(sum);
	return 0;
}
