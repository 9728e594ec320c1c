/*
 * Loads that each depend on the one before, all over 64 MiB: one node to a 64-byte line, in one random cycle.
 * Work: thousands of loads.
 */
#include "row.h"

#define NODES (1UL << 20)

struct node {
	struct node *next;
	char rest[64 - sizeof(struct node *)];
};

int main(int argc, char **argv)
{
	unsigned long loads = row_work(argc, argv) * 1000;
	struct node *nodes = malloc(NODES * sizeof *nodes);
	struct node *at = nodes;
	uint32_t *order = malloc(NODES * sizeof *order);
	uint64_t random = 1;

	row_check(nodes != NULL && order != NULL, "malloc");
	for (unsigned long i = 0; i < NODES; i++)
		order[i] = (uint32_t)i;
	for (unsigned long i = NODES - 1; i > 0; i--) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		unsigned long j = (random >> 33) % i;
		uint32_t swap = order[i];
		order[i] = order[j];
		order[j] = swap;
	}
	for (unsigned long i = 0; i < NODES; i++)
		nodes[i].next = &nodes[order[i]];

	row_begin();
	for (unsigned long i = 0; i < loads; i++)
		at = at->next;
	row_end((uint64_t)(at - nodes));
	return 0;
}
