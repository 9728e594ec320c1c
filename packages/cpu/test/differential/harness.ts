import { assemble, type Program } from "../../src/asm.ts";
import {
  CODE_BYTES,
  CONTEXT,
  Context,
  FINISHED,
  FINISHER,
  INPUT_CSRS,
  Input,
  MACHINE_TIMER_COMPARE,
  MSTATUS_BASE,
  OUTPUT,
  OUTPUT_CSRS,
  Output,
  RAM_BASE,
  RECORD_BYTES,
  RECORDS,
  S_VECTOR_BYTES,
  TRAP_BYTES,
} from "./layout.ts";

const lines = (count: number, make: (n: number) => string, first = 0): string =>
  Array.from({ length: count - first }, (_, index) => make(index + first)).join("\n");

/**
 * The M-mode program that runs the sequences. For each record it sets memory, CSRs and registers, enters the sequence
 * by `mret`, logs every trap, goes on after the instruction that trapped, and at the end of the sequence stores all
 * state back. `mscratch` and `sscratch` are its own.
 */
export function harness(): Program {
  return assemble(
    `
    start:
      csrr t0, mhartid
      bnez t0, parked
      # The machine timer is pending on QEMU until it is set.
      li t0, ${MACHINE_TIMER_COMPARE}
      li t1, -1
      sd t1, 0(t0)
      la t0, trap
      csrw mtvec, t0
      li x31, ${CONTEXT}
      csrw mscratch, x31
      li t0, ${RECORDS}
      sd t0, ${Context.RECORD}(x31)
    next:
      ld x30, ${Context.RECORD}(x31)
      ld t0, ${Context.END}(x31)
      beq t0, x30, finish
      # No reservation is left from the sequence before.
      sc.d zero, zero, (x31)
      ld t0, ${Input.WINDOW_COUNT}(x30)
      addi t1, x30, ${Input.WINDOWS}
    1: beqz t0, 2f
      ld t2, 0(t1)
      ld t3, 8(t1)
      sd t3, 0(t2)
      addi t1, t1, 16
      addi t0, t0, -1
      j 1b
    2: li t0, ${MSTATUS_BASE}
      csrw mstatus, t0
      ${INPUT_CSRS.map((name, n) => `ld t0, ${Input.CSRS + 8 * n}(x30)\n csrw ${name}, t0`).join("\n")}
      sfence.vma
      ${lines(32, (n) => `fld f${n}, ${Input.F + 8 * n}(x30)`)}
      li t0, ${OUTPUT + Output.LOG}
      add t0, t0, x30
      sd t0, ${Context.LOG}(x31)
      ld t0, ${Input.TRAPS_LEFT}(x30)
      sd t0, ${Context.TRAPS_LEFT}(x31)
      ld t0, ${Input.ENTRY}(x30)
      csrw mepc, t0
      ld t0, ${Input.MSTATUS}(x30)
      csrw mstatus, t0
      ${lines(30, (n) => `ld x${n}, ${Input.X + 8 * n}(x30)`, 1)}
      ld x31, ${Input.X + 8 * 31}(x30)
      ld x30, ${Input.X + 8 * 30}(x30)
      mret

      .balign 64
    trap:
      csrw sscratch, x30
      csrrw x31, mscratch, x31
      # The context's address clears MPRV, so that the stores below are physical.
      csrrc x30, mstatus, x31
      sd x30, ${Context.MSTATUS}(x31)
      csrr x30, sscratch
      sd x30, ${8 * 30}(x31)
      csrr x30, mscratch
      sd x30, ${8 * 31}(x31)
      csrw mscratch, x31
      sd x29, ${8 * 29}(x31)
      sd x28, ${8 * 28}(x31)
      sd x27, ${8 * 27}(x31)
      sd x26, ${8 * 26}(x31)
      sd x25, ${8 * 25}(x31)
      ld x30, ${Context.RECORD}(x31)
      ld x29, ${Context.LOG}(x31)
      csrr x28, mcause
      # The value that a breakpoint reports is free (privileged specification, section 3.1.16).
      li x27, 3
      bne x28, x27, 1f
      csrw mtval, zero
    1: sd x28, 0(x29)
      csrr x27, mtval
      sd x27, 8(x29)
      csrr x26, mepc
      sd x26, 16(x29)
      ld x27, ${Context.MSTATUS}(x31)
      sd x27, 24(x29)
      csrr x27, mip
      sd x27, 32(x29)
      # An environment call in the S-mode vector is a trap that S-mode took.
      li x25, 0
      li x27, 9
      bne x28, x27, logged
      ld x27, ${Input.S_VECTOR}(x30)
      sub x27, x26, x27
      li x25, ${S_VECTOR_BYTES}
      bltu x27, x25, 1f
      li x25, 0
      j logged
    1: csrr x28, scause
      li x27, 3
      bne x28, x27, 1f
      csrw stval, zero
    1: sd x28, 40(x29)
      csrr x27, stval
      sd x27, 48(x29)
      csrr x26, sepc
      sd x26, 56(x29)
    logged:
      addi x29, x29, ${TRAP_BYTES}
      sd x29, ${Context.LOG}(x31)
      ld x27, ${Context.TRAPS_LEFT}(x31)
      addi x27, x27, -1
      sd x27, ${Context.TRAPS_LEFT}(x31)
      beqz x27, end
      bltz x28, interrupt
      li x28, ${CODE_BYTES}
      ld x27, ${Input.CODE_VIRTUAL}(x30)
      sub x27, x26, x27
      bltu x27, x28, 1f
      ld x27, ${Input.CODE_PHYSICAL}(x30)
      sub x27, x26, x27
      bgeu x27, x28, end
    1: srli x27, x27, 1
      add x27, x27, x30
      lbu x27, ${Input.LENGTHS}(x27)
      beqz x27, end
      add x26, x26, x27
      j resume
    interrupt:
      andi x28, x28, 63
      li x27, 1
      sll x27, x27, x28
      csrc mie, x27
    resume:
      beqz x25, 1f
      csrw sepc, x26
      ld x26, ${Input.S_VECTOR}(x30)
      addi x26, x26, ${S_VECTOR_BYTES}
    1: csrw mepc, x26
      ld x30, ${8 * 30}(x31)
      csrw sscratch, x30
      ld x30, ${8 * 31}(x31)
      csrw mscratch, x30
      ld x25, ${8 * 25}(x31)
      ld x26, ${8 * 26}(x31)
      ld x27, ${8 * 27}(x31)
      ld x28, ${8 * 28}(x31)
      ld x29, ${8 * 29}(x31)
      ld x30, ${Context.MSTATUS}(x31)
      slli x30, x30, ${63 - 17}
      srli x30, x30, 63
      slli x30, x30, 17
      csrs mstatus, x30
      csrr x30, sscratch
      csrrw x31, mscratch, x31
      mret

    end:
      addi x29, x30, ${OUTPUT}
      ${lines(25, (n) => `sd x${n}, ${Output.X + 8 * n}(x29)`, 1)}
      ${lines(32, (n) => `ld t0, ${8 * n}(x31)\n sd t0, ${Output.X + 8 * n}(x29)`, 25)}
      li t0, 0x6000
      csrs mstatus, t0
      ${lines(32, (n) => `fsd f${n}, ${Output.F + 8 * n}(x29)`)}
      ld t0, ${Context.MSTATUS}(x31)
      sd t0, ${Output.MSTATUS}(x29)
      ld t0, ${Input.TRAPS_LEFT}(x30)
      ld t1, ${Context.TRAPS_LEFT}(x31)
      sub t0, t0, t1
      sd t0, ${Output.TRAPS}(x29)
      ${OUTPUT_CSRS.map((name, n) => `csrr t0, ${name}\n ${name === "menvcfg" ? WITHOUT_ADUE : ""} sd t0, ${Output.CSRS + 8 * n}(x29)`).join("\n")}
      # An entry that covers half of a doubleword would fault in M-mode too.
      csrw pmpcfg0, zero
      ld t0, ${Input.WINDOW_COUNT}(x30)
      addi t1, x30, ${Input.WINDOWS}
    1: beqz t0, 2f
      ld t2, 0(t1)
      ld t3, 0(t2)
      sd t3, 8(t1)
      addi t1, t1, 16
      addi t0, t0, -1
      j 1b
    2: li t0, ${RECORD_BYTES}
      add t0, t0, x30
      sd t0, ${Context.RECORD}(x31)
      j next

    finish:
      li t0, ${FINISHER}
      li t1, ${FINISHED}
      sw t1, 0(t0)
    parked:
      wfi
      j parked
    `,
    { origin: RAM_BASE },
  );
}

/** QEMU 7.2 lacks Svadu: A and D bits are always updated there, and `menvcfg.ADUE` reads zero. */
const WITHOUT_ADUE = "li t1, 1 << 61\n not t1, t1\n and t0, t0, t1\n";

/** The S-mode trap vector: an environment call for each cause, then `sret`. */
export function supervisorVector(): Program {
  return assemble(`${lines(S_VECTOR_BYTES / 4, () => "ecall")}\nsret`);
}
