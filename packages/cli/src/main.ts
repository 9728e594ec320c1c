/**
 * The entry of the `isomorph` command.
 *
 * @packageDocumentation
 */
process.stderr.write("isomorph: no such command\n");
process.exitCode = 2;
