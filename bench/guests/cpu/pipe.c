/* Two processes hand a byte to and fro through two pipes. Work: round trips. */
#include <sys/wait.h>
#include "row.h"

int main(int argc, char **argv)
{
	unsigned long trips = row_work(argc, argv);
	int there[2], back[2];
	unsigned char byte = 0;

	row_check(pipe(there) == 0 && pipe(back) == 0, "pipe");
	pid_t child = fork();
	row_check(child >= 0, "fork");
	if (child == 0) {
		close(there[1]);
		close(back[0]);
		while (read(there[0], &byte, 1) == 1) {
			byte++;
			if (write(back[1], &byte, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	close(there[0]);
	close(back[1]);

	row_begin();
	for (unsigned long i = 0; i < trips; i++)
		row_check(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "pipe");
	row_end(byte);
	close(there[1]);
	waitpid(child, NULL, 0);
	return 0;
}
