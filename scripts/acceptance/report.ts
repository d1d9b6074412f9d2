/** What the acceptance run says: a line for each thing that was seen to hold, and the first that did not ends it. */

const began = performance.now()

/** Something that was seen, with its figures. */
export function seen(text: string): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(6)
  process.stdout.write(`${seconds} s  ${text}\n`)
}

/** Throws unless it holds. */
export function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(`does not hold: ${what}`)
}
