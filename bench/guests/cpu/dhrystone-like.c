/*
 * The kinds of work that Dhrystone does, in a program of our own: records are copied and followed through pointers,
 * strings copied and compared, small procedures called with values and with addresses, array elements set by computed
 * indices. Its figures are not Dhrystone's. Work: thousands of rounds.
 */
#include "row.h"

#define PROCEDURE __attribute__((noinline, noclone))

enum colour { RED, GREEN, BLUE, WHITE, BLACK };

struct record {
	struct record *next;
	enum colour colour, other;
	int number;
	char name[31];
};

static struct record *head, *spare;
static int grid[50][50], line[50];
static int global_number;
static char first_letter, second_letter;

static PROCEDURE enum colour same_letter(char a, char b)
{
	char copy = a;

	if (copy != b)
		return RED;
	first_letter = copy;
	return GREEN;
}

static PROCEDURE int is_blue(enum colour colour)
{
	enum colour copy = colour;

	return copy == BLUE;
}

static PROCEDURE int later(const char *a, const char *b)
{
	int at = 2;
	char letter = 'A';

	while (at <= 2)
		if (same_letter(a[at], b[at + 1]) == RED) {
			letter = 'A';
			at++;
		} else {
			break;
		}
	if (letter >= 'W' && letter < 'Z')
		at = 7;
	if (letter == 'R')
		return 1;
	if (strcmp(a, b) > 0) {
		global_number = at + 7;
		return 1;
	}
	return 0;
}

static PROCEDURE void add(int a, int b, int *sum)
{
	*sum = a + 2 + b;
}

static PROCEDURE void choose(enum colour colour, enum colour *chosen)
{
	*chosen = is_blue(colour) ? colour : BLACK;
	switch (colour) {
	case RED:
		*chosen = RED;
		break;
	case GREEN:
		*chosen = global_number > 100 ? RED : BLACK;
		break;
	case BLUE:
		*chosen = GREEN;
		break;
	case WHITE:
		break;
	case BLACK:
		*chosen = BLUE;
		break;
	}
}

static PROCEDURE void from_head(struct record **to)
{
	if (head != NULL)
		*to = head->next;
	add(10, global_number, &head->number);
}

static PROCEDURE void follow(struct record *at)
{
	struct record *next = at->next;

	*at->next = *head;
	at->number = 5;
	next->number = at->number;
	next->next = at->next;
	from_head(&next->next);
	if (next->colour == RED) {
		next->number = 6;
		choose(at->other, &next->other);
		next->next = head->next;
		add(next->number, 10, &next->number);
	} else {
		*at = *at->next;
	}
}

static PROCEDURE void fill(int *row, int (*table)[50], int index, int value)
{
	int at = index + 5;

	row[at] = value;
	row[at + 1] = row[at];
	row[at + 30] = at;
	for (int i = at; i <= at + 1; i++)
		table[at][i] = at;
	table[at][at - 1]++;
	table[at + 20][at] = row[at];
	global_number = 5;
}

int main(int argc, char **argv)
{
	unsigned long rounds = row_work(argc, argv) * 1000;
	int a = 0, b = 0, c = 0;
	enum colour colour;
	char one[31], two[31];

	head = malloc(sizeof *head);
	spare = malloc(sizeof *spare);
	row_check(head != NULL && spare != NULL, "malloc");
	memset(spare, 0, sizeof *spare);
	*head = (struct record){ spare, RED, BLUE, 40, "A RECORD'S NAME OF THIRTY CHAR" };
	strcpy(one, "A TEXT OF THIRTY LETTERS, NO 1");

	row_begin();
	for (unsigned long round = 1; round <= rounds; round++) {
		first_letter = 'A';
		second_letter = 'B';
		a = 2;
		b = 3;
		strcpy(two, "A TEXT OF THIRTY LETTERS, NO 2");
		colour = GREEN;
		global_number = !later(one, two);
		while (a < b) {
			c = 5 * a - b;
			add(a, b, &c);
			a++;
		}
		fill(line, grid, a, c);
		follow(head);
		for (char letter = 'A'; letter <= second_letter; letter++)
			if (colour == same_letter(letter, 'C')) {
				choose(RED, &colour);
				strcpy(two, "A TEXT OF THIRTY LETTERS, NO 3");
				b = (int)round;
				global_number = (int)round;
			}
		b *= a;
		a = b / c;
		b = 7 * (b - c) - a;
	}
	row_end((uint64_t)(a * 31 + b * 7 + c) ^ (uint64_t)(grid[8][7] + line[8] + head->number + spare->number));
	return 0;
}
