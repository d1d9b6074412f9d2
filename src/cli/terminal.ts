/**
 * What the command line writes: results to stdout, everything else to stderr. All verbs write through here.
 */

/**
 * Lets a reader of our output leave early (`annulus status | head -1`) without a word. A peer goes on all the
 * same: that nobody reads its ready line any more is no reason to stop.
 */
export function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
}

/** Writes a line of a verb's result to stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Writes one JSON document to stdout. */
export function printJson(document: unknown): void {
  print(JSON.stringify(document))
}

/** Writes raw bytes to stdout. */
export function printBytes(bytes: Uint8Array): void {
  process.stdout.write(bytes)
}

let writeLine = writeToStderr

function writeToStderr(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Tells the user something that is not the result: a line to stderr. */
export function say(message: string): void {
  sayLine(`annulus: ${message}`)
}

/** A line to stderr as it is. */
export function sayLine(line: string): void {
  writeLine(line)
}

/** Has lines for stderr written so while a bar is drawn there; the function returned ends that. */
export function divertLines(write: (line: string) => void): () => void {
  writeLine = write
  return () => {
    writeLine = writeToStderr
  }
}

/** Whether a bar may move: only on a terminal that can, and where the user did not ask for plain output. */
export function canAnimate(): boolean {
  const { NO_COLOR: noColor, TERM: term } = process.env
  return process.stderr.isTTY && (noColor === undefined || noColor === '') && term !== 'dumb'
}

/** Resolves when all that was written has left the process, or has nobody to go to, so that it may exit. */
export async function flushOutput(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>(resolve => {
      stream.write('', () => resolve())
    })
  }
}
