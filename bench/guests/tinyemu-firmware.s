# M-mode firmware for TinyEMU's bare machine, whose own is from before SBI had extensions: BASE, TIME, SRST and DBCN of
# the SBI specification, and `time` for S- and U-mode, which the machine's processor leaves to its firmware.
# Starts at 0x80000000, goes on at 0x80200000 in S-mode with the device tree that lies behind it.

        la      t0, trap
        csrw    mtvec, t0
        la      t0, frame
        csrw    mscratch, t0
        # All exceptions but illegal instructions and S-mode's calls are the kernel's, so are its interrupts.
        li      t0, 0xb1fb
        csrw    medeleg, t0
        li      t0, 0x222
        csrw    mideleg, t0
        csrw    mie, zero
        # Its cycle and instruction counters are read directly.
        li      t0, 5
        csrw    mcounteren, t0
        # mstatus.MPP = S
        li      t0, 0x1800
        csrc    mstatus, t0
        li      t0, 0x0800
        csrs    mstatus, t0
        li      t0, 0x80200000
        csrw    mepc, t0
        li      a0, 0
        la      a1, devicetree
        mret

        .balign 4
trap:
        csrrw   sp, mscratch, sp
        sd      x1, 8(sp)
        sd      x3, 24(sp)
        sd      x4, 32(sp)
        sd      x5, 40(sp)
        sd      x6, 48(sp)
        sd      x7, 56(sp)
        sd      x8, 64(sp)
        sd      x9, 72(sp)
        sd      x10, 80(sp)
        sd      x11, 88(sp)
        sd      x12, 96(sp)
        sd      x13, 104(sp)
        sd      x14, 112(sp)
        sd      x15, 120(sp)
        sd      x16, 128(sp)
        sd      x17, 136(sp)
        sd      x18, 144(sp)
        sd      x19, 152(sp)
        sd      x20, 160(sp)
        sd      x21, 168(sp)
        sd      x22, 176(sp)
        sd      x23, 184(sp)
        sd      x24, 192(sp)
        sd      x25, 200(sp)
        sd      x26, 208(sp)
        sd      x27, 216(sp)
        sd      x28, 224(sp)
        sd      x29, 232(sp)
        sd      x30, 240(sp)
        sd      x31, 248(sp)
        csrr    t0, mscratch
        sd      t0, 16(sp)

        csrr    t0, mcause
        bltz    t0, timer
        li      t1, 9
        beq     t0, t1, call

# An illegal instruction: rdtime is `csrrs rd, time, zero`, everything else is the kernel's.
        csrr    t0, mtval
        li      t1, 0xfffff07f
        and     t1, t0, t1
        li      t2, 0xc0102073
        bne     t1, t2, forward
        srliw   t0, t0, 7
        andi    t0, t0, 31
        slli    t0, t0, 3
        add     t0, t0, sp
        li      t1, 0x0200bff8
again:
        lw      t2, 4(t1)
        lwu     t3, 0(t1)
        lw      t4, 4(t1)
        bne     t2, t4, again
        slli    t2, t2, 32
        or      t2, t2, t3
        sd      t2, 0(t0)
        j       next

forward:
        csrw    stval, t0
        li      t0, 2
        csrw    scause, t0
        csrr    t0, mepc
        csrw    sepc, t0
        csrr    t0, stvec
        csrw    mepc, t0
        # SPP = MPP's lower bit, SPIE = SIE, SIE = 0, MPP = S
        csrr    t0, mstatus
        li      t1, 0x122
        csrc    mstatus, t1
        srli    t1, t0, 3
        andi    t1, t1, 0x100
        csrs    mstatus, t1
        slli    t1, t0, 4
        andi    t1, t1, 0x20
        csrs    mstatus, t1
        li      t1, 0x0800
        csrs    mstatus, t1
        j       restore

# The timer has come: S-mode sees it until it sets a new one.
timer:
        li      t0, 0x80
        csrc    mie, t0
        li      t0, 0x20
        csrs    mip, t0
        j       restore

# A call: extension in a7, function in a6; what it returns goes to the frame's a0 (error) and a1 (value).
call:
        li      t2, 0
        li      t3, 0
        li      t0, 0x10
        beq     a7, t0, base
        li      t0, 0x54494d45
        beq     a7, t0, set_timer
        li      t0, 0x4442434e
        beq     a7, t0, console
        li      t0, 0x53525354
        beq     a7, t0, reset
        li      t2, -2
        j       answer

base:
        li      t3, 0x02000000
        beqz    a6, answer
        li      t0, 3
        li      t3, 0
        bne     a6, t0, answer
        li      t3, 1
        li      t0, 0x10
        beq     a0, t0, answer
        li      t0, 0x54494d45
        beq     a0, t0, answer
        li      t0, 0x4442434e
        beq     a0, t0, answer
        li      t0, 0x53525354
        beq     a0, t0, answer
        li      t3, 0
        j       answer

set_timer:
        li      t0, 0x02004000
        li      t1, -1
        sw      t1, 4(t0)
        sw      a0, 0(t0)
        srli    t1, a0, 32
        sw      t1, 4(t0)
        li      t0, 0x20
        csrc    mip, t0
        li      t0, 0x80
        csrs    mie, t0
        j       answer

# Writes go out through HTIF's console, byte by byte; nothing is ever read.
console:
        li      t0, 0x40008000
        li      t4, 0x01010000
        li      t1, 2
        beq     a6, t1, one
        bnez    a6, answer
        mv      t3, a0
        add     a0, a1, a0
write:
        beq     a1, a0, answer
        lbu     t1, 0(a1)
        sw      t1, 0(t0)
        sw      t4, 4(t0)
        addi    a1, a1, 1
        j       write
one:
        andi    a0, a0, 255
        sw      a0, 0(t0)
        sw      t4, 4(t0)
        j       answer

reset:
        li      t0, 0x40008000
        li      t1, 1
        sw      t1, 0(t0)
        sw      zero, 4(t0)
        j       reset

answer:
        sd      t2, 80(sp)
        sd      t3, 88(sp)
next:
        csrr    t0, mepc
        addi    t0, t0, 4
        csrw    mepc, t0
restore:
        ld      t0, 16(sp)
        csrw    mscratch, t0
        ld      x1, 8(sp)
        ld      x3, 24(sp)
        ld      x4, 32(sp)
        ld      x5, 40(sp)
        ld      x6, 48(sp)
        ld      x7, 56(sp)
        ld      x8, 64(sp)
        ld      x9, 72(sp)
        ld      x10, 80(sp)
        ld      x11, 88(sp)
        ld      x12, 96(sp)
        ld      x13, 104(sp)
        ld      x14, 112(sp)
        ld      x15, 120(sp)
        ld      x16, 128(sp)
        ld      x17, 136(sp)
        ld      x18, 144(sp)
        ld      x19, 152(sp)
        ld      x20, 160(sp)
        ld      x21, 168(sp)
        ld      x22, 176(sp)
        ld      x23, 184(sp)
        ld      x24, 192(sp)
        ld      x25, 200(sp)
        ld      x26, 208(sp)
        ld      x27, 216(sp)
        ld      x28, 224(sp)
        ld      x29, 232(sp)
        ld      x30, 240(sp)
        ld      x31, 248(sp)
        csrrw   sp, mscratch, sp
        mret

        .balign 8
frame:
        .zero   256
        .balign 8
devicetree:
