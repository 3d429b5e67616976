/* The boot ROM jumps here, behind the magic words of an image that it does not copy to RAM. Neither
 * gp nor tp is used by C code: kernels may use them. */
    .section .entry, "ax", %progbits
    .global bonsai_entry
bonsai_entry:
    la sp, bonsai_stack_top
    la t0, bonsai_fault
    csrw mtvec, t0
    tail bonsai_reset_handler

/* mtvec holds a multiple of 256 bytes on this chip; its mode is in the lowest bits. */
    .section .text.bonsai_fault, "ax", %progbits
    .balign 256
bonsai_fault:
    j bonsai_fault
