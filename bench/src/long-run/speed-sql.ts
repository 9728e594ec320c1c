/** Numbers in words, so that texts are long and compare slowly. */
const UNITS = "zero one two three four five six seven eight nine".split(" ");

function words(value: number): string {
  return [...String(value)].map((digit) => UNITS[Number(digit)]).join(" ");
}

/**
 * A load for `sqlite3` with the mix of work that SQLite's own speed test has: inserts with and without indexes, ranges,
 * patterns, joins, updates, deletes, sorting, a large transaction that is rolled back. Its queries print sums.
 *
 * @param rows - Rows of the largest table; the work is about proportional to it.
 */
export function speedSql(rows: number): string {
  let state = 12345;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state % limit;
  };
  const lines: string[] = ["PRAGMA page_size=4096;", "PRAGMA cache_size=500;", "PRAGMA journal_mode=DELETE;"];
  const add = (...text: readonly string[]): void => void lines.push(...text);
  const insert = (table: string, count: number): void => {
    add("BEGIN;", `CREATE TABLE ${table}(a INTEGER, b INTEGER, c TEXT);`);
    for (let row = 1; row <= count; row++) {
      const value = below(count * 10);
      add(`INSERT INTO ${table} VALUES(${row},${value},'${words(value)}');`);
    }
    add("COMMIT;");
  };
  const ask = (query: string): void => add(`SELECT '${lines.length}', ${query};`);

  insert("plain", rows);
  insert("sorted", rows);
  add("CREATE UNIQUE INDEX sorted_a ON sorted(a);", "CREATE INDEX sorted_b ON sorted(b);");
  for (let i = 0; i < 20; i++) {
    const from = below(rows * 9);
    ask(`count(*), avg(b), sum(length(c)) FROM plain WHERE b BETWEEN ${from} AND ${from + rows}`);
    ask(`count(*), avg(b) FROM plain WHERE c LIKE '%${words(below(100))}%'`);
  }
  for (let i = 0; i < rows / 10; i++) {
    const from = below(rows * 10);
    ask(`count(*), total(a) FROM sorted WHERE b BETWEEN ${from} AND ${from + 100}`);
  }
  add("CREATE INDEX sorted_c ON sorted(c);");
  ask("count(*), sum(p.a * s.a % 1000) FROM plain p JOIN sorted s ON p.b = s.b");
  ask("sum(a * n) FROM (SELECT a, row_number() OVER (ORDER BY c DESC, a) AS n FROM plain)");
  ask("count(*) FROM (SELECT c, count(*) AS n FROM plain GROUP BY c HAVING n > 1)");
  ask("max(md) FROM (SELECT group_concat(substr(c, 1, 3), '-') AS md FROM plain GROUP BY b % 97)");
  add("BEGIN;");
  for (let i = 0; i < rows / 5; i++)
    add(`UPDATE sorted SET b=b*2, c='${words(below(rows))}' WHERE a=${below(rows) + 1};`);
  add(
    "COMMIT;",
    "BEGIN;",
    "DELETE FROM plain WHERE c LIKE '%seven%';",
    "UPDATE sorted SET c = upper(c);",
    "ROLLBACK;",
  );
  add(
    "DELETE FROM sorted WHERE b % 3 = 0;",
    "INSERT INTO sorted SELECT a + 1000000, b, c FROM plain WHERE b % 3 = 1;",
  );
  add(
    "CREATE TABLE tree AS WITH RECURSIVE t(n, x) AS (SELECT 1, 7 UNION ALL " +
      `SELECT n + 1, (x * 1103515245 + 12345) % 2147483648 FROM t WHERE n < ${rows}) SELECT n, x, printf('%08x', x) AS h FROM t;`,
    "CREATE INDEX tree_h ON tree(h);",
  );
  ask("count(DISTINCT substr(h, 3, 3)), min(h), max(h), sum(sqrt(x) * 1e-3) FROM tree");
  ask("count(*) FROM tree t1 JOIN tree t2 ON t1.h > t2.h AND t1.n = t2.n + 1");
  add("VACUUM;");
  ask("sum(a), sum(b), sum(length(c)) FROM sorted");
  return `${lines.join("\n")}\n`;
}
