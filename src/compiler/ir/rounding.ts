/**
 * The runtimes whose bits an import can reproduce (--rounding).
 * tflm: TFLM's reference kernels. tflite: TFLite's builtin kernels without delegates, with the vector
 * instructions of x86, as Python's interpreter runs there. tflite-portable: the same with products of
 * matrices in portable code (the WebAssembly build, RUY_PATHS=1).
 * xnnpack: the default interpreter of Python, whose delegate XNNPACK computes most operators.
 */
export const roundings = ['tflm', 'tflite', 'tflite-portable', 'xnnpack'] as const;

export type RuntimeRounding = (typeof roundings)[number];
