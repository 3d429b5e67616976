/* Second stage of the boot (RP2040 datasheet, 2.8.1): the boot ROM copies these 256 bytes to SRAM,
 * checks the CRC-32 at their end and jumps to them. They map the flash at 0x10000000 and start the
 * program behind them.
 *
 * The flash is read by the plain 03h command, which every serial flash supports, at a quarter of
 * the
 * processor's clock: 31.25 MHz, below the command's limit of 50 MHz. */
    .syntax unified
    .cpu cortex-m0plus
    .thumb

    .equ XIP_SSI, 0x18000000
    .equ CTRLR0, 0x00
    .equ CTRLR1, 0x04
    .equ SSIENR, 0x08
    .equ BAUDR, 0x14
    .equ SPI_CTRLR0, 0xf4
    .equ VTOR, 0xe000ed08
    .equ PROGRAM, 0x10000100

    .section .boot2, "ax"
boot2:
    ldr r3, =XIP_SSI
    movs r1, #0
    str r1, [r3, #SSIENR]       /* registers change only while it is off */
    movs r2, #4
    str r2, [r3, #BAUDR]
    ldr r2, =0x001f0300         /* one bit wide, 32-bit frames, command and address then read */
    str r2, [r3, #CTRLR0]
    str r1, [r3, #CTRLR1]       /* one frame a read */
    ldr r2, =0x03000218         /* 03h: 8-bit instruction, 24-bit address */
    movs r0, #SPI_CTRLR0
    str r2, [r3, r0]
    movs r1, #1
    str r1, [r3, #SSIENR]

    ldr r0, =PROGRAM
    ldr r1, =VTOR
    str r0, [r1]
    ldmia r0!, {r1, r2}         /* stack pointer, reset handler */
    msr msp, r1
    bx r2
    .ltorg

    /* CRC-32 (polynomial 0x04c11db7, not reflected) of the 252 bytes before. A test prints the new
     * value when they change. */
    .org 252
    .word 0x8fb19858
