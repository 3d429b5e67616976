/**
 * The runtimes whose bits an import can reproduce (--rounding).
 * tflm: TFLM's reference kernels. tflite: desktop TFLite's builtin kernels, without delegates.
 * xnnpack: the default interpreter of Python, whose delegate XNNPACK computes most operators.
 */
export const roundings = ['tflm', 'tflite', 'xnnpack'] as const;

export type RuntimeRounding = (typeof roundings)[number];
