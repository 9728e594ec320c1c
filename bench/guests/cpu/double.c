/*
 * Double-precision arithmetic in registers: the Lorenz system by Euler's method, kept in bounds by itself, with a
 * division and a square root for every eight steps. Work: thousands of steps.
 */
#include <math.h>
#include "row.h"

int main(int argc, char **argv)
{
	unsigned long steps = row_work(argc, argv) * 1000 / 8;
	double x = 1, y = 1, z = 1, norm = 0;
	const double sigma = 10, rho = 28, beta = 8.0 / 3, dt = 1.0 / 1024;
	uint64_t result;

	row_begin();
	for (unsigned long step = 0; step < steps; step++) {
		for (int i = 0; i < 8; i++) {
			double dx = sigma * (y - x);
			double dy = x * (rho - z) - y;
			double dz = x * y - beta * z;
			x += dx * dt;
			y += dy * dt;
			z += dz * dt;
		}
		norm += sqrt(x * x + y * y + z * z) / (1 + fabs(z));
	}
	memcpy(&result, &norm, sizeof result);
	row_end(result);
	return 0;
}
