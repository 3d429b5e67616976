/* Vectors and entry of a core with the call0 ABI and a movable vector table. Interrupts of level 1
 * serve to wake the processor alone: the handler masks them all and returns. */
    .section .vectors, "ax"
    .align 16
bonsai_vectors:
    .org 0x30 /* exceptions in kernel mode */
    j bonsai_exception
    .org 0x50 /* exceptions in user mode */
    j bonsai_exception
    .org 0x70 /* exceptions in handlers */
    j bonsai_stop
    .org 0x80
bonsai_exception:
    wsr.excsave1 a0
    rsr.exccause a0
    bnei a0, 4, bonsai_stop /* 4: an interrupt of level 1 */
    movi a0, 0
    wsr.intenable a0
    rsr.excsave1 a0
    rfe
bonsai_stop:
    j bonsai_stop

    .section .entry, "ax"
    .align 4
    .global bonsai_entry
bonsai_entry:
    movi a0, 0
    wsr.intenable a0
    movi a2, bonsai_vectors
    wsr.vecbase a2
    movi a2, 0x20 /* user mode, all interrupts that are enabled */
    wsr.ps a2
    rsync
    movi a1, bonsai_stack_top
    movi a2, bonsai_reset_handler
    jx a2
