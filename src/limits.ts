/** Larger than any board's flash; offsets stay exact in 32 bits. */
export const maxModelBytes = 2 ** 30;
