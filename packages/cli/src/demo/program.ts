import { assemble } from "@isomorph/cpu/asm";

/** What the built-in guest prints last: who waits for its end can look for it. */
export const DEMO_LAST_WORDS = "demo: done, switching off";

/**
 * A guest of our own, as small as one can be that uses a whole machine: SBI console and shutdown, the timer, interrupts
 * of the serial port through the PLIC, and a disk behind virtio over MMIO (VIRTIO 1.2, sections 4.2 and 5.2).
 *
 * It runs in S-mode without paging, on the machine "virt" with the transport `mmio`: addresses are that machine's.
 */
const SOURCE = `
  .equ UART, 0x10000000
  .equ DISK, 0x10001000
  .equ PLIC, 0x0c000000
  .equ UART_SOURCE, 10
  .equ DISK_SOURCE, 1
  .equ QUEUE_SIZE, 8
  .equ TICK, 50000              # 5 ms at 10 MHz

# The header of a RISC-V Linux Image, by which loaders know where this goes.
image:
  j start
  nop
  .dword 0x200000               # offset from the start of RAM
  .dword image_end - image
  .dword 0
  .word 2, 0                    # version 0.2
  .dword 0
  .ascii "RISCV"
  .byte 0, 0, 0
  .ascii "RSC"
  .byte 5
  .word 0

start:
  la sp, stack_top
  la gp, data
  la t0, trap
  csrw stvec, t0

# --- Console: the firmware's, SBI extension DBCN.
  la a0, hello
  call print

# --- Timer: three interrupts, 5 ms apart (Sstc).
  li t0, 0x20                   # STIE
  csrs sie, t0
  csrsi sstatus, 2              # SIE
  call next_tick
1:
  call wait
  lw t1, ticks - data(gp)
  li t2, 3
  blt t1, t2, 1b
  li t0, 0x20
  csrc sie, t0
  la a0, ticked
  call print

# --- Interrupts: the serial port's through the PLIC, source 10; the disk's is source 1.
  li t0, PLIC
  li t1, 1
  sw t1, 4*UART_SOURCE(t0)      # priorities
  sw t1, 4*DISK_SOURCE(t0)
  li t0, PLIC + 0x2000          # enable bits of context 0: hart 0, S-mode
  li t1, 1 << UART_SOURCE | 1 << DISK_SOURCE
  sw t1, 0(t0)
  li t0, PLIC + 0x200000        # threshold
  sw zero, 0(t0)
  li t0, 0x200                  # SEIE
  csrs sie, t0
  la t0, sent_by_interrupt
  sd t0, sending - data(gp)
  li t0, UART
  li t1, 1
  sb t1, 2(t0)                  # FCR: FIFOs on
  li t1, 2
  sb t1, 1(t0)                  # IER: transmitter empty
2:
  call wait
  ld t1, sending - data(gp)
  bnez t1, 2b

# --- Disk.
  li s0, DISK
  lw t0, 0(s0)                  # MagicValue
  li t1, 0x74726976
  bne t0, t1, no_disk
  lw t0, 8(s0)                  # DeviceID: block
  li t1, 2
  bne t0, t1, no_disk
  sw zero, 0x70(s0)             # reset
  li t0, 3                      # ACKNOWLEDGE, DRIVER
  sw t0, 0x70(s0)
  li t0, 1 << 9                 # VIRTIO_BLK_F_FLUSH
  sw zero, 0x24(s0)
  sw t0, 0x20(s0)
  li t0, 1                      # VIRTIO_F_VERSION_1
  sw t0, 0x24(s0)
  sw t0, 0x20(s0)
  li t0, 11                     # FEATURES_OK
  sw t0, 0x70(s0)
  lw t0, 0x70(s0)
  andi t0, t0, 8
  beqz t0, no_disk
  sw zero, 0x30(s0)             # QueueSel
  li t0, QUEUE_SIZE
  sw t0, 0x38(s0)
  la t0, descriptors
  sw t0, 0x80(s0)
  sw zero, 0x84(s0)
  la t0, available
  sw t0, 0x90(s0)
  sw zero, 0x94(s0)
  la t0, used
  sw t0, 0xa0(s0)
  sw zero, 0xa4(s0)
  li t0, 1
  sw t0, 0x44(s0)               # QueueReady
  li t0, 15                     # DRIVER_OK
  sw t0, 0x70(s0)

  li a0, 0                      # read sector 0
  li a1, 0
  la a2, buffer
  call request
  la a0, disk_says
  call print
  la a0, buffer
  call print
  la a0, newline
  call print

  li a0, 0                      # the counter in sector 1
  li a1, 1
  la a2, buffer
  call request
  la t0, buffer
  ld s1, 0(t0)
  addi s1, s1, 1
  sd s1, 0(t0)
  li a0, 1                      # write it back
  li a1, 1
  la a2, buffer
  call request
  li a0, 4                      # flush
  li a1, 0
  la a2, buffer
  call request
  la t0, buffer
  sd zero, 0(t0)
  li a0, 0                      # and read it again
  li a1, 1
  la a2, buffer
  call request
  la t0, buffer
  ld t1, 0(t0)
  bne t1, s1, disk_lies
  la a0, kept
  call print
  j done
no_disk:
  la a0, without_disk
  call print
  j fail
disk_lies:
  la a0, not_kept
  call print
fail:
  li s2, 1                      # reset reason: system failure
  j off
done:
  la a0, last_words
  call print
  li s2, 0
off:
  li a7, 0x53525354             # SRST: shutdown
  li a6, 0
  li a0, 0
  mv a1, s2
  ecall
  j off

# One request of the disk: a0 is its type, a1 its sector, a2 its 512 bytes. Returns when its interrupt has come.
request:
  addi sp, sp, -16
  sd ra, 0(sp)
  la t0, header
  sw a0, 0(t0)
  sw zero, 4(t0)
  sd a1, 8(t0)
  la t1, descriptors
  sd t0, 0(t1)                  # the header
  li t2, 16
  sw t2, 8(t1)
  li t2, 1 << 16 | 1            # NEXT, next is 1
  sw t2, 12(t1)
  sd a2, 16(t1)                 # the data
  li t2, 512
  sw t2, 24(t1)
  li t2, 2 << 16 | 1
  bnez a0, 1f
  li t2, 2 << 16 | 3            # a read: WRITE as well
1:
  sw t2, 28(t1)
  li t2, 4
  bne a0, t2, 2f
  li t2, 2 << 16 | 1            # a flush has no data
  sw t2, 12(t1)
2:
  la t0, status
  li t2, 0xff
  sb t2, 0(t0)
  sd t0, 32(t1)
  li t2, 1
  sw t2, 40(t1)
  li t2, 2
  sw t2, 44(t1)
  la t1, available
  lhu t2, 2(t1)
  andi t3, t2, QUEUE_SIZE - 1
  slli t3, t3, 1
  add t3, t3, t1
  sh zero, 4(t3)                # ring entry: descriptor 0
  fence
  addi t2, t2, 1
  sh t2, 2(t1)                  # idx
  fence
  li t0, DISK
  sw zero, 0x50(t0)             # QueueNotify
3:
  call wait
  lbu t2, status - data(gp)
  li t3, 0xff
  beq t2, t3, 3b
  bnez t2, disk_lies
  ld ra, 0(sp)
  addi sp, sp, 16
  ret

# Sleeps until an interrupt has come. Between the test and the sleep none is taken, so none is missed.
wait:
  csrci sstatus, 2
  lw t0, pending - data(gp)
  bnez t0, 1f
  wfi
1:
  sw zero, pending - data(gp)
  csrsi sstatus, 2
  ret

# Prints the string at a0, to its zero byte.
print:
  mv a1, a0
1:
  lbu t0, 0(a1)
  addi a1, a1, 1
  bnez t0, 1b
  sub t1, a1, a0
  mv a1, a0
  addi a0, t1, -1
  li a2, 0
  li a6, 0
  li a7, 0x4442434e             # DBCN: write
  ecall
  ret

next_tick:
  rdtime t0
  li t1, TICK
  add t0, t0, t1
  csrw stimecmp, t0
  ret

# All interrupts come here.
  .balign 4
trap:
  addi sp, sp, -64
  sd ra, 0(sp)
  sd t0, 8(sp)
  sd t1, 16(sp)
  sd t2, 24(sp)
  sd t3, 32(sp)
  sd t4, 40(sp)
  csrr t0, scause
  bgez t0, fail                 # an exception: this program makes none
  li t1, 1
  sw t1, pending - data(gp)
  andi t0, t0, 0xff
  li t1, 5
  beq t0, t1, timer
external:
  li t3, PLIC + 0x200004
  lw t4, 0(t3)                  # claim
  beqz t4, return
  li t1, UART_SOURCE
  beq t4, t1, uart
  li t1, DISK
  lw t2, 0x60(t1)               # InterruptStatus
  sw t2, 0x64(t1)               # InterruptACK
  j complete
uart:
  ld t0, sending - data(gp)
  li t1, UART
  lbu t2, 2(t1)                 # IIR: acknowledges
  li t2, 16
1:
  beqz t0, 3f
  lbu ra, 0(t0)
  beqz ra, 2f
  sb ra, 0(t1)
  addi t0, t0, 1
  addi t2, t2, -1
  bnez t2, 1b
  j 4f
2:
  li t0, 0
3:
  sb zero, 1(t1)                # IER: nothing more to send
4:
  sd t0, sending - data(gp)
complete:
  sw t4, 0(t3)
  j external
timer:
  lw t0, ticks - data(gp)
  addi t0, t0, 1
  sw t0, ticks - data(gp)
  call next_tick
return:
  ld ra, 0(sp)
  ld t0, 8(sp)
  ld t1, 16(sp)
  ld t2, 24(sp)
  ld t3, 32(sp)
  ld t4, 40(sp)
  addi sp, sp, 64
  sret

hello: .asciz "demo: hello from S-mode, printed by the firmware's console\\n"
ticked: .asciz "demo: three timer interrupts, 5 ms apart\\n"
sent_by_interrupt: .asciz "demo: this line went out by interrupts of the serial port\\n"
disk_says: .asciz "demo: the disk says: "
newline: .asciz "\\n"
kept: .asciz "demo: the disk counts one start more, flushed and read back\\n"
not_kept: .asciz "demo: the disk did not keep what was written\\n"
without_disk: .asciz "demo: there is no disk\\n"
last_words: .asciz "${DEMO_LAST_WORDS}\\n"

  .balign 16
data:
pending: .word 0                # an interrupt has come
ticks: .word 0
sending: .dword 0               # what the serial port sends next
header: .zero 16
status: .zero 16
descriptors: .zero 16 * QUEUE_SIZE
available: .zero 6 + 2 * QUEUE_SIZE
  .balign 16
used: .zero 6 + 8 * QUEUE_SIZE
  .balign 16
buffer: .zero 512
  .zero 16                      # ends the string in a full buffer
stack: .zero 1024
stack_top:
  .balign 4096
image_end:
`;

/** The built-in guest as a kernel for `createVm`. */
export function demoKernel(): Uint8Array {
  return assemble(SOURCE, { origin: 0x80200000 }).bytes;
}

const SECTOR = 512;
const COUNTER = SECTOR;

/** A disk for the built-in guest: a greeting in sector 0, in sector 1 how often the guest has started. */
export function demoDisk(): Uint8Array {
  const disk = new Uint8Array(16 * SECTOR);
  disk.set(new TextEncoder().encode("a sector read by DMA"));
  return disk;
}

/** How often the guest has counted a start on that disk. */
export function demoStarts(disk: Uint8Array): number {
  return Number(new DataView(disk.buffer, disk.byteOffset).getBigUint64(COUNTER, true));
}
