/* Writes text that compresses about as prose does: words of a fixed vocabulary, some more frequent. Work: KiB. */
#include "row.h"

#define WORDS 2048

int main(int argc, char **argv)
{
	unsigned long left = row_work(argc, argv) * 1024;
	static char words[WORDS][12];
	uint64_t random = 42;
	unsigned column = 0;

	for (int i = 0; i < WORDS; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		int length = 2 + (int)((random >> 60) % 9);
		for (int j = 0; j < length; j++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			words[i][j] = "etaoinshrdlucmfwypvbgkqjxz"[(random >> 59) * (random >> 35 & 31) / 38 % 26];
		}
	}
	while (left > 0) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		const char *word = words[(random >> 53) * (random >> 40 & 2047) >> 11];
		for (; *word != 0 && left > 0; word++, left--, column++)
			putchar_unlocked(*word);
		if (left > 0) {
			putchar_unlocked(column > 70 ? '\n' : ' ');
			column = column > 70 ? 0 : column + 1;
			left--;
		}
	}
	return ferror(stdout) || fflush(stdout) != 0;
}
