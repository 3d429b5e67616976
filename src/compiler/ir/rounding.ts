/**
 * The runtimes whose bits an import can reproduce (--rounding).
 * tflm: TFLM's reference kernels. tflite: TFLite's builtin kernels without delegates, whose products of
 * matrices are portable code (the WebAssembly build, RUY_PATHS=1). tflite-avx: the same with the vector
 * instructions of x86, as Python's interpreter runs there.
 * xnnpack: the default interpreter of Python, whose delegate XNNPACK computes most operators.
 */
export const roundings = ['tflm', 'tflite', 'tflite-avx', 'xnnpack'] as const;

export type RuntimeRounding = (typeof roundings)[number];
