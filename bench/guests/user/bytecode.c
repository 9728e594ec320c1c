/* An interpreter of a small stack machine: dispatch by a jump table, the way of language runtimes. Work: thousands of runs. */
#include "../cpu/row.h"

enum code { PUSH, ADD, SUB, DUP, JUMP_IF, HALT, MUL, SWAP, XOR, LOAD, STORE };

/* x = 0; for (i = 100; i; i--) x = ((x + i) * 3) ^ 7; */
static const unsigned char program[] = {
	PUSH, 0, STORE, 0, PUSH, 100, STORE, 1,
	LOAD, 0, LOAD, 1, ADD, PUSH, 3, MUL, PUSH, 7, XOR, STORE, 0,
	LOAD, 1, PUSH, 1, SUB, DUP, STORE, 1, JUMP_IF, 8, HALT,
};

static __attribute__((noinline)) uint64_t run(const unsigned char *code)
{
	uint64_t stack[16], locals[4], kept;
	int top = 0, at = 0;

	for (;;) {
		switch ((enum code)code[at++]) {
		case PUSH: stack[top++] = code[at++]; break;
		case ADD: top--; stack[top - 1] += stack[top]; break;
		case SUB: top--; stack[top - 1] -= stack[top]; break;
		case MUL: top--; stack[top - 1] *= stack[top]; break;
		case XOR: top--; stack[top - 1] ^= stack[top]; break;
		case DUP: stack[top] = stack[top - 1]; top++; break;
		case SWAP: kept = stack[top - 1]; stack[top - 1] = stack[top - 2]; stack[top - 2] = kept; break;
		case LOAD: stack[top++] = locals[code[at++]]; break;
		case STORE: locals[code[at++]] = stack[--top]; break;
		case JUMP_IF: if (stack[--top]) at = code[at]; else at++; break;
		case HALT: return locals[0];
		}
	}
}

int main(int argc, char **argv)
{
	unsigned long work = row_work(argc, argv);
	uint64_t sum = 0;

	row_begin();
	for (unsigned long i = 0; i < work * 1000; i++)
		sum += run(program);
	row_end(sum);
	return 0;
}
