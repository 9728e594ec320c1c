"""Plain Python: integers, a dictionary, a list, strings, calls and attributes. Work: passes of the outer loop."""

import os
import sys


class Counter:
    def __init__(self):
        self.total = 0

    def add(self, value):
        self.total = (self.total * 31 + value) & 0xFFFFFF


def one_pass(counter, words):
    counts = {}
    for i in range(5000):
        word = words[(i * i + counter.total) % len(words)]
        counts[word] = counts.get(word, 0) + 1
        counter.add(counts[word])
    line = ",".join(f"{word}={count}" for word, count in sorted(counts.items()))
    numbers = [len(part) * 3 for part in line.split(",") if part[0] != "q"]
    counter.add(sum(numbers))


row = os.environ["ROW"]
words = [chr(97 + i % 26) * (1 + i % 7) + str(i) for i in range(300)]
counter = Counter()
print("@@ begin", row, flush=True)
for _ in range(int(sys.argv[1])):
    one_pass(counter, words)
print("@@ end", row, flush=True)
print("@@ result", row, counter.total, flush=True)
