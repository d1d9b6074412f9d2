/** Memory in use, for what a benchmark has made. */

/** Bytes on the heap and beside it. With `--expose-gc` what nobody uses any more is collected first. */
export async function usedBytes(): Promise<number> {
  // Twice, with a turn between: what finalizers let go of goes with the second.
  for (let i = 0; i < 2; i++) {
    await new Promise(setImmediate)
    globalThis.gc?.()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
