/**
 * A logger that writes each message only so often a minute, whatever others make a peer say: what comes from the wire
 * must not fill a disk. The line that follows the ones left out says how many they were. Messages are few and constant, what
 * differs is in their fields. Used by peers and clients for all that they log.
 */
import type { Clock, Logger } from './ports.ts'

/** Lines of one message a minute: enough for a hundred members that change at once to be seen, in a few minutes. */
export const maxLinesPerMinute = 30

const minuteMs = 60_000

/** Messages that are told apart. There are about a hundred in the program; beyond, the oldest is forgotten. */
const maxMessages = 512

interface Said {
  /** When the minute began, by the monotonic clock. */
  sinceMs: number
  lines: number
  omitted: number
}

/** Debug lines are not limited: who asks for them wants all. */
export function limitedLogger({
  logger,
  clock
}: {
  readonly logger: Logger
  readonly clock: Pick<Clock, 'monotonic'>
}): Logger {
  const messages = new Map<string, Said>()
  const limited =
    (level: 'info' | 'warn' | 'error') =>
    (message: string, fields?: Record<string, unknown>): void => {
      const said = saidOf(messages, message, clock.monotonic())
      if (said.lines >= maxLinesPerMinute) {
        said.omitted++
        return
      }
      said.lines++
      const { omitted } = said
      said.omitted = 0
      if (omitted === 0 && fields === undefined) logger[level](message)
      else logger[level](message, omitted === 0 ? fields : { ...fields, omitted })
    }
  return {
    debug: (message, fields) => logger.debug(message, fields),
    info: limited('info'),
    warn: limited('warn'),
    error: limited('error')
  }
}

function saidOf(messages: Map<string, Said>, message: string, nowMs: number): Said {
  const known = messages.get(message)
  if (known !== undefined) {
    if (nowMs - known.sinceMs >= minuteMs) Object.assign(known, { sinceMs: nowMs, lines: 0 })
    return known
  }
  const said = { sinceMs: nowMs, lines: 0, omitted: 0 }
  messages.set(message, said)
  if (messages.size > maxMessages) messages.delete(messages.keys().next().value!)
  return said
}
