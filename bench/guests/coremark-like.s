# The kinds of work that CoreMark does, in a program of our own: a linked list is searched and reversed, a small
# matrix multiplied, text parsed by a state machine with a jump table, and everything folded into a CRC.
# Runs in M-mode at the start of RAM with no firmware; prints the CRC on the UART and powers the machine off.
# s0: iterations left, s1: CRC, s2: list head, s3: node pool, s4: matrices, s5: text, s6: jump table

        li      s0, 120000
        li      s1, 0
        li      sp, 0x80100000
        la      s3, nodes
        la      s4, matrices
        la      s5, text
        la      s6, states

# Link 128 nodes of {next, value}; values come from a linear congruential generator.
        mv      s2, zero
        mv      t0, s3
        li      t1, 128
        li      t2, 12345
build:
        li      t3, 1103515245
        mul     t2, t2, t3
        addiw   t2, t2, 1013
        sd      s2, 0(t0)
        srliw   t4, t2, 16
        andi    t4, t4, 1023
        sd      t4, 8(t0)
        mv      s2, t0
        addi    t0, t0, 16
        addi    t1, t1, -1
        bnez    t1, build

# Fill two 10 x 10 matrices of halfwords.
        mv      t0, s4
        li      t1, 200
fill:
        li      t3, 1103515245
        mul     t2, t2, t3
        addiw   t2, t2, 1013
        srliw   t4, t2, 18
        sh      t4, 0(t0)
        addi    t0, t0, 2
        addi    t1, t1, -1
        bnez    t1, fill

iteration:
        andi    a0, s0, 1023
        call    list_search
        mv      a1, a0
        call    crc16
        call    list_reverse
        andi    a0, s0, 15
        call    matrix_multiply
        mv      a1, a0
        call    crc16
        mv      a0, s5
        call    parse_text
        mv      a1, a0
        call    crc16
        addi    s0, s0, -1
        bnez    s0, iteration

# Print four hexadecimal digits and a newline, then end.
        li      t0, 0x10000000
        li      t1, 12
print:
        srl     t2, s1, t1
        andi    t2, t2, 15
        addi    t3, t2, 48
        li      t4, 58
        blt     t3, t4, digit
        addi    t3, t3, 39
digit:
        sb      t3, 0(t0)
        addi    t1, t1, -4
        bgez    t1, print
        li      t3, 10
        sb      t3, 0(t0)
        li      t0, 0x100000
        li      t1, 0x5555
        sw      t1, 0(t0)
forever:
        j       forever

# a0: value wanted. Returns the sum of the values before it, or of all.
list_search:
        mv      t0, s2
        mv      t2, zero
search:
        beqz    t0, searched
        ld      t1, 8(t0)
        beq     t1, a0, searched
        add     t2, t2, t1
        ld      t0, 0(t0)
        j       search
searched:
        mv      a0, t2
        ret

list_reverse:
        mv      t0, s2
        mv      t1, zero
reverse:
        beqz    t0, reversed
        ld      t2, 0(t0)
        sd      t1, 0(t0)
        mv      t1, t0
        mv      t0, t2
        j       reverse
reversed:
        mv      s2, t1
        ret

# a0: shift of the products. Returns the sum of all elements of the product of the two matrices.
matrix_multiply:
        mv      t6, zero
        li      t0, 0
row:
        li      t1, 0
column:
        li      t2, 0
        li      t5, 20
        mul     t3, t0, t5
        add     t3, t3, s4
        slli    t4, t1, 1
        add     t4, t4, s4
        li      a3, 0
product:
        lh      a4, 0(t3)
        lh      a5, 200(t4)
        mulw    a4, a4, a5
        sraw    a4, a4, a0
        addw    a3, a3, a4
        addi    t3, t3, 2
        addi    t4, t4, 20
        addi    t2, t2, 1
        li      t5, 10
        blt     t2, t5, product
        addw    t6, t6, a3
        addi    t1, t1, 1
        blt     t1, t5, column
        addi    t0, t0, 1
        blt     t0, t5, row
        mv      a0, t6
        ret

# a0: text that ends with a zero byte. Returns counts of numbers and of changes of state.
# t0: cursor, t1: state 0 to 3, t2: numbers, t3: changes
parse_text:
        mv      t0, a0
        li      t1, 0
        li      t2, 0
        li      t3, 0
parse:
        lbu     t4, 0(t0)
        beqz    t4, parsed
        addi    t0, t0, 1
        slli    t5, t1, 3
        add     t5, t5, s6
        ld      t5, 0(t5)
        jr      t5
between:
        addi    t5, t4, -48
        li      t6, 10
        bgeu    t5, t6, parse
        addi    t2, t2, 1
        li      t1, 1
        j       changed
integer:
        addi    t5, t4, -48
        li      t6, 10
        bltu    t5, t6, parse
        li      t6, 46
        bne     t4, t6, not_point
        li      t1, 2
        j       changed
not_point:
        li      t1, 0
        j       changed
fraction:
        addi    t5, t4, -48
        li      t6, 10
        bltu    t5, t6, parse
        li      t6, 101
        bne     t4, t6, not_point
        li      t1, 3
        j       changed
exponent:
        addi    t5, t4, -48
        li      t6, 10
        bltu    t5, t6, parse
        li      t1, 0
changed:
        addi    t3, t3, 1
        j       parse
parsed:
        slli    t2, t2, 8
        add     a0, t2, t3
        ret

# Folds the low 32 bits of a1 into the CRC in s1, bit by bit (polynomial 0xa001).
crc16:
        li      t0, 32
        li      t1, 0xa001
bit:
        xor     t2, s1, a1
        andi    t2, t2, 1
        srli    s1, s1, 1
        beqz    t2, even
        xor     s1, s1, t1
even:
        srli    a1, a1, 1
        addi    t0, t0, -1
        bnez    t0, bit
        ret

        .align  3
states:
        .dword  between, integer, fraction, exponent
text:
        .ascii  "5012,3.14,1.5e8,-874,+122,t0.3e-1F,-110.700,+0.64400,5.500e+3,-.123e-2,-87e+832,+0.6e-12,T0.3e-1F,-T.T++Tq,1T3.4e4z,34.0e-T^"
        .byte   0
# What is written has pages of its own, as linkers lay it out.
        .align  12
nodes:
        .zero   2048
matrices:
        .zero   400
