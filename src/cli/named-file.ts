/** Files that a setting names: read so that a mistake is told by where the name was given. */
import { readFile, stat } from 'node:fs/promises'
import { usageError } from './errors.ts'

/** A file, and the flag, variable or key of the config file that named it. */
export interface NamedFile {
  readonly path: string
  readonly origin: string
}

/** Bytes of a file that a setting names: the longest allow list there may be. */
const maxBytes = 8 * 1024 * 1024

/** Throws a usage error where it cannot be read. */
export async function readNamedFile({ path, origin }: NamedFile): Promise<Buffer> {
  try {
    const { size } = await stat(path)
    if (size > maxBytes) throw new Error(`${path} has ${size} bytes, more than the ${maxBytes} there may be`)
    return await readFile(path)
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw usageError(`${origin}: the file cannot be read: ${problem}`, 'check the path and its permissions')
  }
}
