/* SHA-256 (FIPS 180-4) of a buffer: rotations, additions, a table. Work: megabytes. */
#include "../cpu/row.h"

static uint32_t constants[64], hash[8];
static unsigned char buffer[1 << 20];

static uint32_t rotate(uint32_t x, int by)
{
	return x >> by | x << (32 - by);
}

/* The first bits of the fractional part of a root of a prime, found by bisection in integers. */
static uint32_t root_bits(unsigned prime, int cubic)
{
	__uint128_t low = 0, high = (__uint128_t)20 << 32;

	while (high - low > 1) {
		__uint128_t middle = (low + high) / 2;
		__uint128_t square = middle * middle;
		int above = cubic ? (square >> 32) * middle >= (__uint128_t)prime << 64 : square >= (__uint128_t)prime << 64;

		if (above)
			high = middle;
		else
			low = middle;
	}
	return (uint32_t)low;
}

static void prepare(void)
{
	int found = 0;

	for (unsigned candidate = 2; found < 64; candidate++) {
		int prime = 1;

		for (unsigned divisor = 2; divisor * divisor <= candidate; divisor++)
			prime &= candidate % divisor != 0;
		if (!prime)
			continue;
		constants[found] = root_bits(candidate, 1);
		if (found < 8)
			hash[found] = root_bits(candidate, 0);
		found++;
	}
}

static void block(const unsigned char *bytes)
{
	uint32_t w[64], s[8];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)bytes[4 * i] << 24 | bytes[4 * i + 1] << 16 | bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
	memcpy(s, hash, sizeof s);
	for (int i = 0; i < 64; i++) {
		uint32_t e = s[4], a = s[0];
		uint32_t one = s[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + constants[i] + w[i];
		uint32_t two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));

		s[7] = s[6];
		s[6] = s[5];
		s[5] = e;
		s[4] = s[3] + one;
		s[3] = s[2];
		s[2] = s[1];
		s[1] = a;
		s[0] = one + two;
	}
	for (int i = 0; i < 8; i++)
		hash[i] += s[i];
}

int main(int argc, char **argv)
{
	unsigned long work = row_work(argc, argv);

	prepare();
	for (unsigned i = 0; i < sizeof buffer; i++)
		buffer[i] = (unsigned char)(i * i >> 4);
	row_begin();
	for (unsigned long round = 0; round < work; round++)
		for (unsigned at = 0; at < sizeof buffer; at += 64)
			block(buffer + at);
	row_end((uint64_t)hash[0] << 32 | hash[1]);
	return 0;
}
