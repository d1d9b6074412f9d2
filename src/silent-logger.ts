/** Logs nothing: the default, since a library has no business on its user's terminal. */
import type { Logger } from './core/ports.ts'

const ignore = (): void => undefined

export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
