/*
 * The kinds of work that CoreMark does, in a program of our own: a linked list is searched, sorted and reversed, small
 * matrices are multiplied, text is parsed by a state machine, and each result goes through a CRC bit by bit. Its
 * figures are not CoreMark's. Work: iterations.
 */
#include "row.h"

#define ITEMS 80
#define SIDE 10
#define TEXT 640

struct item {
	struct item *next;
	int16_t key;
	int16_t value;
};

enum state { START, SIGN, INTEGER, POINT, FRACTION, EXPONENT, POWER, INVALID, STATES };

static struct item pool[ITEMS];
static int16_t left[SIDE][SIDE], right[SIDE][SIDE];
static int32_t product[SIDE][SIDE];
static char text[TEXT + 1];

static uint16_t crc_byte(uint8_t byte, uint16_t crc)
{
	for (int bit = 0; bit < 8; bit++) {
		int carry = (byte ^ crc) & 1;
		byte >>= 1;
		crc >>= 1;
		if (carry)
			crc ^= 0xa001;
	}
	return crc;
}

static uint16_t crc_word(uint32_t word, uint16_t crc)
{
	for (int shift = 0; shift < 32; shift += 8)
		crc = crc_byte((uint8_t)(word >> shift), crc);
	return crc;
}

static int by_key(const struct item *a, const struct item *b)
{
	return a->key - b->key;
}

static int by_value(const struct item *a, const struct item *b)
{
	return crc_byte((uint8_t)a->value, 0) - crc_byte((uint8_t)b->value, 0);
}

static struct item *find(struct item *list, int16_t key)
{
	while (list != NULL && list->key != key)
		list = list->next;
	return list;
}

static struct item *reverse(struct item *list)
{
	struct item *done = NULL;

	while (list != NULL) {
		struct item *rest = list->next;
		list->next = done;
		done = list;
		list = rest;
	}
	return done;
}

static struct item *merge(struct item *a, struct item *b, int (*compare)(const struct item *, const struct item *))
{
	struct item head, *tail = &head;

	while (a != NULL && b != NULL) {
		struct item **smaller = compare(a, b) <= 0 ? &a : &b;
		tail->next = *smaller;
		tail = *smaller;
		*smaller = tail->next;
	}
	tail->next = a != NULL ? a : b;
	return head.next;
}

static struct item *sort(struct item *list, int (*compare)(const struct item *, const struct item *))
{
	struct item *middle = list, *end = list;

	if (list == NULL || list->next == NULL)
		return list;
	while (end->next != NULL && end->next->next != NULL) {
		middle = middle->next;
		end = end->next->next;
	}
	struct item *second = middle->next;
	middle->next = NULL;
	return merge(sort(list, compare), sort(second, compare), compare);
}

static uint16_t run_matrix(int16_t seed, uint16_t crc)
{
	int32_t sum = 0;

	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++)
			left[i][j] = (int16_t)(left[i][j] + seed);
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			int32_t cell = 0;
			for (int k = 0; k < SIDE; k++)
				cell += (int32_t)left[i][k] * right[k][j];
			product[i][j] = cell;
		}
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			int32_t cell = product[i][j];
			sum += (cell >> 2 & 15) * (cell >> 5 & 127);
			sum += cell > sum ? 10 : -1;
		}
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++)
			left[i][j] = (int16_t)(left[i][j] - seed);
	return crc_word((uint32_t)sum, crc);
}

/* Reads one number up to a comma; says what it looked like. */
static enum state parse(const char **at, uint32_t *steps)
{
	enum state state = START;
	const char *p = *at;

	for (; *p != 0 && *p != ','; p++) {
		char c = *p;
		int digit = c >= '0' && c <= '9';

		switch (state) {
		case START:
			state = digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : INVALID;
			break;
		case SIGN:
			state = digit ? INTEGER : c == '.' ? POINT : INVALID;
			break;
		case INTEGER:
			state = digit ? INTEGER : c == '.' ? FRACTION : c == 'e' ? EXPONENT : INVALID;
			break;
		case POINT:
		case FRACTION:
			state = digit ? FRACTION : c == 'e' ? EXPONENT : INVALID;
			break;
		case EXPONENT:
			state = digit || c == '-' || c == '+' ? POWER : INVALID;
			break;
		case POWER:
			state = digit ? POWER : INVALID;
			break;
		default:
			break;
		}
		steps[state]++;
	}
	*at = *p == ',' ? p + 1 : p;
	return state;
}

static uint16_t run_states(uint16_t seed, uint16_t crc)
{
	uint32_t steps[STATES] = { 0 }, ends[STATES] = { 0 };

	for (int pass = 0; pass < 2; pass++) {
		for (const char *at = text; *at != 0;)
			ends[parse(&at, steps)]++;
		/* Spoils some text, and the second time mends it again. */
		for (int i = seed % 13; i < TEXT; i += 29)
			if (text[i] != ',')
				text[i] ^= 16;
	}
	for (int i = 0; i < STATES; i++)
		crc = crc_word(ends[i], crc_word(steps[i], crc));
	return crc;
}

int main(int argc, char **argv)
{
	unsigned long iterations = row_work(argc, argv);
	static const char *const numbers[] = { "5012", "1234.500", "-110.700", "+0.64400", "5.500e+3",
		"-.123e-2", "T0.3e-1F", "+T.T++Tq", "34.0e-T^", "1e5" };
	struct item *list = NULL;
	uint32_t random = 12345;
	uint16_t crc = 0;

	for (int i = 0; i < ITEMS; i++) {
		random = random * 1103515245 + 12345;
		pool[i] = (struct item){ list, (int16_t)(random >> 16 & 1023), (int16_t)(random >> 8) };
		list = &pool[i];
	}
	for (int i = 0; i < SIDE * SIDE; i++) {
		random = random * 1103515245 + 12345;
		left[i / SIDE][i % SIDE] = (int16_t)(random >> 20);
		right[i / SIDE][i % SIDE] = (int16_t)(random >> 19);
	}
	for (size_t length = 0; length < TEXT;) {
		random = random * 1103515245 + 12345;
		const char *number = numbers[(random >> 16) % 10];
		size_t room = TEXT - length, wanted = strlen(number) + 1;
		memcpy(text + length, number, wanted < room ? wanted - 1 : room);
		length += wanted - 1 < room ? wanted - 1 : room;
		if (length < TEXT)
			text[length++] = ',';
	}

	row_begin();
	for (unsigned long i = 0; i < iterations; i++) {
		int16_t wanted = (int16_t)(i & 1023);
		for (int round = 0; round < 24; round++) {
			struct item *found = find(list, (int16_t)((wanted + round * 37) & 1023));
			list = reverse(list);
			crc = crc_byte((uint8_t)(found != NULL ? found->value : round), crc);
			if (found != NULL && (found->value & 1) && found->next != NULL) {
				struct item *moved = found->next;
				found->next = moved->next;
				moved->next = list;
				list = moved;
			}
		}
		list = sort(list, by_value);
		crc = run_matrix((int16_t)(i & 7), crc);
		crc = run_states((uint16_t)i, crc);
		list = sort(list, by_key);
		for (const struct item *at = list; at != NULL; at = at->next)
			crc = crc_word((uint32_t)at->key << 16 | (uint16_t)at->value, crc);
	}
	row_end(crc);
	return 0;
}
